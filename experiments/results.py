"""The small JSON files that experiments leave, and what came of a grid: what is there, missing, or out of date."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from embre_spacy.errors import EmbreError
from embre_spacy.files import open_output

from .grid import Cell, Grid
from .settings import RunKey, cell_settings, corpus_files, find_differences, floor_settings

FLOOR_FILE = "floor.json"
_LINE = 118
_DIGITS = 6
# The number of changes that a note names.
_NAMED = 3


def result_path(results: Path, grid: str, cell: str, seed: int) -> Path:
    """The file of a result below the folder of all results."""
    return results / grid / f"{cell}-seed{seed}.json"


def read_result(path: Path, keys: Sequence[str] = ("settings", "dev", "run", "seed")) -> Optional[Dict[str, Any]]:
    """Read a result, which has these keys; None if there is no such file."""
    if not path.is_file():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise EmbreError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(result, dict) or not set(keys) <= result.keys():
        raise EmbreError(f"{path}: not the result of an experiment")
    return result


def find_result(path: Path, key: RunKey) -> Tuple[Dict[str, Any], List[str]]:
    """Find the result that an earlier run left.

    path (Path): Its file.
    key (RunKey): What it should be of.
    RETURNS (Tuple[Dict[str, Any], List[str]]): The result, empty if there is none, and how it differs from the key.
    """
    try:
        result = read_result(path)
    except EmbreError as error:
        return {}, [str(error)]
    if result is None:
        return {}, []
    corpora = result.get("corpora", {})
    changed = [f"the documents of {name}" for name, value in key.corpora.items() if corpora.get(name) != value]
    return result, [*find_differences(result["settings"], key.settings), *changed]


def shorten_changes(changes: Sequence[str]) -> str:
    """Name the first of some changes, and the number of the others."""
    more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return ", ".join(changes[:_NAMED]) + more


def write_result(result: Mapping[str, Any], path: Path) -> None:
    """Write a result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_output(path) as file:
        file.write((to_json({**result, "dev": _round_numbers(result["dev"])}) + "\n").encode())


