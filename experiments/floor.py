"""The floor of a grid: every candidate related, with the most frequent type and novelty."""

from pathlib import Path
from typing import Any, Dict

from embre_spacy.errors import EmbreError
from embre_spacy.util import describe_run

from .grid import Cell, Grid
from .measure import measure_floor
from .results import FLOOR_FILE, write_result
from .wanted import find_result, want_floor


def write_floor(grid: Grid, results: Path) -> bool:
    """Write the floor of a grid, unless it is there.

    grid (Grid): The grid.
    results (Path): The folder of all results.
    RETURNS (bool): Whether it was written.
    RAISES (EmbreError): If it cannot be computed.
    """
    path, wanted = results / grid.name / FLOOR_FILE, want_floor(grid)
    found, different = find_result(path, wanted)
    if found and not different:
        return False
    write_result(
        {
            "grid": grid.name,
            "cell": None,
            "label": "floor",
            "seed": None,
            "settings": wanted.settings,
            "corpora": wanted.corpora,
            "run": describe_run("experiments"),
            "dev": _measure(grid.common),
        },
        path,
    )
    return True


def _measure(cell: Cell) -> Dict[str, Any]:
    try:
        return measure_floor(cell)
    except EmbreError:
        raise
    except Exception as error:
        # spaCy refuses configs and corpora with errors of many kinds. Whatever it is, the cells can still run.
        raise EmbreError(f"{cell.config}: {type(error).__name__}: {' '.join(str(error).split())}") from error
