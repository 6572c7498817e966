"""Means over seeds, and intervals over documents."""

from functools import lru_cache
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy
from numpy.typing import NDArray

from .columns import LEVELS

RESAMPLES = 10_000
_SEED = 0
_INTERVAL = (2.5, 97.5)


class Difference(NamedTuple):
    """A difference of F1 and its 95% interval."""

    value: float
    low: float
    high: float


def mean(values: Sequence[Optional[float]]) -> Optional[float]:
    """The mean of the values that there are, or None if there are none."""
    found = [value for value in values if value is not None]
    return float(numpy.mean(found)) if found else None


def deviation(values: Sequence[Optional[float]]) -> Optional[float]:
    """The sample standard deviation of the values that there are, or None if there are fewer than two."""
    found = [value for value in values if value is not None]
    return float(numpy.std(found, ddof=1)) if len(found) > 1 else None


def f1(counts: NDArray) -> NDArray[numpy.float64]:
    """Micro F1.

    counts (NDArray): True positives, false positives, false negatives; shape (..., 3).
    RETURNS (NDArray[float64]): F1; 0 where nothing is right; shape (...).
    """
    tp, fp, fn = numpy.moveaxis(counts, -1, 0)
    return 2 * tp / numpy.maximum(2 * tp + fp + fn, 1)


def sum_documents(results: Sequence[Mapping[str, Any]]) -> Optional[Dict[str, List[List[int]]]]:
    """Add up the counts of each document over the seeds of a cell.

    results (Sequence[Mapping[str, Any]]): Its results.
    RETURNS (Optional[Dict[str, List[List[int]]]]): By the id of the document [tp, fp, fn] at each level, or None if the
        results are not on the same documents.
    """
    counts = [{one["id"]: [one[level] for level in LEVELS] for one in found["dev"]["documents"]} for found in results]
    if not counts or any(found.keys() != counts[0].keys() for found in counts):
        return None
    return {document: numpy.sum([found[document] for found in counts], axis=0).tolist() for document in counts[0]}


def bootstrap_differences(
    counts: Mapping[str, List[List[int]]], baseline: Mapping[str, List[List[int]]], *, resamples: int = RESAMPLES
) -> Optional[Dict[str, Difference]]:
    """The differences of F1 between two cells with 95% intervals: a paired bootstrap over documents, percentiles.

    counts (Mapping[str, List[List[int]]]): The counts of the cell, as `sum_documents` returns them.
    baseline (Mapping[str, List[List[int]]]): Those of the other.
    resamples (int): How often as many documents are drawn as there are, with replacement.
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
    """How often each document is drawn in each resample; shape (resamples, n_documents)."""
    # The old generator is the one whose stream no version of NumPy changes: reports stay the same.
    random = numpy.random.RandomState(_SEED)
    return random.multinomial(n_documents, numpy.full(n_documents, 1 / n_documents), size=resamples)
