"""Which text a pass of the transformer holds, where a document is longer than it takes."""

from bisect import bisect_right
from typing import FrozenSet, List, NamedTuple, Optional, Tuple

import numpy
from numpy.typing import NDArray

# Two stretches of text with a separator between them, and in each a wordpiece of one mention between two tags.
SMALLEST_PASS = 7


class Stretch(NamedTuple):
    """A stretch of the text of a document.

    start (int): The first wordpiece.
    end (int): The one-after-last wordpiece.
    mentions (List[int]): The mentions in it that get tags. They start in it; one that is cut off ends with it.
    """

    start: int
    end: int
    mentions: List[int]


def choose_stretches(
    spans: NDArray[numpy.int64],
    n_tags: NDArray[numpy.int64],
    nearest: Tuple[int, int],
    *,
    length: int,
    size: int,
    n_between: int,
) -> List[Stretch]:
    """The text around the nearest two mentions of a candidate: the whole document if it fits; else as much as fits,
    with the two in the middle; and if they are too far apart for that, two stretches of half the size, one around each.

    Of a mention that is too long for a stretch of its own, the stretch holds the beginning and nothing else. Only where
    there is such a mention may two stretches share text.

    spans (NDArray[int64]): The first and the one-after-last wordpiece of each mention that may get tags; shape (m, 2).
    n_tags (NDArray[int64]): How many tags each of them gets; shape (m,).
    nearest (Tuple[int, int]): The nearest two mentions, which may be one and the same.
    length (int): The number of wordpieces of the document.
    size (int): The most wordpieces, tags included, that there is room for; at least SMALLEST_PASS.
    n_between (int): How many wordpieces of these would stand between two stretches.
    RETURNS (List[Stretch]): One or two stretches in the order of the text, with tags for the nearest two mentions and
        for all others that lie whole in a stretch.
    """
    pair = frozenset(nearest)
    both = _widen(spans, n_tags, pair, length, size)
    if both is not None:
        return [both]
    room = size if len(pair) == 1 else (size - n_between) // 2
    stretches = []
    for mention in pair:
        stretch = _widen(spans, n_tags, frozenset([mention]), length, room)
        if stretch is None:
            start, end = spans[mention].tolist()
            stretch = Stretch(start, min(end, start + room - int(n_tags[mention])), [mention])
        stretches.append(stretch)
    return sorted(stretches)


def _widen(
    spans: NDArray[numpy.int64], n_tags: NDArray[numpy.int64], chosen: FrozenSet[int], length: int, size: int
) -> Optional[Stretch]:
    """The widest stretch that fits, with the chosen mentions in the middle unless the text begins or ends before that;
    None if they do not fit."""
    is_chosen = numpy.zeros(len(spans), dtype="bool")
    is_chosen[list(chosen)] = True
    # What has no wordpieces cannot be read, and must not take the place of what can.
    may_join = spans[:, 0] < spans[:, 1]
    first, last = int(spans[is_chosen, 0].min()), int(spans[is_chosen, 1].max())
    middle = first + (last - first) // 2

    def place(width: int) -> Tuple[int, int]:
        start = min(max(middle - width // 2, 0), length - width)
        return start, start + width

    def inside(start: int, end: int) -> NDArray[numpy.bool_]:
        return is_chosen | (may_join & (start <= spans[:, 0]) & (spans[:, 1] <= end))

    def cost(width: int) -> int:
        return width + int(n_tags[inside(*place(width))].sum())

    # Each width holds all of the smaller ones, so what they cost only grows.
    widths = range(last - first, min(length, size) + 1)
    fitting = bisect_right(widths, size, key=cost)
    if not fitting:
        return None
    start, end = place(widths[fitting - 1])
    return Stretch(start, end, numpy.flatnonzero(inside(start, end)).tolist())
