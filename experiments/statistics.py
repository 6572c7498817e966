"""What is measured of results: the columns of tables, means over seeds, and intervals over documents."""

from functools import lru_cache
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray

from embre_spacy.relation.scoring import flatten_scores

# The levels, and how the heads of wide tables call them.
LEVELS: Dict[str, str] = {"pair": "pair", "type": "+ type", "novelty": "+ novelty", "all": "all"}
RESAMPLES = 10_000
_SEED = 0
_INTERVAL = (2.5, 97.5)

Result = Dict[str, Any]
Value = Callable[[Result], Optional[float]]


class Column(NamedTuple):
    """A column of the table of scores.

    title (str): Its head.
    value (Value): Gets its value from a result.
    form (str): The format of numbers.
    of_pretraining (bool): Whether it is about the pretraining, which several results share.
    """

    title: str
    value: Value
    form: str
    of_pretraining: bool = False

    def values(self, results: Sequence[Result]) -> List[Optional[float]]:
        """Get a value of each result, or of each pretraining, which has no deviation from itself."""
        return [self.value(result) for result in (by_pretraining(results).values() if self.of_pretraining else results)]


class Difference(NamedTuple):
    """A difference of F1 and its 95% interval."""

    value: float
    low: float
    high: float


def by_pretraining(results: Sequence[Result]) -> Dict[str, Result]:
    """Choose one result of each pretraining, by the folder of the pretraining."""
    chosen: Dict[str, Result] = {}
    for result in results:
        if result.get("pretraining"):
            chosen.setdefault(result["pretraining"]["folder"], result)
    return chosen


def level_f(level: str) -> Value:
    """Make a function that gets F1 at a level."""
    return _inside("dev", "counts", level, "f")


def _inside(*keys: str) -> Value:
    """Make a function that gets a value inside a result, or None where there is none."""

    def value(result: Result) -> Optional[float]:
        inner: Any = result
        for key in keys:
            inner = inner.get(key) if isinstance(inner, dict) else None
        return inner

    return value


def _score(name: str) -> Value:
    """Make a function that gets a score by the name that it has in training."""
    return lambda result: flatten_scores(result["dev"]["counts"])[name]


def _masked(objective: str) -> Column:
    """Make the column of the accuracy of an objective in the last epoch of the pretraining."""
    value = _inside("pretraining", "last_epoch", f"{objective}_accuracy")
    return Column(f"masked {objective}", value, ".3f", of_pretraining=True)


USUAL_COLUMNS: Tuple[Column, ...] = (
    *(Column(title, level_f(level), ".3f") for level, title in LEVELS.items()),
    Column("type of found pairs", _score("relation_type_accuracy"), ".3f"),
    Column("macro F1 of types", _score("relation_type_macro_f"), ".3f"),
    Column("type of gold pairs", _inside("dev", "gold_pairs", "type_accuracy"), ".3f"),
    Column("novelty of gold pairs", _inside("dev", "gold_pairs", "novelty_accuracy"), ".3f"),
)
EXTRA_COLUMNS: Dict[str, Column] = {
    "training_seconds": Column("training, s", _inside("seconds", "training"), ".0f"),
    "teachers_seconds": Column("teachers, s", _inside("seconds", "teachers"), ".0f"),
    "pretraining_seconds": Column("pretraining, s", _inside("seconds", "pretraining"), ".0f", of_pretraining=True),
    "documents_per_second": Column("documents/s", _inside("documents_per_second"), ".1f"),
    "pair_precision": Column("pair precision", _inside("dev", "counts", "pair", "p"), ".3f"),
    "pair_recall": Column("pair recall", _inside("dev", "counts", "pair", "r"), ".3f"),
    "best_threshold": Column("best threshold", _inside("dev", "best_threshold", "threshold"), ".2f"),
    "best_threshold_pair": Column("pair at it", _inside("dev", "best_threshold", "pair"), ".3f"),
    "best_threshold_all": Column("all at it", _inside("dev", "best_threshold", "all"), ".3f"),
    "masked_type_accuracy": _masked("type"),
    "masked_identifier_accuracy": _masked("identifier"),
    "masked_word_accuracy": _masked("word"),
}


def mean(values: Sequence[Optional[float]]) -> Optional[float]:
    """The mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return float(numpy.mean(known)) if known else None


def deviation(values: Sequence[Optional[float]]) -> Optional[float]:
    """The sample standard deviation of the values that are not None; None if there are fewer than two."""
    known = [value for value in values if value is not None]
    return float(numpy.std(known, ddof=1)) if len(known) > 1 else None


def spread(values: Sequence[Optional[float]], form: str) -> str:
    """Write the mean of values with their standard deviation, if there is one."""
    middle, deviating = mean(values), deviation(values)
    if middle is None:
        return "–"
    return f"{middle:{form}}" if deviating is None else f"{middle:{form}} ± {deviating:{form}}"


def f1(counts: NDArray) -> NDArray[numpy.float64]:
    """Compute micro F1 from true positives, false positives and false negatives; shape (..., 3)."""
    tp, fp, fn = numpy.moveaxis(counts, -1, 0)
    return 2 * tp / numpy.maximum(2 * tp + fp + fn, 1)


def sum_documents(results: Sequence[Mapping[str, Any]]) -> Optional[Dict[str, List[List[int]]]]:
    """Add up the counts of each document over the seeds of a cell.

    results (Sequence[Mapping[str, Any]]): Its results.
    RETURNS (Optional[Dict[str, List[List[int]]]]): By the id of the document [tp, fp, fn] at each level, or None if the
        results are not on the same documents.
    """
    counts = [{row["id"]: [row[level] for level in LEVELS] for row in result["dev"]["documents"]} for result in results]
    if not counts or any(rows.keys() != counts[0].keys() for rows in counts):
        return None
    return {document: numpy.sum([rows[document] for rows in counts], axis=0).tolist() for document in counts[0]}


def bootstrap_differences(
    counts: Mapping[str, List[List[int]]], baseline: Mapping[str, List[List[int]]], *, resamples: int = RESAMPLES
) -> Optional[Dict[str, Difference]]:
    """Compute the differences of F1 between two cells and their 95% intervals: a paired bootstrap over
    documents, percentiles.

    counts (Mapping[str, List[List[int]]]): The counts of the cell, as `sum_documents` returns them.
    baseline (Mapping[str, List[List[int]]]): Those of the other.
    resamples (int): How many times as many documents are drawn as there are, with replacement.
    RETURNS (Optional[Dict[str, Difference]]): The difference at each level, or None if the documents differ.
    """
    if not counts or counts.keys() != baseline.keys():
        return None
    ours = numpy.asarray([counts[document] for document in counts])
    theirs = numpy.asarray([baseline[document] for document in counts])
    weights = _draw(len(ours), resamples)
    values = f1(ours.sum(axis=0)) - f1(theirs.sum(axis=0))
    drawn = f1(numpy.tensordot(weights, ours, axes=1)) - f1(numpy.tensordot(weights, theirs, axes=1))
    low, high = numpy.percentile(drawn, _INTERVAL, axis=0)
    return {level: Difference(float(values[i]), float(low[i]), float(high[i])) for i, level in enumerate(LEVELS)}


@lru_cache(maxsize=4)
def _draw(n_documents: int, resamples: int) -> NDArray[numpy.int64]:
    """Draw how many times each document is in each resample; shape (resamples, n_documents)."""
    # The old generator is the one whose stream no version of NumPy changes: reports stay the same.
    random = numpy.random.RandomState(_SEED)
    return random.multinomial(n_documents, numpy.full(n_documents, 1 / n_documents), size=resamples)
