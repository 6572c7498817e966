"""What tables of results show of one result: the usual columns, and those that a grid may ask for."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

# The levels, and how the heads of wide tables call them.
LEVELS: Dict[str, str] = {"pair": "pair", "type": "+ type", "novelty": "+ novelty", "all": "all"}

Result = Dict[str, Any]
Value = Callable[[Result], Optional[float]]


def by_pretraining(results: Sequence[Result]) -> Dict[str, Result]:
    """One result of each pretraining: those of several seeds, and of several cells, share one.

    results (Sequence[Result]): The results.
    RETURNS (Dict[str, Result]): A result by the folder of its pretraining. Results without one are left out.
    """
    found: Dict[str, Result] = {}
    for result in results:
        if result.get("pretraining"):
            found.setdefault(result["pretraining"]["folder"], result)
    return found


class Column(NamedTuple):
    """A column of the table of scores.

    title (str): Its head.
    value (Value): What gives its value of a result.
    form (str): How that is written.
    of_pretraining (bool): Whether it is about the pretraining, which results share.
    """

    title: str
    value: Value
    form: str
    of_pretraining: bool = False

    def values(self, results: Sequence[Result]) -> List[Optional[float]]:
        """The values of a cell.

        results (Sequence[Result]): Its results.
        RETURNS (List[Optional[float]]): One value for each result, or one for each pretraining.
        """
        # A pretraining has no deviation from itself.
        ones = by_pretraining(results).values() if self.of_pretraining else results
        return [self.value(one) for one in ones]


def level_f(level: str) -> Value:
    """What gives F1 at a level."""
    return lambda result: result["dev"]["counts"][level]["f"]


def type_accuracy_of_found(result: Result) -> Optional[float]:
    """The share of the found pairs that have the right relation type, or None if none is found."""
    counts = result["dev"]["counts"]
    return counts["type"]["tp"] / counts["pair"]["tp"] if counts["pair"]["tp"] else None


def type_macro_f(result: Result) -> Optional[float]:
    """The mean F1 of the relation types that gold has, or None if it has none."""
    found = [one["f"] for one in result["dev"]["counts"]["type"]["per_relation_type"].values() if one["gold"]]
    return sum(found) / len(found) if found else None


def _inside(*keys: str) -> Value:
    """What gives a value inside a result, or None where there is none."""

    def value(result: Result) -> Optional[float]:
        found: Any = result
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    return value


USUAL_COLUMNS: Tuple[Column, ...] = (
    *(Column(title, level_f(level), ".3f") for level, title in LEVELS.items()),
    Column("type of found pairs", type_accuracy_of_found, ".3f"),
    Column("macro F1 of types", type_macro_f, ".3f"),
    Column("type of gold pairs", _inside("dev", "gold_pairs", "type_accuracy"), ".3f"),
    Column("novelty of gold pairs", _inside("dev", "gold_pairs", "novelty_accuracy"), ".3f"),
)


def _masked(objective: str) -> Column:
    """The accuracy of an objective in the last epoch of the pretraining."""
    value = _inside("pretraining", "last_epoch", f"{objective}_accuracy")
    return Column(f"masked {objective}", value, ".3f", of_pretraining=True)


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
