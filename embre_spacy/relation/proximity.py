"""Where the mentions of a candidate stand, and how near they come to each other."""

from dataclasses import dataclass
from typing import List, Tuple

import numpy
from numpy.typing import NDArray

# Upper bounds of the classes that distances in wordpieces and numbers of mentions fall into.
DISTANCE_BOUNDS = (4, 8, 16, 32, 64, 128, 256)
COUNT_BOUNDS = (1, 2, 4, 8)
CLOSE_BOUNDS = (0, 1, 2, 4)
# Mentions at most so many wordpieces apart are likely to stand in one sentence.
CLOSE = 40
# How many equal parts of a document a place is told by: title, background, methods and results are told apart.
N_PLACES = 20


@dataclass
class Proximity:
    """How near the mentions of a candidate come to each other.

    distance (int): The least number of wordpieces between a mention of one concept and a mention of the other, which
        for a concept with itself is a different mention.
    place (float): Where these two stand: their middle as a share of the document.
    n_close (int): How many pairs of mentions are at most CLOSE wordpieces apart.
    mentions (Tuple[int, int]): The nearest two mentions, one of each concept; the first of them if several are. For a
        concept with itself they are different, if it has two.
    """

    distance: int
    place: float
    n_close: int
    mentions: Tuple[int, int]


def find_proximity(
    spans: NDArray[numpy.int64], gaps: NDArray[numpy.int64], first: List[int], second: List[int], length: int
) -> Proximity:
    """How near two concepts come to each other.

    spans (NDArray[int64]): The first and the one-after-last wordpiece of each mention of the document; shape (m, 2).
    gaps (NDArray[int64]): What `find_gaps` returns for them; shape (m, m).
    first (List[int]), second (List[int]): The mentions of the two concepts.
    length (int): The number of wordpieces of the document.
    RETURNS (Proximity): The result.
    """
    found = gaps[numpy.ix_(first, second)]
    if first == second and len(first) > 1:
        # Farther than any two mentions are; also where a text has no wordpieces at all.
        found = found + numpy.diag(numpy.full(len(first), max(length, 1)))
    row, column = divmod(int(found.argmin()), len(second))
    mentions = first[row], second[column]
    place = float(spans[list(mentions)].sum()) / (4 * max(length, 1))
    return Proximity(int(found.min()), place, int((found <= CLOSE).sum()), mentions)


def find_gaps(spans: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """The number of wordpieces between each two mentions; 0 if they touch or overlap.

    spans (NDArray[int64]): The first and the one-after-last wordpiece of each mention; shape (m, 2).
    RETURNS (NDArray[int64]): The gaps; shape (m, m).
    """
    return numpy.maximum(spans[:, None, 0] - spans[None, :, 1], spans[None, :, 0] - spans[:, None, 1]).clip(min=0)


def to_places(shares: List[float]) -> NDArray[numpy.int64]:
    """Classes of places in a document.

    shares (List[float]): Places as shares of the document, from 0 to 1.
    RETURNS (NDArray[int64]): The number of the part of the document that each lies in, less than N_PLACES.
    """
    return (numpy.asarray(shares, dtype="float64") * N_PLACES).astype("int64").clip(0, N_PLACES - 1)
