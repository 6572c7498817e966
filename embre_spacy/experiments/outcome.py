"""What came of a grid: its cells with the results that are there, those that are missing, and those out of date."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ..errors import EmbreError
from .grid import Cell, Grid
from .results import FLOOR_FILE, read_result, result_path, settings_changed
from .settings import cell_settings


@dataclass(frozen=True)
class CellOutcome:
    """What came of a cell.

    cell (Cell): The cell.
    results (List[Dict[str, Any]]): The results that are there, in the order of the seeds.
    files (List[Path]): Their files.
    missing (List[int]): The seeds without a result.
    stale (Dict[int, List[str]]): For each seed whose result has other settings than the grid says, what differs.
    """

    cell: Cell
    results: List[Dict[str, Any]]
    files: List[Path]
    missing: List[int]
    stale: Dict[int, List[str]]


@dataclass(frozen=True)
class GridOutcome:
    """What came of a grid.

    grid (Grid): The grid.
    folder (Path): The folder of its results.
    cells (Tuple[CellOutcome, ...]): What came of its cells.
    floor (Optional[Dict[str, Any]]): The floor, if it is there.
    words (Optional[str]): What a person wrote about it.
    """

    grid: Grid
    folder: Path
    cells: Tuple[CellOutcome, ...]
    floor: Optional[Dict[str, Any]]
    words: Optional[str]

    @property
    def results(self) -> List[Dict[str, Any]]:
        """All results, without the floor."""
        return [result for cell in self.cells for result in cell.results]

    @property
    def baseline(self) -> Optional[CellOutcome]:
        """The cell that differences are taken against."""
        return next((one for one in self.cells if one.cell.name == self.grid.baseline), None)


def collect_outcome(grid: Grid, results: Path) -> GridOutcome:
    """Read the results of a grid.

    grid (Grid): The grid.
    results (Path): The folder of all results.
    RETURNS (GridOutcome): What came of it.
    RAISES (EmbreError): If a file holds something else.
    """
    words = grid.file.with_suffix(".md")
    return GridOutcome(
        grid=grid,
        folder=results / grid.name,
        cells=tuple(_collect_cell(grid, cell, results) for cell in grid.cells),
        floor=read_result(results / grid.name / FLOOR_FILE),
        words=words.read_text(encoding="utf8").strip() if words.is_file() else None,
    )


def _collect_cell(grid: Grid, cell: Cell, results: Path) -> CellOutcome:
    outcome = CellOutcome(cell, [], [], [], {})
    for seed in cell.seeds:
        path = result_path(results, grid.name, cell.name, seed)
        result = read_result(path)
        if result is None:
            outcome.missing.append(seed)
            continue
        outcome.results.append(result)
        outcome.files.append(path)
        try:
            changed = settings_changed(result, cell_settings(cell, seed))
        except EmbreError as error:
            # The result stays a result when the config that it was made with is gone.
            changed = [str(error)]
        if changed:
            outcome.stale[seed] = changed
    return outcome
