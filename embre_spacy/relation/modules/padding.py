"""Rows of different lengths as one tensor."""

from typing import Optional, Sequence, Tuple

import torch
from numpy.typing import NDArray
from torch import Tensor


def pad(rows: Sequence[NDArray], value: int, device: torch.device) -> Tuple[Tensor, Optional[Tensor]]:
    """Put rows of integers into one tensor.

    rows (Sequence[NDArray[int64]]): The rows, at least one.
    value (int): What stands behind the end of a row.
    device (torch.device): Where the tensors shall be.
    RETURNS (Tuple[Tensor, Optional[Tensor]]): The rows, and 1 where they are and 0 where they have ended; None if they
        are all of one length, as attention is fastest without a mask.
    """
    if len({len(row) for row in rows}) == 1:
        return torch.stack([torch.from_numpy(row) for row in rows]).to(device), None
    padded = torch.full((len(rows), max(map(len, rows))), value)
    mask = torch.zeros_like(padded)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.from_numpy(row)
        mask[i, : len(row)] = 1
    return padded.to(device), mask.to(device)
