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
from ..tokens import Candidate, find_pair, get_concepts, get_document_id, get_judged, get_relations

# For p candidates the probabilities of relation types, "not related" first, and of novelty labels.
Probabilities = Tuple[NDArray[numpy.float32], NDArray[numpy.float32]]
# For p candidates what is to be learned of relation types and of novelty, in columns as above. A row sums up to how
# much the candidate counts: to 0 where there is nothing to learn.
Targets = Probabilities


def find_labels(examples: Iterable[Example]) -> Dict[str, List[str]]:
    """The relation types ("labels"), "novelty_labels" and "entity_types" of gold documents, each sorted."""
    labels: Dict[str, Set[str]] = {"labels": set(), "novelty_labels": set(), "entity_types": set()}
    for example in examples:
        for relation in get_relations(example.reference):
            labels["labels"].update([relation.type, *relation.type_probabilities])
            if relation.novelty is not None:
                labels["novelty_labels"].add(relation.novelty)
        labels["entity_types"].update(concept.type for concept in get_concepts(example.reference))
    return {kind: sorted(names) for kind, names in labels.items()}


def find_judged(gold: Iterable[Doc], candidates: Iterable[List[Candidate]]) -> List[List[Candidate]]:
    """The candidates of documents of which their gold says whether they are related; see `get_judged`."""
    return [
        of_doc if pairs is None else [candidate for candidate in of_doc if find_pair(candidate) in pairs]
        for pairs, of_doc in zip(map(get_judged, gold), candidates)
    ]


def find_targets(
    gold: Iterable[Doc],
    candidates: Sequence[Sequence[Candidate]],
    labels: Sequence[str],
    novelty_labels: Sequence[str],
    *,
    is_strict: bool = True,
) -> Targets:
    """Look up the candidates of gold documents in their relations. A relation is what it is, or what its probabilities
    say. A label that the component does not have is an EmbreError, or else (`is_strict`) no relation or no novelty."""
    n_candidates = sum(map(len, candidates))
    types = numpy.zeros((n_candidates, len(labels) + 1), dtype="float32")
    novelties = numpy.zeros((n_candidates, len(novelty_labels)), dtype="float32")
    rows = zip(types, novelties)
    for doc, of_document in zip(gold, candidates):
        relations = {relation.pair: relation for relation in get_relations(doc)}
        judged = get_judged(doc)
        for pair, (of_types, of_novelty) in zip(map(find_pair, of_document), rows):
            of_types[0] = 1.0 if judged is None else judged.get(pair, 0.0)
            relation = relations.get(pair)
            if relation is None:
                continue
            for kind, row, known, said in (
                ("relation type", of_types[1:], labels, relation.type_probabilities or {relation.type: 1.0}),
                ("novelty label", of_novelty, novelty_labels, {relation.novelty: 1.0} if relation.novelty else {}),
            ):
                for label, probability in said.items():
                    if label in known:
                        row[known.index(label)] = of_types[0] * probability
                    elif is_strict:
                        cause = f"the relation component was not initialized with the {kind} {label!r}"
                        raise EmbreError(f"document {get_document_id(doc) or 'without id'}: {cause}")
            of_types[0] = max(of_types[0] - of_types[1:].sum(), 0.0)
    return types, novelties


@dataclass(frozen=True)
class RelationLoss:
    """Two cross-entropies, weighted (equation 1 of the paper), divided by the number of candidates in the batch:
    L = -l1 * sum y_r log p_r - l2 * sum y_n log p_n.

    The paper does not say what the novelty of an unrelated candidate is: here it has none, and adds nothing. Not in the
    paper: y_r and y_n may be mixed with the probabilities of teachers (distillation, Hinton and others 2015; from
    networks of the same size, Furlanello and others 2018, "Born again neural networks").
    """

    relation_weight: float = 1.0  # l1
    novelty_weight: float = 2.0  # l2
    teacher_weight: float = 0.5  # the part of y that comes from teachers, where there are any

    def __call__(
        self, ops: Ops, scores: Tuple[Floats2d, Floats2d], targets: Targets, teachers: Optional[Probabilities] = None
    ) -> Tuple[float, Tuple[Floats2d, Floats2d]]:
        """The loss and its gradient with respect to the scores before softmax, shapes (p, relation types + 1) and (p,
        novelty labels). `teachers` is what these say, see `Teachers.predict`."""
        losses, gradients = [], []
        weights = self.relation_weight, self.novelty_weight
        for of_task, target, said, weight in zip(scores, targets, teachers or (None, None), weights):
            if said is not None:
                target = target + self.teacher_weight * (said * target.sum(axis=1, keepdims=True) - target)
            loss, gradient = cross_entropy(ops, of_task, target, weight)
            losses.append(loss)
            gradients.append(gradient)
        return sum(losses), (gradients[0], gradients[1])


def cross_entropy(ops: Ops, scores: Floats2d, target: NDArray[numpy.float32], weight: float) -> Tuple[float, Floats2d]:
    """The mean cross-entropy over all rows times a weight, and its gradient with respect to the scores."""
    if not target.any():
        return 0.0, ops.alloc2f(*scores.shape)
    expected = ops.asarray2f((target * (weight / len(target))).astype("float32"))
    probabilities = ops.softmax(scores)
    loss = -(expected * ops.xp.log(ops.xp.maximum(probabilities, 1e-12))).sum()
    return float(loss), probabilities * expected.sum(axis=1, keepdims=True) - expected
