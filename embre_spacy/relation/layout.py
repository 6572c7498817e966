"""Concepts and candidates as arrays, for every encoder that pools the vectors of a document.

Such vectors are those of wordpieces or of tokens; what has a vector is called a unit here.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Tuple

import numpy
from numpy.typing import NDArray

from ..labels import entity_type
from ..tokens import get_mentions
from .instance import Instance
from .proximity import CLOSE_BOUNDS, COUNT_BOUNDS, DISTANCE_BOUNDS, Proximity, find_proximity, to_places


@dataclass
class Layout:
    """Documents of n units, m mentions, c concepts and p candidates in all, one after the other.

    mentions (NDArray[int64]): The first and the one-after-last unit of each mention; shape (m, 2).
    concept_mentions (NDArray[int64]): The mentions of each concept, padded with -1; shape (c, most mentions).
    concept_types (NDArray[int64]): The class of the entity type of each concept, 0 if it is unknown; shape (c,).
    candidates (NDArray[int64]): The two concepts of each candidate; shape (p, 2).
    distances (NDArray[int64]): The class of the least distance between the mentions of each candidate; shape (p,).
    closeness (NDArray[int64]): The class of the number of pairs of mentions that are close; shape (p,).
    nearest (NDArray[int64]): In which part of the document the nearest mentions of each candidate stand; shape (p,).
    gaps (NDArray[int64]): The least distance between the mentions of each candidate, in units; shape (p,).
    nearest_mentions (NDArray[int64]): The nearest two mentions of each candidate; shape (p, 2).
    firsts (NDArray[int64]): In which part of the document each concept is mentioned first; shape (c,).
    counts (NDArray[int64]): The class of the number of mentions of each concept; shape (c,).
    documents (List[Tuple[int, int, int, int, int, int]]): For each document the first and one-after-last unit, concept
        and candidate.
    """

    mentions: NDArray[numpy.int64]
    concept_mentions: NDArray[numpy.int64]
    concept_types: NDArray[numpy.int64]
    candidates: NDArray[numpy.int64]
    distances: NDArray[numpy.int64]
    closeness: NDArray[numpy.int64]
    nearest: NDArray[numpy.int64]
    gaps: NDArray[numpy.int64]
    nearest_mentions: NDArray[numpy.int64]
    firsts: NDArray[numpy.int64]
    counts: NDArray[numpy.int64]
    documents: List[Tuple[int, int, int, int, int, int]]

    @property
    def n_units(self) -> int:
        return self.documents[-1][1] if self.documents else 0


def make_layout(
    instances: Sequence[Instance],
    spans: Sequence[NDArray[numpy.int64]],
    lengths: Sequence[int],
    entity_types: Sequence[str],
) -> Layout:
    """Lay out documents with their candidates.

    instances (Sequence[Instance]): The documents, each with at least one candidate.
    spans (Sequence[NDArray[int64]]): For each document the first and the one-after-last unit of each mention that
        `get_mentions` finds; shape (m, 2).
    lengths (Sequence[int]): The number of units of each document.
    entity_types (Sequence[str]): The entity types that have a class of their own, in the order of the classes.
    RETURNS (Layout): The layout. Its candidates are in the order of the instances.
    """
    classes = {name: number for number, name in enumerate(entity_types, start=1)}
    tables = _Tables()
    for instance, of_document, length in zip(instances, spans, lengths):
        concept_mentions, concept_types, candidates = _number_concepts(instance, classes)
        tables.add(of_document, length, concept_mentions, concept_types, candidates)
    return tables.to_layout()


def _number_concepts(
    instance: Instance, classes: Dict[str, int]
) -> Tuple[List[List[int]], List[int], List[Tuple[int, int]]]:
    """The mentions of each concept that is in a candidate, its class, and the two concepts of each candidate; all
    numbers are those within the document."""
    mentions = get_mentions(instance.doc)
    # With the type: the same characters may be a gene and a chemical, each with tags of its own.
    numbers = {
        (span.start_char, span.end_char, entity_type(span.label_)): number for number, span in enumerate(mentions)
    }
    concepts: Dict[Tuple[str, str], int] = {}
    concept_mentions: List[List[int]] = []
    concept_types: List[int] = []
    for candidate in instance.candidates:
        for concept in candidate:
            if (concept.id, concept.type) not in concepts:
                concepts[concept.id, concept.type] = len(concepts)
                concept_mentions.append([numbers[start, end, concept.type] for start, end in concept.mentions])
                concept_types.append(classes.get(concept.type, 0))
    candidates = [
        (concepts[source.id, source.type], concepts[target.id, target.type]) for source, target in instance.candidates
    ]
    return concept_mentions, concept_types, candidates


@dataclass
class _Tables:
    """The rows of a layout, gathered document by document."""

    spans: List[NDArray[numpy.int64]] = field(default_factory=list)
    concept_mentions: List[List[int]] = field(default_factory=list)
    concept_types: List[int] = field(default_factory=list)
    candidates: List[NDArray[numpy.int64]] = field(default_factory=list)
    proximities: List[Proximity] = field(default_factory=list)
    nearest_mentions: List[NDArray[numpy.int64]] = field(default_factory=list)
    firsts: List[float] = field(default_factory=list)
    documents: List[Tuple[int, int, int, int, int, int]] = field(default_factory=list)
    n_units: int = 0
    n_mentions: int = 0
    n_candidates: int = 0

    def add(
        self,
        spans: NDArray[numpy.int64],
        length: int,
        concept_mentions: List[List[int]],
        concept_types: List[int],
        candidates: List[Tuple[int, int]],
    ) -> None:
        """Add a document whose mentions and concepts have the numbers within it."""
        pairs = numpy.asarray(candidates, dtype="int64").reshape(-1, 2)
        proximity = find_proximity(spans, concept_mentions, pairs, length)
        self.proximities.append(proximity)
        self.nearest_mentions.append(proximity.mentions + self.n_mentions)
        self.firsts.extend(spans[found, 0].min() / max(length, 1) for found in concept_mentions)
        first_concept, first_candidate = len(self.concept_types), self.n_candidates
        self.spans.append(spans + self.n_units)
        self.concept_mentions.extend([number + self.n_mentions for number in found] for found in concept_mentions)
        self.concept_types.extend(concept_types)
        self.candidates.append(pairs + first_concept)
        self.n_candidates += len(pairs)
        last = (self.n_units + length, len(self.concept_types), self.n_candidates)
        self.documents.append((self.n_units, last[0], first_concept, last[1], first_candidate, last[2]))
        self.n_units += length
        self.n_mentions += len(spans)

    def to_layout(self) -> Layout:
        """The rows of all documents as arrays."""
        numbers = [len(found) for found in self.concept_mentions]
        padded = numpy.full((len(numbers), max(numbers, default=0)), -1, dtype="int64")
        for row, found in zip(padded, self.concept_mentions):
            row[: len(found)] = found
        distances = _join([found.distances for found in self.proximities])
        return Layout(
            mentions=_join(self.spans, 2),
            concept_mentions=padded,
            concept_types=numpy.asarray(self.concept_types, dtype="int64"),
            candidates=_join(self.candidates, 2),
            distances=_classify(distances, DISTANCE_BOUNDS),
            closeness=_classify(_join([found.n_close for found in self.proximities]), CLOSE_BOUNDS),
            nearest=to_places(numpy.concatenate([numpy.zeros(0), *(found.places for found in self.proximities)])),
            gaps=distances,
            nearest_mentions=_join(self.nearest_mentions, 2),
            firsts=to_places(numpy.asarray(self.firsts, dtype="float64")),
            counts=_classify(numbers, COUNT_BOUNDS),
            documents=self.documents,
        )


def _join(parts: List[NDArray[numpy.int64]], *shape: int) -> NDArray[numpy.int64]:
    """The rows of all parts; none where there is no part."""
    return numpy.concatenate([numpy.zeros((0, *shape), dtype="int64"), *parts])


def _classify(numbers: Sequence[int], bounds: Sequence[int]) -> NDArray[numpy.int64]:
    """The classes that numbers fall into, by the upper bounds of the classes."""
    return numpy.searchsorted(bounds, numbers).astype("int64")
