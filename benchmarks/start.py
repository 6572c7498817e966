"""Start: how long one waits for the package and for a pipeline."""

import subprocess
import sys
from statistics import median
from typing import Any, Dict, List

_IMPORT = """
import sys, time
start = time.perf_counter()
import embre_spacy
print(time.perf_counter() - start, int("torch" in sys.modules))
"""
_LOAD = """
import sys, time
start = time.perf_counter()
import spacy
middle = time.perf_counter()
spacy.load(sys.argv[1])
print(middle - start, time.perf_counter() - middle)
"""


def measure_start(model: str, *, repeats: int) -> Dict[str, Any]:
    """Time `import embre_spacy`, and `import spacy` followed by `spacy.load(model)`, in a new Python each time.

    model (str): The pipeline: its folder, or the name of an installed package.
    repeats (int): How often each is timed. Each is done once before that, so that files are in memory.
    RETURNS (Dict[str, Any]): Seconds, and whether importing the package imports PyTorch.
    """
    imports = [_run(_IMPORT) for _ in range(repeats + 1)][1:]
    loads = [_run(_LOAD, model) for _ in range(repeats + 1)][1:]
    return {
        "import_seconds": median(seconds for seconds, _ in imports),
        "spacy_seconds": median(spacy for spacy, _ in loads),
        "load_seconds": median(load for _, load in loads),
        "import_imports_torch": any(has_torch for _, has_torch in imports),
    }


def _run(code: str, *arguments: str) -> List[float]:
    """The numbers that code prints in a new Python."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return [float(one) for one in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()]
