"""What gold documents and teachers say of candidates, and the loss that learns it."""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Ops
from thinc.types import Floats2d

from ..errors import EmbreError
from ..tokens import Candidate, get_concepts, get_document_id, get_relations

# For p candidates the probabilities of relation types, "not related" first, and of novelty labels.
Probabilities = Tuple[NDArray[numpy.float32], NDArray[numpy.float32]]
# For p candidates the classes of their relation types, 0 for "not related", and of their novelty, -1 where there is
# none; both of shape (p,).
Classes = Tuple[NDArray[numpy.int64], NDArray[numpy.int64]]


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
    gold: Iterable[Doc],
    candidates: Iterable[Sequence[Candidate]],
    labels: Sequence[str],
    novelty_labels: Sequence[str],
    *,
    is_strict: bool = True,
) -> Classes:
    """Look up the candidates of gold documents in their relations. The first of `labels` is class 1, the first of
    `novelty_labels` class 0. A label that is not among them is an EmbreError, or else (`is_strict`) no relation or no
    novelty."""
    type_classes = {label: index for index, label in enumerate(labels, start=1)}
    novelty_classes = {None: -1, **{label: index for index, label in enumerate(novelty_labels)}}
    classes: List[Tuple[int, int]] = []
    for doc, of_document in zip(gold, candidates):
        relations = {relation.pair: relation for relation in get_relations(doc)}
        for source, target in of_document:
            first, second = sorted((source.key, target.key))
            relation = relations.get((first, second))
            if relation is None:
                classes.append((0, -1))
                continue
            for kind, label, known in (
                ("relation type", relation.type, type_classes),
                ("novelty label", relation.novelty, novelty_classes),
            ):
                if is_strict and label not in known:
                    document = get_document_id(doc) or "without id"
                    raise EmbreError(
                        f"document {document}: the relation component was not initialized with the {kind} {label!r}"
                    )
            classes.append((type_classes.get(relation.type, 0), novelty_classes.get(relation.novelty, -1)))
    types, novelties = numpy.asarray(classes, dtype="int64").reshape(-1, 2).T
    return types, novelties


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
        self, ops: Ops, scores: Tuple[Floats2d, Floats2d], targets: Classes, teachers: Optional[Probabilities] = None
    ) -> Tuple[float, Tuple[Floats2d, Floats2d]]:
        """The loss and its gradient with respect to the scores before softmax, shapes (p, relation types + 1) and (p,
        novelty labels). `teachers` is what these say, see `Teachers.predict`."""
        of_types, of_novelties = teachers or (None, None)
        types = target_distribution(targets[0], scores[0].shape[1], 0.0, of_types, self.teacher_weight)
        novelties = target_distribution(
            targets[1], scores[1].shape[1], self.novelty_smoothing, of_novelties, self.teacher_weight
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
