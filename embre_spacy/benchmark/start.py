"""Start: how long one waits for the package and for a pipeline."""

import subprocess
import sys
from statistics import median
from typing import Any, Dict

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
spacy.load(sys.argv[1])
print(time.perf_counter() - start, int("torch" in sys.modules))
"""


def measure_start(model: str, *, repeats: int) -> Dict[str, Any]:
    """Time `import embre_spacy`, and `import spacy` with `spacy.load(model)`, each in a new Python.

    model (str): The pipeline: its folder, or the name of an installed package.
    repeats (int): How often each is timed. Each is done once before that, so that files are in memory.
    RETURNS (Dict[str, Any]): Seconds, and whether importing the package imports PyTorch.
    """
    imports = [_run(_IMPORT) for _ in range(repeats + 1)][1:]
    loads = [_run(_LOAD, model) for _ in range(repeats + 1)][1:]
    return {
        "import_seconds": median(seconds for seconds, _ in imports),
        "load_seconds": median(seconds for seconds, _ in loads),
        "import_imports_torch": any(has_torch for _, has_torch in imports),
    }


def _run(code: str, *arguments: str) -> "tuple[float, bool]":
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    seconds, has_torch = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(seconds), has_torch == "1"
