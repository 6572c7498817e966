"""What a result has to be of: the settings of a run, and the documents that it read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Tuple

from embre_spacy.errors import EmbreError

from .grid import Cell, Grid
from .pretrained import digest
from .results import read_result, settings_changed
from .settings import cell_settings, corpus_files, floor_settings


@dataclass(frozen=True)
class Wanted:
    """What a run is of. Two runs of the same are the same run.

    settings (Dict[str, Any]): Its settings in full.
    corpora (Dict[str, str]): The digests of its corpora, by the names that `corpus_files` has for them.
    """

    settings: Dict[str, Any]
    corpora: Dict[str, str]


def want_cell(cell: Cell, seed: int) -> Wanted:
    """What the run of a cell is of.

    cell (Cell): The cell.
    seed (int): The seed.
    RETURNS (Wanted): Its settings and documents.
    RAISES (EmbreError): If a config or a corpus is not there.
    """
    return Wanted(cell_settings(cell, seed), _digest_corpora(cell))


def want_floor(grid: Grid) -> Wanted:
    """What the floor of a grid is of.

    grid (Grid): The grid.
    RETURNS (Wanted): Its settings and documents.
    RAISES (EmbreError): If a config or a corpus is not there.
    """
    return Wanted(floor_settings(grid), _digest_corpora(grid.common))


def find_result(path: Path, wanted: Wanted) -> Tuple[Dict[str, Any], List[str]]:
    """The result that an earlier run left.

    path (Path): Its file.
    wanted (Wanted): What it should be of.
    RETURNS (Tuple[Dict[str, Any], List[str]]): The result, empty if there is none, and in what it differs from what is
        wanted.
    """
    try:
        found = read_result(path)
    except EmbreError as error:
        return {}, [str(error)]
    if found is None:
        return {}, []
    names = [name for name, value in wanted.corpora.items() if found.get("corpora", {}).get(name) != value]
    return found, [*settings_changed(found, wanted.settings), *(f"the documents of {name}" for name in names)]


def _digest_corpora(cell: Cell) -> Dict[str, str]:
    return {name: digest(Path(file)) for name, file in corpus_files(cell).items()}
