"""Probabilities that mean what they say: temperature scaling and the error of calibration.

Source: Guo et al. 2017, "On calibration of modern neural networks", sections 2 and 4.2.
"""

from typing import Sequence

import numpy
from numpy.typing import NDArray

N_BINS = 15
# Probabilities are float32, so what is not above this is not told apart from 0.
_LEAST = 1e-7


def apply_temperature(probabilities: NDArray[numpy.floating], temperature: float) -> NDArray[numpy.float64]:
    """What probabilities would be if the scores before softmax were divided by a temperature.

    probabilities (NDArray): Probabilities of classes; shape (n, classes).
    temperature (float): The temperature; above 1 makes them less certain.
    RETURNS (NDArray[float64]): The new probabilities; shape (n, classes).
    """
    scores = numpy.log(numpy.clip(probabilities.astype("float64"), _LEAST, None)) / temperature
    scores = numpy.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def fit_temperature(probabilities: NDArray[numpy.floating], classes: Sequence[int]) -> float:
    """The temperature with which the right classes are most likely.

    probabilities (NDArray): Probabilities of classes at temperature 1; shape (n, classes).
    classes (Sequence[int]): The right class of each row.
    RETURNS (float): The temperature, between 0.05 and 20; 1 if there are no rows.
    """
    import torch

    if not len(classes):
        return 1.0
    scores = torch.from_numpy(numpy.log(numpy.clip(probabilities.astype("float64"), _LEAST, None)))
    wanted = torch.as_tensor(list(classes))
    # The likelihood has one maximum in 1 / temperature; its logarithm keeps it positive.
    inverse = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores * inverse.exp(), wanted)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(numpy.clip(numpy.exp(-inverse.item()), 0.05, 20.0))


def expected_calibration_error(
    probabilities: NDArray[numpy.floating], happened: Sequence[bool], n_bins: int = N_BINS
) -> float:
    """How far probabilities are from how often what they foretell happens: the mean difference over bins of equal
    width, weighted by what is in them.

    probabilities (NDArray): The probability of each event; shape (n,).
    happened (Sequence[bool]): Whether it happened.
    n_bins (int): The number of bins.
    RETURNS (float): The error, from 0 to 1; 0 if there are no events.
    """
    if not len(probabilities):
        return 0.0
    outcomes = numpy.asarray(happened, dtype="float64")
    bins = numpy.minimum((probabilities * n_bins).astype("int64"), n_bins - 1)
    gaps = numpy.bincount(bins, weights=probabilities - outcomes, minlength=n_bins)
    return float(numpy.abs(gaps).sum() / len(outcomes))
