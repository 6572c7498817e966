"""Windows: how a sequence of wordpieces of any length is laid out for a transformer of limited length."""

from typing import List, Tuple


def split_windows(length: int, size: int, overlap: int) -> List[Tuple[int, int]]:
    """Windows of about equal length that cover a sequence. Neighbours share at least `overlap` wordpieces, so that
    whatever is not longer than that lies whole in some window.

    length (int): The number of wordpieces.
    size (int): The most wordpieces that a window may have.
    overlap (int): The least number of wordpieces that neighbouring windows share.
    RETURNS (List[Tuple[int, int]]): The first and the one-after-last wordpiece of each window.
    RAISES (ValueError): If the overlap is not smaller than the size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"the overlap of windows ({overlap}) must be at least 0 and smaller than their size ({size})")
    if length <= size:
        return [(0, length)]
    count = -(-(length - overlap) // (size - overlap))
    width = -(-(length + (count - 1) * overlap) // count)
    last = length - width
    return [(start, start + width) for start in (last * i // (count - 1) for i in range(count))]
