"""Where the mentions of candidates stand, and how near they come to each other."""

from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

import numpy
from numpy.typing import NDArray

# Upper bounds of the classes that distances in wordpieces and numbers of mentions fall into.
DISTANCE_BOUNDS = (4, 8, 16, 32, 64, 128, 256)
COUNT_BOUNDS = (1, 2, 4, 8)
CLOSE_BOUNDS = (0, 1, 2, 4)
# Mentions at most so many wordpieces apart are likely to stand in one sentence.
CLOSE = 40
# How many equal parts of a document a place is told by: title, background, methods and results are told apart.
N_PLACES = 20
# The most pairs of mentions that are compared at once: those of a full text would take gigabytes.
MOST_PAIRS = 2**21


@dataclass
class Proximity:
    """How near the mentions of p candidates come to each other.

    distances (NDArray[int64]): The least number of wordpieces between a mention of one concept and a mention of the
        other, which for a concept with itself is a different mention; shape (p,).
    places (NDArray[float64]): Where these two stand: their middle as a share of the document; shape (p,).
    n_close (NDArray[int64]): How many pairs of mentions are at most CLOSE wordpieces apart; shape (p,).
    mentions (NDArray[int64]): The nearest two mentions, one of each concept; the first of them if several are. For a
        concept with itself they are different, if it has two; shape (p, 2).
    """

    distances: NDArray[numpy.int64]
    places: NDArray[numpy.float64]
    n_close: NDArray[numpy.int64]
    mentions: NDArray[numpy.int64]


def find_proximity(
    spans: NDArray[numpy.int64],
    concept_mentions: Sequence[Sequence[int]],
    candidates: NDArray[numpy.int64],
    length: int,
) -> Proximity:
    """How near the concepts of candidates come to each other.

    spans (NDArray[int64]): The first and the one-after-last wordpiece of each mention of the document; shape (m, 2).
    concept_mentions (Sequence[Sequence[int]]): The mentions of each concept, at least one.
    candidates (NDArray[int64]): The two concepts of each candidate; shape (p, 2).
    length (int): The number of wordpieces of the document.
    RETURNS (Proximity): The result.
    """
    counts = numpy.asarray([len(found) for found in concept_mentions], dtype="int64")
    firsts = counts.cumsum() - counts
    entries = numpy.concatenate([numpy.zeros(0, dtype="int64"), *map(numpy.asarray, concept_mentions)]).astype("int64")
    alike = _find_alike(concept_mentions, counts)
    n = max(len(entries), 1)
    nearest = numpy.zeros((len(counts), len(counts)), dtype="int64")
    n_close = numpy.zeros((len(counts), len(counts)), dtype="int64")
    for start, end in _split_concepts(counts, n):
        rows = slice(firsts[start], firsts[end - 1] + counts[end - 1])
        gaps = _find_gaps(spans[entries[rows]], spans[entries])
        # Farther than any two mentions are; also where a text has no wordpieces at all.
        same = (entries[rows, None] == entries) & (alike[rows, None] == alike) & (alike >= 0)
        gaps[same] += max(length, 1)
        # Ordered by distance first, then by the mention of the one, then by that of the other.
        keys = (gaps * n + numpy.arange(len(entries))[rows, None]) * n + numpy.arange(len(entries))
        nearest[start:end] = _reduce(numpy.minimum, keys, firsts, firsts[start:end] - firsts[start])
        close = (gaps <= CLOSE).astype("int64")
        n_close[start:end] = _reduce(numpy.add, close, firsts, firsts[start:end] - firsts[start])
    found = nearest[candidates[:, 0], candidates[:, 1]]
    mentions = entries[numpy.stack([found // n % n, found % n], axis=1)]
    return Proximity(
        distances=found // n**2,
        places=spans[mentions].sum(axis=(1, 2)) / (4 * max(length, 1)),
        n_close=n_close[candidates[:, 0], candidates[:, 1]],
        mentions=mentions,
    )


def _find_alike(concept_mentions: Sequence[Sequence[int]], counts: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """For each mention of each concept a number that all concepts with the same mentions share; -1 for a concept of a
    single mention, which has no other to be near to."""
    groups: Dict[Tuple[int, ...], int] = {}
    numbers = [
        groups.setdefault(tuple(found), number) if len(found) > 1 else -1
        for number, found in enumerate(concept_mentions)
    ]
    return numpy.repeat(numpy.asarray(numbers, dtype="int64"), counts)


def _split_concepts(counts: NDArray[numpy.int64], n: int) -> List[Tuple[int, int]]:
    """Ranges of concepts, each with at most MOST_PAIRS pairs of its mentions with all n, or of one concept."""
    ranges: List[Tuple[int, int]] = []
    start = size = 0
    for number, count in enumerate(counts.tolist()):
        if number > start and (size + count) * n > MOST_PAIRS:
            ranges.append((start, number))
            start, size = number, 0
        size += count
    return [*ranges, (start, len(counts))] if len(counts) else ranges


def _reduce(
    function: numpy.ufunc,
    values: NDArray[numpy.int64],
    columns: NDArray[numpy.int64],
    rows: NDArray[numpy.int64],
) -> NDArray[numpy.int64]:
    """The values of mentions against mentions to those of concepts against concepts."""
    return function.reduceat(function.reduceat(values, columns, axis=1), rows, axis=0)


def _find_gaps(first: NDArray[numpy.int64], second: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """The number of wordpieces between each two spans, 0 if they touch or overlap; shape (of the first, of the
    second)."""
    return numpy.maximum(first[:, None, 0] - second[:, 1], second[:, 0] - first[:, None, 1]).clip(min=0)


def to_places(shares: NDArray[numpy.float64]) -> NDArray[numpy.int64]:
    """Classes of places in a document.

    shares (NDArray[float64]): Places as shares of the document, from 0 to 1.
    RETURNS (NDArray[int64]): The number of the part of the document that each lies in, less than N_PLACES.
    """
    return (shares * N_PLACES).astype("int64").clip(0, N_PLACES - 1)
