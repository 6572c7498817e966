"""Concepts and candidates as arrays, for encoders that pool the vectors of a document: who, where, and how near.

What has a vector is a unit: a wordpiece or a token of spaCy.
"""

from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Dict, Iterable, List, NamedTuple, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..labels import entity_type
from ..tokens import Candidate, Mention

# Upper bounds of the bins that distances in units, numbers of mentions and numbers of close pairs fall into.
DISTANCE_BOUNDS = (4, 8, 16, 32, 64, 128, 256)
COUNT_BOUNDS = (1, 2, 4, 8)
CLOSE_BOUNDS = (0, 1, 2, 4)
# Mentions at most so many units apart are likely to stand in one sentence.
CLOSE = 40
# Positions are told by the equal part of the document that they lie in: title, methods and results are told apart.
N_POSITIONS = 20
# The most pairs of mentions that are compared at once: those of a full text would take gigabytes.
MAX_PAIRS = 2**21


class DocCandidates(NamedTuple):
    """A document, its mentions as `get_mentions` returns them, and the pairs of its concepts to classify."""

    doc: Doc
    mentions: List[Mention]
    candidates: List[Candidate]


class DocSlices(NamedTuple):
    """The units, concepts and candidates of one document among those of all."""

    units: slice
    concepts: slice
    candidates: slice


@dataclass
class CandidateFeatures:
    """Documents of n units, m mentions, c concepts and p candidates in all, one after the other."""

    mentions: NDArray[numpy.int64]  # the first and the one-after-last unit of each mention; shape (m, 2)
    concept_mentions: NDArray[numpy.int64]  # the mentions of each concept, padded with -1; shape (c, most mentions)
    concept_types: NDArray[numpy.int64]  # the class of each concept's entity type, 0 if it is unknown; shape (c,)
    candidates: NDArray[numpy.int64]  # the two concepts of each candidate; shape (p, 2)
    distances: NDArray[numpy.int64]  # the least distance between its mentions, in units; shape (p,)
    distance_bin: NDArray[numpy.int64]  # the bin of this distance; shape (p,)
    n_close_bin: NDArray[numpy.int64]  # the bin of the number of pairs of its mentions that are close; shape (p,)
    pair_position: NDArray[numpy.int64]  # the part of the document that its nearest mentions stand in; shape (p,)
    nearest_mentions: NDArray[numpy.int64]  # these two mentions; shape (p, 2)
    first_position: NDArray[numpy.int64]  # the part of the document that mentions each concept first; shape (c,)
    n_mentions_bin: NDArray[numpy.int64]  # the bin of the number of mentions of each concept; shape (c,)
    documents: List[DocSlices]  # where each document is

    @property
    def n_units(self) -> int:
        return self.documents[-1].units.stop if self.documents else 0


