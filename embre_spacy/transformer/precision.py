"""The number format that a transformer computes in."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "bfloat16", "float32")


def has_fast_bfloat16(device: "torch.device") -> bool:
    """Whether a device computes in bfloat16 faster than in float32.

    device (torch.device): The device.
    RETURNS (bool): True for GPUs with bfloat16 units and CPUs with AMX or AVX512-BF16 instructions.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def autocast(precision: str, device: "torch.device") -> AbstractContextManager:
    """The context in which a transformer runs.

    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    device (torch.device): The device.
    RETURNS (AbstractContextManager): The context.
    RAISES (ValueError): If there is no such precision.
    """
    import torch

    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if precision == "float32" or (precision == "auto" and not has_fast_bfloat16(device)):
        return nullcontext()
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16)
