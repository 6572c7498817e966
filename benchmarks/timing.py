"""Times of things that are compared."""

from statistics import median
from time import perf_counter
from typing import Callable, Dict, List, Optional

import torch


def time_in_turn(
    functions: Dict[str, Callable[[], object]], repeats: int, *, device: Optional[torch.device] = None
) -> Dict[str, List[float]]:
    """Run some functions in turn, several times: what else the machine does then hits all of them alike.

    functions (Dict[str, Callable[[], object]]): The functions by name.
    repeats (int): How often each is timed. Each runs once before that.
    device (Optional[torch.device]): What they compute on; the CPU if None.
    RETURNS (Dict[str, List[float]]): The seconds of each run of each function.
    """
    seconds: Dict[str, List[float]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            _finish(device)
            start = perf_counter()
            function()
            _finish(device)
            if repeat:
                seconds[name].append(perf_counter() - start)
    return seconds


def _finish(device: Optional[torch.device]) -> None:
    """Wait until a GPU has done what it was told: functions return when they have told it all."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def ratio(numerators: List[float], denominators: List[float]) -> float:
    """The median of the ratios of times that were taken one after the other.

    numerators (List[float]), denominators (List[float]): The times, in the same order.
    RETURNS (float): The median.
    """
    return median(one / other for one, other in zip(numerators, denominators))