def make_features(
    documents: Sequence[DocCandidates],
    spans: Sequence[NDArray[numpy.int64]],
    lengths: Sequence[int],
    entity_types: Sequence[str],
) -> CandidateFeatures:
    """The features of documents with at least one candidate each, of the first and one-after-last unit of their
    mentions, shape (m, 2), and of their numbers of units. Entity types have classes in their order, from 1."""
    classes = {name: number for number, name in enumerate(entity_types, start=1)}
    numbered = [_number_concepts(document, classes) for document in documents]
    nearest = [
        nearest_mentions(of_doc, mentions, pairs, length)
        for of_doc, length, (mentions, _, pairs) in zip(spans, lengths, numbered)
    ]
    units, first_mentions = _offsets(lengths), _offsets(map(len, spans))
    concepts = _offsets(len(types) for _, types, _ in numbered)
    candidates = _offsets(len(pairs) for _, _, pairs in numbered)
    rows = [
        [number + first for number in row]
        for (mentions, _, _), first in zip(numbered, first_mentions)
        for row in mentions
    ]
    counts = [len(row) for row in rows]
    concept_mentions = numpy.full((len(rows), max(counts, default=0)), -1, dtype="int64")
    for padded, row in zip(concept_mentions, rows):
        padded[: len(row)] = row
    first_position = [
        of_doc[row, 0].min() / max(length, 1)
        for of_doc, length, (mentions, _, _) in zip(spans, lengths, numbered)
        for row in mentions
    ]
    distances = _join([found.distances for found in nearest])
    return CandidateFeatures(
        mentions=_join([of_doc + first for of_doc, first in zip(spans, units)], 2),
        concept_mentions=concept_mentions,
        concept_types=numpy.asarray(list(chain.from_iterable(types for _, types, _ in numbered)), dtype="int64"),
        candidates=_join([pairs + first for (_, _, pairs), first in zip(numbered, concepts)], 2),
        distances=distances,
        distance_bin=_to_bins(distances, DISTANCE_BOUNDS),
        n_close_bin=_to_bins(_join([found.n_close for found in nearest]), CLOSE_BOUNDS),
        pair_position=to_position_bins(numpy.concatenate([numpy.zeros(0), *(found.positions for found in nearest)])),
        nearest_mentions=_join([found.mentions + first for found, first in zip(nearest, first_mentions)], 2),
        first_position=to_position_bins(numpy.asarray(first_position, dtype="float64")),
        n_mentions_bin=_to_bins(counts, COUNT_BOUNDS),
        documents=[
            DocSlices(*(slice(*bounds) for bounds in of_doc))
            for of_doc in zip(pairwise(units), pairwise(concepts), pairwise(candidates))
        ],
    )


def _number_concepts(
    document: DocCandidates, classes: Dict[str, int]
) -> Tuple[List[List[int]], List[int], NDArray[numpy.int64]]:
    """The mentions of each concept that is in a candidate, its class, and the two concepts of each candidate, all by
    their numbers within the document."""
    # With the type: the same characters may be a gene and a chemical, each with tags of its own.
    numbers = {
        (mention.start, mention.end, entity_type(mention.label)): number
        for number, mention in enumerate(document.mentions)
    }
    concepts: Dict[Tuple[str, str], int] = {}
    mentions: List[List[int]] = []
    types: List[int] = []
    for concept in chain.from_iterable(document.candidates):
        if (concept.id, concept.type) not in concepts:
            concepts[concept.id, concept.type] = len(concepts)
            mentions.append([numbers[start, end, concept.type] for start, end in concept.mentions])
            types.append(classes.get(concept.type, 0))
    pairs = (concepts[concept.id, concept.type] for concept in chain.from_iterable(document.candidates))
    return mentions, types, numpy.fromiter(pairs, dtype="int64").reshape(-1, 2)


def _offsets(lengths: Iterable[int]) -> List[int]:
    """Where each of some parts begins, and where the last ends."""
    return list(accumulate(lengths, initial=0))


def _join(parts: List[NDArray[numpy.int64]], *shape: int) -> NDArray[numpy.int64]:
    """The rows of all parts; none where there is no part."""
    return numpy.concatenate([numpy.zeros((0, *shape), dtype="int64"), *parts])


def _to_bins(numbers: Sequence[int], bounds: Sequence[int]) -> NDArray[numpy.int64]:
    """The bins that numbers fall into, by the upper bounds of the bins."""
    return numpy.searchsorted(bounds, numbers).astype("int64")


def to_position_bins(shares: NDArray[numpy.float64]) -> NDArray[numpy.int64]:
    """The parts of a document, from 0 to N_POSITIONS - 1, that positions from 0 to 1 lie in."""
    return (shares * N_POSITIONS).astype("int64").clip(0, N_POSITIONS - 1)


@dataclass
class Proximity:
    """How near the mentions of the two concepts of p candidates come to each other. A concept comes near to itself by
    different mentions."""

    distances: NDArray[numpy.int64]  # the least number of units between two mentions; shape (p,)
    positions: NDArray[numpy.float64]  # where these two stand: their middle as a share of the document; shape (p,)
    n_close: NDArray[numpy.int64]  # how many pairs of mentions are at most CLOSE units apart; shape (p,)
    mentions: NDArray[numpy.int64]  # the nearest two mentions, the first of them if several are; shape (p, 2)


