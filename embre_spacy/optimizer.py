"""Adam, with averages of the weights that reach farther back than thinc's."""

from typing import Any, Tuple

from thinc.api import Optimizer
from thinc.optimizers import ADAM_DEFAULTS
from thinc.types import FloatsXd

from .errors import EmbreError


class AveragedAdam(Optimizer):
    """Adam with the averages of Shamir and Zhang (2013, "Stochastic Gradient Descent for Non-smooth Optimization"): the
    later weights are, the more they count, by a power of the number of updates. thinc has such averages too, with a
    power of 8.

    average_age (float): How old the averaged weights are, as a share of the updates so far, in the mean: 0.1 is what
        thinc has, 0.5 counts all alike.
    settings (Any): What thinc's optimizer takes, without `use_averages`.
    RAISES (EmbreError): If the age is not above 0, or above 0.5.
    """

    def __init__(self, *args: Any, average_age: float, **settings: Any) -> None:
        if not 0.0 < average_age <= 0.5:
            raise EmbreError(f"`average_age` of the optimizer must be above 0 and at most 0.5, not {average_age}")
        super().__init__(*args, **settings)
        self._power = 1.0 / average_age - 2.0

    def __call__(
        self, key: Tuple[int, str], weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> Tuple[FloatsXd, FloatsXd]:
        """Update weights and their average.

        key (Tuple[int, str]): The number of the layer and the name of the weights.
        weights (FloatsXd): The weights.
        gradient (FloatsXd): Their gradient, of the same shape.
        lr_scale (float): What the learning rate is multiplied by.
        RETURNS (Tuple[FloatsXd, FloatsXd]): The new weights and a gradient of zeros.
        """
        # Where thinc's optimizer has no place for averages, it makes none of its own.
        averages, self.averages = self.averages, None
        try:
            weights, gradient = super().__call__(key, weights, gradient, lr_scale=lr_scale)
        finally:
            self.averages = averages
        # thinc leaves weights without elements alone.
        if len(gradient):
            if key not in averages:
                averages[key] = weights.copy()
            average = averages[key]
            average += (self._power + 1.0) / (self._power + self.nr_update[key]) * (weights - average)
        return weights, gradient


def create_averaged_adam(
    learn_rate: Any = ADAM_DEFAULTS["learn_rate"],
    *,
    L2: Any = ADAM_DEFAULTS["L2"],
    beta1: Any = ADAM_DEFAULTS["beta1"],
    beta2: Any = ADAM_DEFAULTS["beta2"],
    eps: Any = ADAM_DEFAULTS["eps"],
    grad_clip: Any = ADAM_DEFAULTS["grad_clip"],
    L2_is_weight_decay: bool = ADAM_DEFAULTS["L2_is_weight_decay"],
    average_age: float = 0.25,
) -> AveragedAdam:
    """The optimizer `embre_spacy.AveragedAdam.v1`: `Adam.v1` with other averages of the weights, which are what spaCy
    evaluates and saves.

    learn_rate (Union[float, Iterable[float]]): The learning rate or its schedule.
    L2, beta1, beta2, eps, grad_clip (Union[float, Iterable[float]]): As of `Adam.v1`.
    L2_is_weight_decay (bool): Whether L2 is a decoupled weight decay (AdamW).
    average_age (float): See `AveragedAdam`.
    RETURNS (AveragedAdam): The optimizer.
    """
    return AveragedAdam(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        average_age=average_age,
    )
