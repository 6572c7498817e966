"""The loss: cross-entropy of relation type and novelty, weighted (equation 1 of the paper)."""

from typing import List, Optional, Tuple

from thinc.api import Ops
from thinc.types import Floats2d


class Targets:
    """What the candidates of a batch are.

    types (List[int]): The class of the relation type; 0 for candidates that are not related.
    novelties (List[int]): The class of the novelty; -1 where there is none to learn.
    """

    def __init__(self) -> None:
        self.types: List[int] = []
        self.novelties: List[int] = []

    def add(self, type: int, novelty: Optional[int]) -> None:
        """Add a candidate."""
        self.types.append(type)
        self.novelties.append(-1 if novelty is None else novelty)


class RelationLoss:
    """L = -l1 * sum y_r log p_r - l2 * sum y_n log p_n, divided by the number of candidates in the batch.

    The paper does not say what the novelty of an unrelated candidate is: here it has none, and adds nothing.

    relation_weight (float): l1.
    novelty_weight (float): l2.
    """

    def __init__(self, *, relation_weight: float, novelty_weight: float) -> None:
        self.relation_weight = relation_weight
        self.novelty_weight = novelty_weight

    def __call__(
        self, ops: Ops, scores: Tuple[Floats2d, Floats2d], targets: Targets
    ) -> Tuple[float, Tuple[Floats2d, Floats2d]]:
        """The loss and its gradient with respect to the scores.

        ops (Ops): The backend of the scores.
        scores (Tuple[Floats2d, Floats2d]): The scores before softmax of p candidates.
        targets (Targets): What they are.
        RETURNS (Tuple[float, Tuple[Floats2d, Floats2d]]): The loss and the gradients.
        """
        relation_loss, d_relations = _cross_entropy(ops, scores[0], targets.types, self.relation_weight)
        novelty_loss, d_novelties = _cross_entropy(ops, scores[1], targets.novelties, self.novelty_weight)
        return relation_loss + novelty_loss, (d_relations, d_novelties)


def _cross_entropy(ops: Ops, scores: Floats2d, classes: List[int], weight: float) -> Tuple[float, Floats2d]:
    gradient = ops.alloc2f(*scores.shape)
    rows = ops.asarray1i([row for row, found in enumerate(classes) if found >= 0], dtype="int64")
    if not len(rows) or not scores.shape[1]:
        return 0.0, gradient
    columns = ops.asarray1i([found for found in classes if found >= 0], dtype="int64")
    probabilities = ops.softmax(scores[rows])
    order = ops.xp.arange(len(rows))
    loss = -ops.xp.log(ops.xp.maximum(probabilities[order, columns], 1e-12)).sum()
    probabilities[order, columns] -= 1.0
    scale = weight / len(classes)
    gradient[rows] = probabilities * scale
    return float(loss) * scale, gradient
