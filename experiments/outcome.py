"""What came of a grid: its cells with the results that are there, those that are missing, and those out of date."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Collection, Dict, Iterator, List, Mapping, Optional, Tuple

from embre_spacy.errors import EmbreError

from .grid import Cell, Grid
from .results import FLOOR_FILE, read_result, result_path, settings_changed
from .settings import cell_settings, corpus_files, floor_settings


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

    @property
    def label(self) -> str:
        """Its name in tables, which says whether a result is stale."""
        return _mark(self.cell.label, self.stale)


@dataclass(frozen=True)
class GridOutcome:
    """What came of a grid.

    grid (Grid): The grid.
    folder (Path): The folder of its results.
    cells (Tuple[CellOutcome, ...]): What came of its cells.
    floor (Optional[Dict[str, Any]]): The floor, if it is there.
    floor_stale (List[str]): What differs between the settings of the floor and those that the grid says.
    words (Optional[str]): What a person wrote about it.
    """

    grid: Grid
    folder: Path
    cells: Tuple[CellOutcome, ...]
    floor: Optional[Dict[str, Any]]
    floor_stale: List[str]
    words: Optional[str]

    @property
    def results(self) -> List[Dict[str, Any]]:
        """All results, without the floor."""
        return [result for cell in self.cells for result in cell.results]

    @property
    def floor_label(self) -> str:
        """The name of the floor in tables, which says whether it is stale."""
        return _mark("floor", self.floor_stale)

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
    floor = read_result(results / grid.name / FLOOR_FILE)
    return GridOutcome(
        grid=grid,
        folder=results / grid.name,
        cells=tuple(_collect_cell(grid, cell, results) for cell in grid.cells),
        floor=floor,
        floor_stale=[] if floor is None else _find_changes(floor, lambda: floor_settings(grid)),
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
        changed = _find_changes(result, partial(cell_settings, cell, seed))
        if changed:
            outcome.stale[seed] = changed
    return outcome


def _find_changes(result: Mapping[str, Any], make_settings: Callable[[], Dict[str, Any]]) -> List[str]:
    try:
        return settings_changed(result, make_settings())
    except EmbreError as error:
        # The result stays a result when the config that it was made with is gone.
        return [str(error)]


def _mark(label: str, stale: Collection[Any]) -> str:
    return f"{label} (stale)" if stale else label


def find_changed_corpora(outcome: GridOutcome) -> Dict[str, List[List[str]]]:
    """Find the corpora that were not the same for all results: files that were written anew between two runs. The
    digests in the results are compared with each other; no corpus is read.

    outcome (GridOutcome): What came of a grid.
    RETURNS (Dict[str, List[List[str]]]): By the file or folder, the names of the results that had the same documents.
    """
    found: Dict[str, Dict[str, List[str]]] = {}
    for name, cell, result in _current_results(outcome):
        digests = result.get("corpora", {})
        groups = {(file, digests[key]) for key, file in corpus_files(cell).items() if key in digests}
        for file, one in sorted(groups):
            found.setdefault(file, {}).setdefault(one, []).append(name)
    return {file: list(groups.values()) for file, groups in found.items() if len(groups) > 1}


def _current_results(outcome: GridOutcome) -> Iterator[Tuple[str, Cell, Dict[str, Any]]]:
    """All results that are not stale, with their names and cells: stale ones may be of other files."""
    for one in outcome.cells:
        for result in one.results:
            if result["seed"] not in one.stale:
                yield f"{one.cell.label}, seed {result['seed']}", one.cell, result
    if outcome.floor is not None and not outcome.floor_stale:
        yield "floor", outcome.grid.common, outcome.floor
