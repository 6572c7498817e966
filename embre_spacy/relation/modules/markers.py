"""Windows of text with levitated markers behind them, as the transformer reads them."""

from typing import Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor


def pad_with_markers(
    windows: Sequence[NDArray[numpy.int64]],
    markers: Sequence[NDArray[numpy.int64]],
    *,
    padding: int,
    first_position: int,
    device: torch.device,
) -> Tuple[Tensor, Tensor, Tensor]:
    """Put windows and their markers into tensors of t columns: the longest text first, then the most markers, those of
    one candidate beside each other.

    windows (Sequence[NDArray[int64]]): The wordpiece ids of each window, at least one.
    markers (Sequence[NDArray[int64]]): Their markers; see `place_markers`.
    padding (int): The id of what stands behind the end of a text.
    first_position (int): The position of the first wordpiece of a text.
    device (torch.device): Where the tensors shall be.
    RETURNS (Tuple[Tensor, Tensor, Tensor]): Ids, shape (windows, t); which column sees which, shape (windows, t, t);
        positions, shape (windows, t). Markers have the positions of the wordpieces that they stand for.
    """
    length = max(map(len, windows))
    width = length + 2 * max(map(len, markers))
    ids = torch.full((len(windows), width), padding)
    positions = torch.arange(width).clamp(max=length - 1).repeat(len(windows), 1)
    sees = torch.zeros(len(windows), width, width)
    for row, (window, found) in enumerate(zip(windows, markers)):
        last = length + 2 * len(found)
        ids[row, : len(window)] = torch.from_numpy(window)
        ids[row, length:last] = torch.from_numpy(found[:, 3:].flatten())
        positions[row, length:last] = torch.from_numpy(found[:, 1:3].flatten())
        # What is padding sees the text too, so that nothing has nothing to see.
        sees[row, :, : len(window)] = 1
        own = torch.arange(length, last)
        partner = own.view(-1, 2).flip(1).flatten()
        sees[row, own, own] = 1
        sees[row, own, partner] = 1
    return ids.to(device), sees.to(device), (positions + first_position).to(device)
