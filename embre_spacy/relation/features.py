"""Concepts and candidates as arrays, for encoders that pool the vectors of a document: who, where, and how near.

What has a vector is a unit: a wordpiece or a token of spaCy.
"""

from dataclasses import dataclass
from itertools import accumulate, chain, pairwise, zip_longest
from typing import Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

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
MAX_PAIRS = 2**19


class DocCandidates(NamedTuple):
    """A document, its mentions as `get_mentions` returns them, and the pairs of its concepts to classify."""

    doc: Doc
    mentions: List[Mention]
    candidates: List[Candidate]


@dataclass
class CandidateFeatures:
    """Documents of n units, m mentions, c concepts and p candidates in all, one after the other."""

    mentions: NDArray[numpy.int64]  # the first and the one-after-last unit of each mention; shape (m, 2)
    concept_mentions: NDArray[numpy.int64]  # the mentions of each concept, padded with -1; shape (c, most mentions)
    concept_types: NDArray[numpy.int64]  # the class of each concept's entity type, 0 if it is unknown; shape (c,)
    candidates: NDArray[numpy.int64]  # the two concepts of each candidate; shape (p, 2)
    distances: NDArray[numpy.int64]  # the least distance between its mentions, in units; shape (p,)
    n_close_bin: NDArray[numpy.int64]  # the bin of the number of pairs of its mentions that are close; shape (p,)
    pair_position: NDArray[numpy.int64]  # the part of the document that its nearest mentions stand in; shape (p,)
    nearest_mentions: NDArray[numpy.int64]  # these two mentions; shape (p, 2)
    first_position: NDArray[numpy.int64]  # the part of the document that mentions each concept first; shape (c,)
    n_mentions_bin: NDArray[numpy.int64]  # the bin of the number of mentions of each concept; shape (c,)
    documents: List[Tuple[slice, slice, slice]]  # the units, concepts and candidates of each document

    @property
    def n_units(self) -> int:
        return self.documents[-1][0].stop


def make_features(
    documents: Sequence[DocCandidates],
    spans: Sequence[NDArray[numpy.int64]],
    lengths: Sequence[int],
    entity_types: Sequence[str],
) -> CandidateFeatures:
    """The features of documents with at least one candidate each, of the first and one-after-last unit of their
    mentions, shape (m, 2), and of their numbers of units. Entity types have classes in their order, from 1."""
    classes = {name: number for number, name in enumerate(entity_types, start=1)}
    mentions, types, pairs = zip(*(_number_concepts(document, classes) for document in documents))
    nearest, distances, n_close, positions = zip(*map(nearest_mentions, spans, mentions, pairs, lengths))
    units, first_mentions, concepts, candidates = (
        list(accumulate(sizes, initial=0)) for sizes in (lengths, map(len, spans), map(len, types), map(len, pairs))
    )
    rows = [[number + first for number in row] for of_doc, first in zip(mentions, first_mentions) for row in of_doc]
    first_position = [
        of_doc[row, 0].min() / max(length, 1)
        for of_doc, length, of_concepts in zip(spans, lengths, mentions)
        for row in of_concepts
    ]
    return CandidateFeatures(
        mentions=_join(spans, units),
        concept_mentions=numpy.asarray([*zip_longest(*rows, fillvalue=-1)], dtype="int64").T,
        concept_types=numpy.asarray(list(chain.from_iterable(types)), dtype="int64"),
        candidates=_join(pairs, concepts),
        distances=numpy.concatenate(distances),
        n_close_bin=numpy.searchsorted(CLOSE_BOUNDS, numpy.concatenate(n_close)),
        pair_position=to_position_bins(numpy.concatenate(positions)),
        nearest_mentions=_join(nearest, first_mentions),
        first_position=to_position_bins(numpy.asarray(first_position)),
        n_mentions_bin=numpy.searchsorted(COUNT_BOUNDS, list(map(len, rows))),
        documents=list(zip(*([slice(*ends) for ends in pairwise(of_all)] for of_all in (units, concepts, candidates)))),
    )


