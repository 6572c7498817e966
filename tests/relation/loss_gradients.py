"""Whether the gradient of a loss is that of its value."""

from typing import Tuple

import numpy
import pytest
from thinc.api import NumpyOps

from embre_spacy.relation.loss import RelationLoss, Targets


def assert_gradient_is_that_of_the_loss(
    loss: RelationLoss, scores: Tuple[numpy.ndarray, numpy.ndarray], targets: Targets, tolerance: float
) -> None:
    """Compare the gradient at scores with differences of the loss around them."""
    ops = NumpyOps()
    gradients = loss(ops, scores, targets)[1]
    for found, gradient in zip(scores, gradients, strict=True):
        for place in numpy.ndindex(*found.shape):
            around = []
            for change in (1e-4, -1e-4):
                found[place] += change
                around.append(loss(ops, scores, targets)[0])
                found[place] -= change
            assert gradient[place] == pytest.approx((around[0] - around[1]) / 2e-4, abs=tolerance)