def _round_numbers(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {key: _round_numbers(inner) for key, inner in value.items()}
    return [_round_numbers(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def to_json(value: Any, indent: str = "", taken: int = 0) -> str:
    """Write JSON with everything on one line that fits on one: short, and readable line by line in a diff.

    value (Any): The value.
    indent (str): What stands before its lines.
    taken (int): How many characters of its first line are taken.
    RETURNS (str): The text.
    """
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(indent) + taken + len(line) <= _LINE or not value or not isinstance(value, (dict, list, tuple)):
        return line
    inner = indent + " "
    if isinstance(value, dict):
        names = [f"{json.dumps(str(key), ensure_ascii=False)}: " for key in value]
        rows = [name + to_json(content, inner, len(name)) for name, content in zip(names, value.values())]
        return "{\n" + ",\n".join(inner + row for row in rows) + "\n" + indent + "}"
    return "[\n" + ",\n".join(inner + to_json(item, inner) for item in value) + "\n" + indent + "]"


@dataclass(frozen=True)
class CellOutcome:
    """What came of a cell.

    cell (Cell): The cell.
    results (List[Dict[str, Any]]): The results that are there, in the order of the seeds.
    missing (List[int]): The seeds without a result.
    stale (Dict[int, List[str]]): For each seed whose result has other settings than the grid, how they differ.
    """

    cell: Cell
    results: List[Dict[str, Any]]
    missing: List[int]
    stale: Dict[int, List[str]]

    @property
    def label(self) -> str:
        """Its name in tables."""
        return _mark_stale(self.cell.label, self.stale)


@dataclass(frozen=True)
class GridOutcome:
    """What came of a grid.

    grid (Grid): The grid.
    folder (Path): The folder of its results.
    cells (Tuple[CellOutcome, ...]): What came of its cells.
    floor (Optional[Dict[str, Any]]): The floor, if it is there.
    floor_stale (List[str]): How the settings of the floor differ from those of the grid.
    commentary (Optional[str]): What a person wrote about it.
    """

    grid: Grid
    folder: Path
    cells: Tuple[CellOutcome, ...]
    floor: Optional[Dict[str, Any]]
    floor_stale: List[str]
    commentary: Optional[str]

    @property
    def results(self) -> List[Dict[str, Any]]:
        """All results, without the floor."""
        return [result for cell in self.cells for result in cell.results]

    @property
    def floor_label(self) -> str:
        """The name of the floor in tables."""
        return _mark_stale("floor", self.floor_stale)

    @property
    def baseline(self) -> Optional[CellOutcome]:
        """The cell that differences are taken against."""
        return next((outcome for outcome in self.cells if outcome.cell.name == self.grid.baseline), None)

    @property
    def main_cell(self) -> Optional[CellOutcome]:
        """The baseline, or else the first cell; None if it has no results."""
        cell = self.baseline or self.cells[0]
        return cell if cell.results else None


def _mark_stale(label: str, stale: Collection[Any]) -> str:
    return f"{label} (stale)" if stale else label


def collect_outcome(grid: Grid, results: Path) -> GridOutcome:
    """Read the results of a grid from the folder of all results."""
    commentary = grid.file.with_suffix(".md")
    floor = read_result(results / grid.name / FLOOR_FILE)
    return GridOutcome(
        grid=grid,
        folder=results / grid.name,
        cells=tuple(_collect_cell(grid, cell, results) for cell in grid.cells),
        floor=floor,
        floor_stale=[] if floor is None else _find_changes(floor, partial(floor_settings, grid)),
        commentary=commentary.read_text(encoding="utf8").strip() if commentary.is_file() else None,
    )


def _collect_cell(grid: Grid, cell: Cell, results: Path) -> CellOutcome:
    outcome = CellOutcome(cell, [], [], {})
    for seed in cell.seeds:
        result = read_result(result_path(results, grid.name, cell.name, seed))
        if result is None:
            outcome.missing.append(seed)
            continue
        outcome.results.append(result)
        changes = [] if cell.retired else _find_changes(result, partial(cell_settings, cell, seed))
        if changes:
            outcome.stale[seed] = changes
    return outcome


def _find_changes(result: Mapping[str, Any], make_settings: Callable[[], Dict[str, Any]]) -> List[str]:
    try:
        return find_differences(result["settings"], make_settings())
    except EmbreError as error:
        # The result stays a result when the config that it was made with is gone.
        return [str(error)]


def find_changed_corpora(outcome: GridOutcome) -> Dict[str, List[List[str]]]:
    """Find the corpora that were not the same for all results: files that were written anew between two runs.

    outcome (GridOutcome): What came of a grid. The checksums in its results are compared; no corpus is read.
    RETURNS (Dict[str, List[List[str]]]): By the file or folder, the names of the results that had the same documents.
    """
    names: Dict[str, Dict[str, List[str]]] = {}
    for name, cell, result in _iter_current(outcome):
        checksums = result.get("corpora", {})
        used = {(file, checksums[key]) for key, file in corpus_files(cell).items() if key in checksums}
        for file, checksum in sorted(used):
            names.setdefault(file, {}).setdefault(checksum, []).append(name)
    return {file: list(groups.values()) for file, groups in names.items() if len(groups) > 1}


def _iter_current(outcome: GridOutcome) -> Iterator[Tuple[str, Cell, Dict[str, Any]]]:
    """Yield the results that are not stale, with names and cells: stale ones may be of other files."""
    for cell in outcome.cells:
        for result in cell.results:
            if result["seed"] not in cell.stale:
                yield f"{cell.cell.label}, seed {result['seed']}", cell.cell, result
    if outcome.floor is not None and not outcome.floor_stale:
        yield "floor", outcome.grid.common, outcome.floor
