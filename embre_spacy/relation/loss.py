"""What gold documents and teachers say of candidates, and the loss that learns it."""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy
from numpy.typing import NDArray
from spacy.training import Example
from thinc.api import Ops
from thinc.types import Floats2d

from ..errors import EmbreError
from ..tokens import Candidate, get_concepts, get_document_id, get_relations


@dataclass
class Targets:
    """What p candidates are."""

    types: NDArray[numpy.int64]  # the classes of their relation types, 0 for "not related"; shape (p,)
    novelties: NDArray[numpy.int64]  # the classes of their novelty, -1 where there is none to learn; shape (p,)
    # What teachers say; see `Teachers.predict`.
    teacher_probabilities: Optional[Tuple[NDArray[numpy.float32], NDArray[numpy.float32]]] = None


def find_labels(examples: Iterable[Example]) -> Dict[str, List[str]]:
    """The relation types ("labels"), "novelty_labels" and "entity_types" of gold documents, each sorted."""
    labels: Dict[str, Set[str]] = {"labels": set(), "novelty_labels": set(), "entity_types": set()}
    for example in examples:
        for relation in get_relations(example.reference):
            labels["labels"].add(relation.type)
            if relation.novelty is not None:
                labels["novelty_labels"].add(relation.novelty)
        labels["entity_types"].update(concept.type for concept in get_concepts(example.reference))
    return {kind: sorted(names) for kind, names in labels.items()}


def find_targets(
    examples: Iterable[Example],
    candidates: Iterable[Sequence[Candidate]],
    labels: Sequence[str],
    novelty_labels: Sequence[str],
) -> Targets:
    """Look up the candidates of each document in its gold relations. The first of `labels` is class 1, the first of
    `novelty_labels` class 0. A gold relation with a label that is not among them is an EmbreError."""
    type_classes = {label: index for index, label in enumerate(labels, start=1)}
    novelty_classes = {None: -1, **{label: index for index, label in enumerate(novelty_labels)}}
    types: List[int] = []
    novelties: List[int] = []
    for example, of_document in zip(examples, candidates):
        gold = {relation.pair: relation for relation in get_relations(example.reference)}
        for source, target in of_document:
            first, second = sorted((source.key, target.key))
            relation = gold.get((first, second))
            if relation is None:
                types.append(0)
                novelties.append(-1)
                continue
            for kind, label, classes in (
                ("relation type", relation.type, type_classes),
                ("novelty label", relation.novelty, novelty_classes),
            ):
                if label not in classes:
                    document = get_document_id(example.reference) or "without id"
                    raise EmbreError(
                        f"document {document}: the relation component was not initialized with the {kind} {label!r}"
                    )
            types.append(type_classes[relation.type])
            novelties.append(novelty_classes[relation.novelty])
    return Targets(numpy.asarray(types, dtype="int64"), numpy.asarray(novelties, dtype="int64"))


@dataclass(frozen=True)
class RelationLoss:
    """Two cross-entropies, weighted (equation 1 of the paper), divided by the number of candidates in the batch:
    L = -l1 * sum y_r log p_r - l2 * sum y_n log p_n.

    The paper does not say what the novelty of an unrelated candidate is. Here it has none, and adds nothing.

    Not in the paper: y_n may be smoothed, and both may be mixed with the probabilities of teachers (distillation,
    Hinton and others 2015; from networks of the same size, Furlanello and others 2018, "Born again neural networks").
    """

    relation_weight: float = 1.0  # l1
    novelty_weight: float = 2.0  # l2
    # The part of y_n that is shared among all novelty labels (label smoothing, Szegedy and others 2016, section 7).
    novelty_smoothing: float = 0.0
    teacher_weight: float = 0.5  # the part of y that comes from teachers, where there are any

    def __call__(
        self, ops: Ops, scores: Tuple[Floats2d, Floats2d], targets: Targets
    ) -> Tuple[float, Tuple[Floats2d, Floats2d]]:
        """The loss and its gradient with respect to the scores before softmax, shapes (p, relation types + 1) and (p,
        novelty labels)."""
        of_types, of_novelties = targets.teacher_probabilities or (None, None)
        types = target_distribution(targets.types, scores[0].shape[1], 0.0, of_types, self.teacher_weight)
        novelties = target_distribution(
            targets.novelties, scores[1].shape[1], self.novelty_smoothing, of_novelties, self.teacher_weight
        )
        relation_loss, d_relations = cross_entropy(ops, scores[0], types, self.relation_weight)
        novelty_loss, d_novelties = cross_entropy(ops, scores[1], novelties, self.novelty_weight)
        return relation_loss + novelty_loss, (d_relations, d_novelties)


def target_distribution(
    classes: NDArray[numpy.int64],
    n_classes: int,
    smoothing: float,
    teachers: Optional[NDArray[numpy.float32]],
    teacher_weight: float,
) -> NDArray[numpy.float32]:
    """The probabilities to learn, shape (p, n_classes); zeros for a class below 0, where there is nothing to learn."""
    target = numpy.zeros((len(classes), n_classes), dtype="float32")
    rows = numpy.flatnonzero(classes >= 0)
    target[rows] = smoothing / max(n_classes, 1)
    target[rows, classes[rows]] += 1.0 - smoothing
    if teachers is not None:
        target[rows] += teacher_weight * (teachers[rows] - target[rows])
    return target


def cross_entropy(ops: Ops, scores: Floats2d, target: NDArray[numpy.float32], weight: float) -> Tuple[float, Floats2d]:
    """The mean cross-entropy over all rows times a weight, and its gradient with respect to the scores."""
    if not target.any():
        return 0.0, ops.alloc2f(*scores.shape)
    weights = ops.asarray2f(target.any(axis=1, keepdims=True) * numpy.float32(weight / len(target)))
    expected = ops.asarray2f(target)
    probabilities = ops.softmax(scores)
    loss = -(weights * expected * ops.xp.log(ops.xp.maximum(probabilities, 1e-12))).sum()
    return float(loss), (probabilities - expected) * weights
