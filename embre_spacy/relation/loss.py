"""The loss: cross-entropy of relation type and novelty, weighted (equation 1 of the paper), and consistency."""

from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy
from numpy.typing import NDArray
from spacy.training import Example
from thinc.api import Ops
from thinc.types import Floats2d, Ints1d

from ..errors import EmbreError
from ..tokens import get_concepts, get_relations
from .instance import Instance


class Targets:
    """What the candidates of a batch are.

    types (List[int]): The class of the relation type; 0 for candidates that are not related.
    novelties (List[int]): The class of the novelty; -1 where there is none to learn.
    teacher_probabilities (Optional[Tuple[NDArray[float32], NDArray[float32]]]): The probabilities that teachers give,
        if there are any; see `Teachers.predict`.
    """

    def __init__(self) -> None:
        self.types: List[int] = []
        self.novelties: List[int] = []
        self.teacher_probabilities: Optional[Tuple[NDArray[numpy.float32], NDArray[numpy.float32]]] = None

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


class RelationLoss:
    """L = -l1 * sum y_r log p_r - l2 * sum y_n log p_n, divided by the number of candidates in the batch.

    The paper does not say what the novelty of an unrelated candidate is: here it has none, and adds nothing.

    With a consistency weight, each candidate is classified twice, with other dropout and other masks, and the two
    distributions shall agree (R-Drop, Liang and others 2021): the mean of the two Kullback-Leibler divergences between
    them is added, times that weight and l1 or l2. It is not in the paper.

    With teachers, y is partly what these say, and partly what gold says (distillation, Hinton and others 2015; from
    networks no larger, Furlanello and others 2018, "Born again neural networks"). It is not in the paper.

    relation_weight (float): l1.
    novelty_weight (float): l2.
    consistency_weight (float): The weight of the divergence; 0 for none.
    novelty_smoothing (float): The share of the probability that the right novelty does not have in y_n, and that all
        novelty labels have in equal parts (label smoothing, Szegedy and others 2016, section 7); 0 for none. It is not
        in the paper.
    teacher_weight (float): The part of y that teachers say, where there are any.
    """

    def __init__(
        self,
        *,
        relation_weight: float,
        novelty_weight: float,
        consistency_weight: float = 0.0,
        novelty_smoothing: float = 0.0,
        teacher_weight: float = 0.5,
    ) -> None:
        self.relation_weight = relation_weight
        self.novelty_weight = novelty_weight
        self.consistency_weight = consistency_weight
        self.novelty_smoothing = novelty_smoothing
        self.teacher_weight = teacher_weight

    @property
    def n_views(self) -> int:
        """How often each candidate is classified in training."""
        return 2 if self.consistency_weight else 1

    def __call__(
        self, ops: Ops, scores: Tuple[Floats2d, Floats2d], targets: Targets
    ) -> Tuple[float, Tuple[Floats2d, Floats2d]]:
        """The loss and its gradient with respect to the scores.

        ops (Ops): The backend of the scores.
        scores (Tuple[Floats2d, Floats2d]): The scores before softmax of p candidates, or of p candidates and then of
            the same ones once more.
        targets (Targets): What the p candidates are.
        RETURNS (Tuple[float, Tuple[Floats2d, Floats2d]]): The loss, without the divergence if there is one view only,
            and the gradients.
        """
        types, novelties = targets.teacher_probabilities or (None, None)
        type_targets = self._target_distribution(targets.types, scores[0].shape[1], 0.0, types)
        novelty_targets = self._target_distribution(
            targets.novelties, scores[1].shape[1], self.novelty_smoothing, novelties
        )
        relation_loss, d_relations = self._task(ops, scores[0], type_targets, self.relation_weight)
        novelty_loss, d_novelties = self._task(ops, scores[1], novelty_targets, self.novelty_weight)
        return relation_loss + novelty_loss, (d_relations, d_novelties)

    def _target_distribution(
        self,
        classes: List[int],
        n_classes: int,
        smoothing: float,
        opinions: Optional[NDArray[numpy.float32]],
    ) -> NDArray[numpy.float32]:
        """The probabilities to learn, zeros where there is nothing to learn; shape (p, n_classes)."""
        wanted = numpy.zeros((len(classes), n_classes), dtype="float32")
        rows = numpy.flatnonzero(numpy.asarray(classes, dtype="int64") >= 0)
        if n_classes:
            wanted[rows] = smoothing / n_classes
            wanted[rows, [classes[row] for row in rows]] += 1.0 - smoothing
        if opinions is not None:
            wanted[rows] += self.teacher_weight * (opinions[rows] - wanted[rows])
        return wanted

    def _task(
        self, ops: Ops, scores: Floats2d, wanted: NDArray[numpy.float32], weight: float
    ) -> Tuple[float, Floats2d]:
        if not wanted.any():
            return 0.0, ops.alloc2f(*scores.shape)
        n_views = len(scores) // len(wanted)
        loss, gradient = _cross_entropy(ops, scores, numpy.tile(wanted, (n_views, 1)), weight)
        if n_views == 2:
            divergence, d_divergence = _divergence(ops, scores, wanted, weight * self.consistency_weight)
            loss += divergence
            gradient += d_divergence
        return loss, gradient


def _cross_entropy(ops: Ops, scores: Floats2d, wanted: NDArray[numpy.float32], weight: float) -> Tuple[float, Floats2d]:
    gradient = ops.alloc2f(*scores.shape)
    rows = _find_learned(ops, wanted)
    probabilities = ops.softmax(scores[rows])
    of_rows = ops.asarray2f(wanted)[rows]
    loss = -(of_rows * ops.xp.log(ops.xp.maximum(probabilities, 1e-12))).sum()
    scale = weight / len(wanted)
    gradient[rows] = (probabilities - of_rows) * scale
    return float(loss) * scale, gradient


def _divergence(ops: Ops, scores: Floats2d, wanted: NDArray[numpy.float32], weight: float) -> Tuple[float, Floats2d]:
    """The mean of the two divergences between the first half of the scores and the second, and its gradient. What has
    nothing to learn need not be the same."""
    gradient = ops.alloc2f(*scores.shape)
    rows = _find_learned(ops, wanted)
    scale = weight / (2 * len(wanted))
    views = (rows, rows + len(wanted))
    probabilities = [ops.softmax(scores[view]) for view in views]
    logarithms = [ops.xp.log(ops.xp.maximum(found, 1e-12)) for found in probabilities]
    loss = 0.0
    for here, there in ((0, 1), (1, 0)):
        ratios = logarithms[here] - logarithms[there]
        divergences = (probabilities[here] * ratios).sum(axis=1, keepdims=True)
        loss += float(divergences.sum()) * scale
        change = probabilities[here] * (ratios - divergences) + probabilities[here] - probabilities[there]
        gradient[views[here]] = change * scale
    return loss, gradient


def _find_learned(ops: Ops, wanted: NDArray[numpy.float32]) -> Ints1d:
    """The rows of what has something to learn."""
    return ops.asarray1i(numpy.flatnonzero(wanted.any(axis=1)), dtype="int64")