def nearest_mentions(
    spans: NDArray[numpy.int64],
    concept_mentions: Sequence[Sequence[int]],
    candidates: NDArray[numpy.int64],
    length: int,
) -> Proximity:
    """How near the concepts of candidates come to each other. `spans` are the first and one-after-last unit of each
    mention, shape (m, 2), `concept_mentions` the mentions of each concept, at least one, `candidates` the two concepts
    of each, shape (p, 2), and `length` the number of units of the document."""
    counts = numpy.asarray([len(row) for row in concept_mentions], dtype="int64")
    firsts = counts.cumsum() - counts
    entries = numpy.asarray(list(chain.from_iterable(concept_mentions)), dtype="int64")
    group = _group_alike(concept_mentions, counts)
    n = max(len(entries), 1)
    nearest = numpy.zeros((len(counts), len(counts)), dtype="int64")
    n_close = numpy.zeros((len(counts), len(counts)), dtype="int64")
    for start, end in _split_concepts(counts, n):
        rows = slice(firsts[start], firsts[end - 1] + counts[end - 1])
        gaps = _find_gaps(spans[entries[rows]], spans[entries])
        # Farther than any two mentions are; also where a text has no units at all.
        same = (entries[rows, None] == entries) & (group[rows, None] == group) & (group >= 0)
        gaps[same] += max(length, 1)
        # Ordered by distance first, then by the mention of the one, then by that of the other.
        keys = (gaps * n + numpy.arange(len(entries))[rows, None]) * n + numpy.arange(len(entries))
        nearest[start:end] = _reduce(numpy.minimum, keys, firsts, firsts[start:end] - firsts[start])
        close = (gaps <= CLOSE).astype("int64")
        n_close[start:end] = _reduce(numpy.add, close, firsts, firsts[start:end] - firsts[start])
    keys = nearest[candidates[:, 0], candidates[:, 1]]
    mentions = entries[numpy.stack([keys // n % n, keys % n], axis=1)]
    return Proximity(
        distances=keys // n**2,
        positions=spans[mentions].sum(axis=(1, 2)) / (4 * max(length, 1)),
        n_close=n_close[candidates[:, 0], candidates[:, 1]],
        mentions=mentions,
    )


def _group_alike(concept_mentions: Sequence[Sequence[int]], counts: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """For each mention of each concept a number that all concepts with the same mentions share; -1 for a concept of a
    single mention, which has no other to be near to."""
    groups: Dict[Tuple[int, ...], int] = {}
    numbers = [
        groups.setdefault(tuple(row), number) if len(row) > 1 else -1 for number, row in enumerate(concept_mentions)
    ]
    return numpy.repeat(numpy.asarray(numbers, dtype="int64"), counts)


def _split_concepts(counts: NDArray[numpy.int64], n: int) -> List[Tuple[int, int]]:
    """Ranges of concepts, each with at most MAX_PAIRS pairs of its mentions with all n, or of one concept."""
    ranges: List[Tuple[int, int]] = []
    start = size = 0
    for number, count in enumerate(counts.tolist()):
        if number > start and (size + count) * n > MAX_PAIRS:
            ranges.append((start, number))
            start, size = number, 0
        size += count
    return [*ranges, (start, len(counts))] if len(counts) else ranges


def _reduce(
    function: numpy.ufunc, values: NDArray[numpy.int64], columns: NDArray[numpy.int64], rows: NDArray[numpy.int64]
) -> NDArray[numpy.int64]:
    """The values of mentions against mentions to those of concepts against concepts."""
    return function.reduceat(function.reduceat(values, columns, axis=1), rows, axis=0)


def _find_gaps(first: NDArray[numpy.int64], second: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """The number of units between each two spans, 0 if they touch or overlap; shape (of the first, of the second)."""
    return numpy.maximum(first[:, None, 0] - second[:, 1], second[:, 0] - first[:, None, 1]).clip(min=0)
