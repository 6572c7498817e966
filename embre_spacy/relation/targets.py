"""What gold documents say of candidates: the labels that there are, and the classes to learn."""

from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy
from numpy.typing import NDArray
from spacy.training import Example

from ..errors import EmbreError
from ..tokens import get_concepts, get_relations
from .instance import Instance


class Targets:
    """What the candidates of a batch are.

    types (List[int]): The class of the relation type; 0 for candidates that are not related.
    novelties (List[int]): The class of the novelty; -1 where there is none to learn.
    opinions (Optional[Tuple[NDArray[float32], NDArray[float32]]]): What teachers say that they are, if there are any;
        see `Teachers.ask`.
    """

    def __init__(self) -> None:
        self.types: List[int] = []
        self.novelties: List[int] = []
        self.opinions: Optional[Tuple[NDArray[numpy.float32], NDArray[numpy.float32]]] = None

    def add(self, type: int, novelty: Optional[int]) -> None:
        """Add a candidate."""
        self.types.append(type)
        self.novelties.append(-1 if novelty is None else novelty)


def find_labels(examples: Iterable[Example]) -> Dict[str, List[str]]:
    """Read the labels off gold documents.

    examples (Iterable[Example]): The examples.
    RETURNS (Dict[str, List[str]]): "labels" (the relation types), "novelty_labels" and "entity_types", each sorted.
    """
    types: Set[str] = set()
    novelties: Set[str] = set()
    entity_types: Set[str] = set()
    for example in examples:
        for relation in get_relations(example.reference):
            types.add(relation.type)
            if relation.novelty is not None:
                novelties.add(relation.novelty)
        entity_types.update(concept.type for concept in get_concepts(example.reference))
    return {
        "labels": sorted(types),
        "novelty_labels": sorted(novelties),
        "entity_types": sorted(entity_types),
    }


def find_targets(
    examples: Iterable[Example], instances: Iterable[Instance], labels: Sequence[str], novelty_labels: Sequence[str]
) -> Targets:
    """Find out what candidates are.

    examples (Iterable[Example]): The examples.
    instances (Iterable[Instance]): Their predicted documents with the candidates.
    labels (Sequence[str]): The relation types; the first is class 1.
    novelty_labels (Sequence[str]): The novelty labels; the first is class 0.
    RETURNS (Targets): The classes of all candidates, one document after the other.
    RAISES (EmbreError): If a relation has a type or novelty that is not among the labels.
    """
    types = {label: number for number, label in enumerate(labels, start=1)}
    novelties = {label: number for number, label in enumerate(novelty_labels)}
    targets = Targets()
    for example, instance in zip(examples, instances):
        gold = {relation.pair: relation for relation in get_relations(example.reference)}
        for source, target in instance.candidates:
            first, second = sorted((source.key, target.key))
            relation = gold.get((first, second))
            if relation is None:
                targets.add(0, None)
            elif relation.type not in types:
                raise EmbreError(_unknown(example, f"relation type {relation.type!r}"))
            elif relation.novelty is not None and relation.novelty not in novelties:
                raise EmbreError(_unknown(example, f"novelty label {relation.novelty!r}"))
            else:
                targets.add(types[relation.type], novelties.get(relation.novelty))
    return targets


def _unknown(example: Example, label: str) -> str:
    document = example.reference._.document_id or "without id"
    return f"document {document}: the relation component was not initialized with the {label}"
