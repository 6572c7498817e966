"""The loss: cross-entropy of relation type and novelty, weighted (equation 1 of the paper), and consistency."""

from typing import List, Tuple

from thinc.api import Ops
from thinc.types import Floats2d, Ints1d

from .targets import Targets


class RelationLoss:
    """L = -l1 * sum y_r log p_r - l2 * sum y_n log p_n, divided by the number of candidates in the batch.

    The paper does not say what the novelty of an unrelated candidate is: here it has none, and adds nothing.

    With a consistency weight, each candidate is classified twice, with other dropout and other masks, and the two
    distributions shall agree (R-Drop, Liang and others 2021): the mean of the two Kullback-Leibler divergences between
    them is added, times that weight and l1 or l2. It is not in the paper.

    relation_weight (float): l1.
    novelty_weight (float): l2.
    consistency_weight (float): The weight of the divergence; 0 for none.
    novelty_smoothing (float): The share of the probability that the right novelty does not have in y_n, and that all
        novelty labels have in equal parts (label smoothing, Szegedy and others 2016, section 7); 0 for none. It is not
        in the paper.
    """

    def __init__(
        self,
        *,
        relation_weight: float,
        novelty_weight: float,
        consistency_weight: float = 0.0,
        novelty_smoothing: float = 0.0,
    ) -> None:
        self.relation_weight = relation_weight
        self.novelty_weight = novelty_weight
        self.consistency_weight = consistency_weight
        self.novelty_smoothing = novelty_smoothing

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
        relation_loss, d_relations = self._task(ops, scores[0], targets.types, self.relation_weight, 0.0)
        novelty_loss, d_novelties = self._task(
            ops, scores[1], targets.novelties, self.novelty_weight, self.novelty_smoothing
        )
        return relation_loss + novelty_loss, (d_relations, d_novelties)

    def _task(
        self, ops: Ops, scores: Floats2d, classes: List[int], weight: float, smoothing: float
    ) -> Tuple[float, Floats2d]:
        has_two_views = len(scores) == 2 * len(classes)
        loss, gradient = _cross_entropy(ops, scores, classes * (2 if has_two_views else 1), weight, smoothing)
        if has_two_views:
            divergence, d_divergence = _divergence(ops, scores, classes, weight * self.consistency_weight)
            loss += divergence
            gradient += d_divergence
        return loss, gradient


def _cross_entropy(
    ops: Ops, scores: Floats2d, classes: List[int], weight: float, smoothing: float
) -> Tuple[float, Floats2d]:
    gradient = ops.alloc2f(*scores.shape)
    rows = _find_learned(ops, classes)
    if not len(rows) or not scores.shape[1]:
        return 0.0, gradient
    columns = ops.asarray1i([found for found in classes if found >= 0], dtype="int64")
    probabilities = ops.softmax(scores[rows])
    wanted = ops.alloc2f(*probabilities.shape) + smoothing / scores.shape[1]
    wanted[ops.xp.arange(len(rows)), columns] += 1.0 - smoothing
    loss = -(wanted * ops.xp.log(ops.xp.maximum(probabilities, 1e-12))).sum()
    scale = weight / len(classes)
    gradient[rows] = (probabilities - wanted) * scale
    return float(loss) * scale, gradient


def _divergence(ops: Ops, scores: Floats2d, classes: List[int], weight: float) -> Tuple[float, Floats2d]:
    """The mean of the two divergences between the first half of the scores and the second, and its gradient. What has
    no class to learn need not be the same."""
    gradient = ops.alloc2f(*scores.shape)
    rows = _find_learned(ops, classes)
    if not len(rows) or not scores.shape[1]:
        return 0.0, gradient
    scale = weight / (2 * len(classes))
    views = (rows, rows + len(classes))
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


def _find_learned(ops: Ops, classes: List[int]) -> Ints1d:
    """The rows of what has a class to learn."""
    return ops.asarray1i([row for row, found in enumerate(classes) if found >= 0], dtype="int64")
