"""Which candidates are taken to be related."""

from typing import TypeVar

import numpy
from numpy.typing import NDArray

Probability = TypeVar("Probability", float, NDArray[numpy.float32])


def decision_score(pair: Probability, type: Probability, type_certainty: float) -> Probability:
    """What the threshold is compared with: P(related) * P(type | related) ** type_certainty.

    With 0 it is the probability that the pair is related, which orders candidates best for the score of pairs; with 1
    that of the most probable type, which orders them best for the score of types: a pair whose type is a guess is
    unlikely to be right there.

    pair (Union[float, NDArray[float32]]): The probability that the pair is related.
    type (Union[float, NDArray[float32]]): That of its most probable relation type; at most as high.
    type_certainty (float): The exponent, from 0 to 1.
    RETURNS (Union[float, NDArray[float32]]): The score, from 0 to 1.
    """
    return pair ** (1.0 - type_certainty) * type**type_certainty