def _number_concepts(
    document: DocCandidates, classes: Dict[str, int]
) -> Tuple[List[List[int]], List[int], NDArray[numpy.int64]]:
    """The mentions of each concept that is in a candidate, its class, and the two concepts of each candidate, all by
    their numbers within the document."""
    # With the type: the same characters may be a gene and a chemical, each with tags of its own.
    numbers = {(one.start, one.end, entity_type(one.label)): number for number, one in enumerate(document.mentions)}
    concepts: Dict[Tuple[str, str], int] = {}
    mentions: List[List[int]] = []
    types: List[int] = []
    pairs: List[int] = []
    for concept in chain.from_iterable(document.candidates):
        number = concepts.setdefault((concept.id, concept.type), len(concepts))
        if number == len(types):
            mentions.append([numbers[start, end, concept.type] for start, end in concept.mentions])
            types.append(classes.get(concept.type, 0))
        pairs.append(number)
    return mentions, types, numpy.asarray(pairs, dtype="int64").reshape(-1, 2)


def _join(parts: Iterable[NDArray[numpy.int64]], firsts: Iterable[int]) -> NDArray[numpy.int64]:
    """The numbers within documents as numbers within all."""
    return numpy.concatenate([part + first for part, first in zip(parts, firsts)])


def to_position_bins(shares: NDArray[numpy.float64]) -> NDArray[numpy.int64]:
    """The parts of a document, from 0 to N_POSITIONS - 1, that positions from 0 to 1 lie in."""
    return (shares * N_POSITIONS).astype("int64").clip(0, N_POSITIONS - 1)


def nearest_mentions(
    spans: NDArray[numpy.int64],
    concept_mentions: Sequence[Sequence[int]],
    candidates: NDArray[numpy.int64],
    length: int,
) -> Tuple[NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.float64]]:
    """How near the two concepts of p candidates come to each other: their nearest two mentions, the first of them if
    several are, shape (p, 2); and of shape (p,) the distance of these two, the number of pairs of mentions that are at
    most CLOSE units apart, and the middle of the nearest two as a share of the document. A concept comes near to itself
    by different mentions. `spans` are the first and one-after-last unit of each mention, `concept_mentions` the
    mentions of each concept, at least one, `candidates` its two concepts, `length` the units of the document."""
    counts = numpy.asarray([len(row) for row in concept_mentions], dtype="int64")
    firsts = counts.cumsum() - counts
    entries = numpy.asarray(list(chain.from_iterable(concept_mentions)), dtype="int64")
    # Concepts with the same mentions share a number; those of a single mention have no other to be near to.
    numbers: Dict[Tuple[int, ...], int] = {}
    alike = [numbers.setdefault(tuple(row), len(numbers)) if len(row) > 1 else -1 for row in concept_mentions]
    group = numpy.repeat(numpy.asarray(alike), counts)
    n = len(entries)
    nearest = numpy.zeros((len(counts), len(counts)), dtype="int64")
    n_close = numpy.zeros((len(counts), len(counts)), dtype="int64")
    for start, end in split_by_size(counts.tolist(), MAX_PAIRS // n):
        rows = slice(firsts[start], firsts[end - 1] + counts[end - 1])
        own, all_others = spans[entries[rows], None], spans[entries]
        # The number of units between each two mentions, 0 if they touch or overlap.
        gaps = numpy.maximum(own[..., 0] - all_others[:, 1], all_others[:, 0] - own[..., 1]).clip(min=0)
        # Farther than any two mentions are; also where a text has no units at all.
        same = (entries[rows, None] == entries) & (group[rows, None] == group) & (group >= 0)
        gaps[same] += max(length, 1)
        # Ordered by distance first, then by the mention of the one, then by that of the other.
        keys = (gaps * n + numpy.arange(n)[rows, None]) * n + numpy.arange(n)
        close = (gaps <= CLOSE).astype("int64")
        # From mentions against mentions to concepts against concepts.
        of_rows = firsts[start:end] - firsts[start]
        nearest[start:end] = numpy.minimum.reduceat(numpy.minimum.reduceat(keys, firsts, axis=1), of_rows)
        n_close[start:end] = numpy.add.reduceat(numpy.add.reduceat(close, firsts, axis=1), of_rows)
    sources, targets = candidates.T
    keys = nearest[sources, targets]
    mentions = entries[numpy.stack([keys // n % n, keys % n], axis=1)]
    middles = spans[mentions].sum(axis=(1, 2)) / (4 * max(length, 1))
    return mentions, keys // n**2, n_close[sources, targets], middles


def split_by_size(sizes: Sequence[int], most: int) -> Iterator[Tuple[int, int]]:
    """The first and one-after-last of things with sizes, in portions of at most so much together, or of one thing.
    Without things there is one portion, of none."""
    start = total = 0
    for number, size in enumerate(sizes):
        if number > start and total + size > most:
            yield start, number
            start, total = number, 0
        total += size
    yield start, len(sizes)
