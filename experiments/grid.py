"""The file of a grid: what it may say, and what is refused."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import srsly

from embre_spacy.errors import EmbreError

from .columns import EXTRA_COLUMNS

# The tables that a grid may ask for beside its scores.
EXTRA_TABLES = ("relation_types", "calibration")
# Names become parts of file names.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# What overrides may not say, because a key of the grid says it.
_TRAINING_KEYS = {
    "paths.train": "corpus",
    "paths.dev": "corpus",
    "paths.encoder": "encoder",
    "paths.teachers": "teachers",
    "system.seed": "seeds",
    "training.seed": "seeds",
}
_PRETRAINING_KEYS = {"encoder.name": "encoder"}


@dataclass(frozen=True)
class PretrainingSpec:
    """A pretraining that cells share.

    name (str): Its name in the grid.
    config (Optional[str]): The config file; the defaults of pretraining if None.
    corpus (str): The training documents.
    also (Tuple[str, ...]): More training documents: files, or folders of files.
    dev (Optional[str]): The held-out documents; a share of the training documents if None.
    encoder (Optional[str]): The transformer to start from; that of the config if None.
    after (Optional[PretrainingSpec]): The pretraining whose transformer it starts from instead.
    overrides (Dict[str, Any]): Values by dotted name that replace those of the config.
    """

    name: str
    config: Optional[str]
    corpus: str
    also: Tuple[str, ...]
    dev: Optional[str]
    encoder: Optional[str]
    after: "Optional[PretrainingSpec]"
    overrides: Dict[str, Any]

    @property
    def chain(self) -> "Tuple[PretrainingSpec, ...]":
        """The pretrainings that have to be made, first to last; itself is the last."""
        return (*(self.after.chain if self.after else ()), self)


@dataclass(frozen=True)
class Cell:
    """One way to train, for one seed or several. What all cells of the grid have in common is in it already.

    name (str): Its name, part of the names of its files.
    label (str): Its name in tables.
    config (str): The training config.
    train (str), dev (str): The corpora.
    encoder (Optional[str]): The transformer to start from; that of the config if None.
    pretraining (Optional[PretrainingSpec]): The pretraining whose transformer it starts from instead.
    overrides (Dict[str, Any]): Values by dotted name that replace those of the config.
    seeds (Tuple[int, ...]): The seeds.
    teachers (Tuple[Tuple[Cell, int], ...]): The trainings that it learns from: cells, with a seed each.
    """

    name: str
    label: str
    config: str
    train: str
    dev: str
    encoder: Optional[str]
    pretraining: Optional[PretrainingSpec]
    overrides: Dict[str, Any]
    seeds: Tuple[int, ...]
    teachers: "Tuple[Tuple[Cell, int], ...]" = ()

    @property
    def teacher(self) -> "Optional[Cell]":
        """The cell that all teachers are of, whatever the number of their seeds; None without teachers."""
        return self.teachers[0][0] if self.teachers else None

    @property
    def pretrainings(self) -> Tuple[PretrainingSpec, ...]:
        """The pretrainings that have to be made for it, first to last; none if it starts from a checkpoint."""
        return () if self.pretraining is None else self.pretraining.chain


@dataclass(frozen=True)
class Grid:
    """A question and the trainings that answer it.

    name (str): The name of the file without its suffix.
    file (Path): The file.
    title (str), question (str): What it is about, for the report.
    cells (Tuple[Cell, ...]): The cells.
    common (Cell): What all cells have in common, as a cell: what the floor is computed with.
    baseline (Optional[str]): The cell that differences are taken against.
    columns (Tuple[str, ...]): The columns that the report shows beside the usual ones.
    tables (Tuple[str, ...]): The tables that the report shows beside the usual ones.
    """

    name: str
    file: Path
    title: str
    question: str
    cells: Tuple[Cell, ...]
    common: Cell
    baseline: Optional[str]
    columns: Tuple[str, ...]
    tables: Tuple[str, ...]

    def cell(self, name: Optional[str]) -> Optional[Cell]:
        """The cell with a name, or None."""
        return next((cell for cell in self.cells if cell.name == name), None)

    def teaches(self, cell: Cell, seed: int) -> bool:
        """Whether another cell learns from a cell with a seed."""
        return any((cell, seed) in other.teachers for other in self.cells)


def load_grid(path: Union[str, Path]) -> Grid:
    """Read the file of a grid. Whether the files that it names are there is not asked.

    path (Union[str, Path]): The file.
    RETURNS (Grid): The grid.
    RAISES (EmbreError): If the file is missing or cannot be read, or says what a grid cannot say.
    """
    path = Path(path)
    if not path.is_file():
        raise EmbreError(f"{path}: there is no such file of a grid")
    try:
        found = srsly.read_yaml(path)
    except ValueError as error:
        raise EmbreError(f"{path}: {' '.join(str(error).split())}") from error
    try:
        return _make_grid(path, found)
    except EmbreError as error:
        raise EmbreError(f"{path}: {error}") from error


def _make_grid(path: Path, found: Any) -> Grid:
    if not _NAME.fullmatch(path.stem):
        raise EmbreError(f"the name of the file may have letters, digits, '_', '-' and '.', not {path.stem!r}")
    optional = ("seeds", "pretraining", "baseline", "columns", "tables")
    _check_keys(found, ("title", "question", "corpus", "training", "cells"), optional, "the grid")
    _check_keys(found["training"], ("config",), ("encoder", "overrides"), "training")
    train, dev = _corpus(found["corpus"], "corpus")
    common = Cell(
        name="common",
        label="common",
        config=_text(found["training"]["config"], "training: config"),
        train=train,
        dev=dev,
        encoder=_optional_text(found["training"].get("encoder"), "training: encoder"),
        pretraining=None,
        overrides=_overrides(found["training"].get("overrides"), "training", _TRAINING_KEYS),
        seeds=_seeds(found.get("seeds", [0]), "seeds"),
    )
    pretrainings = _pretrainings(found.get("pretraining"), common)
    if not isinstance(found["cells"], list) or not found["cells"]:
        raise EmbreError("cells must be a list of at least one cell")
    cells: Dict[str, Cell] = {}
    for number, one in enumerate(found["cells"], start=1):
        cell = _make_cell(one, f"cell {number}", common, pretrainings, cells)
        if cell.name in cells:
            raise EmbreError(f"cell {cell.name!r}: there are two cells of this name")
        cells[cell.name] = cell
    baseline = _optional_text(found.get("baseline"), "baseline")
    if baseline is not None and baseline not in cells:
        raise EmbreError(f"baseline: there is no cell {baseline!r} (there are {', '.join(cells)})")
    return Grid(
        name=path.stem,
        file=path,
        title=_text(found["title"], "title"),
        question=_text(found["question"], "question"),
        cells=tuple(cells.values()),
        common=common,
        baseline=baseline,
        columns=_choices(found.get("columns"), EXTRA_COLUMNS, "columns"),
        tables=_choices(found.get("tables"), EXTRA_TABLES, "tables"),
    )


def _make_cell(
    found: Any, where: str, common: Cell, pretrainings: Mapping[str, PretrainingSpec], above: Mapping[str, Cell]
) -> Cell:
    optional = ("label", "config", "corpus", "encoder", "pretraining", "overrides", "seeds", "teachers")
    if isinstance(found, Mapping) and isinstance(found.get("name"), str):
        where = f"cell {found['name']!r}"
    _check_keys(found, ("name",), optional, where)
    name = _name(found["name"], f"{where}: name")
    pretraining = _optional_text(found.get("pretraining"), f"{where}: pretraining")
    if pretraining is not None and pretraining not in pretrainings:
        known = f"there are {', '.join(pretrainings)}" if pretrainings else "the grid has none"
        raise EmbreError(f"{where}: there is no pretraining {pretraining!r} ({known})")
    encoder = _optional_text(found.get("encoder"), f"{where}: encoder")
    if encoder is not None and pretraining is not None:
        raise EmbreError(f"{where}: has a pretraining and an encoder; the encoder belongs to the pretraining")
    train, dev = common.train, common.dev
    if "corpus" in found:
        train, dev = _corpus(found["corpus"], f"{where}: corpus")
    return Cell(
        name=name,
        label=_text(found.get("label", name), f"{where}: label"),
        config=_text(found.get("config", common.config), f"{where}: config"),
        train=train,
        dev=dev,
        encoder=encoder if encoder is not None else common.encoder,
        pretraining=None if pretraining is None else pretrainings[pretraining],
        overrides={**common.overrides, **_overrides(found.get("overrides"), where, _TRAINING_KEYS)},
        seeds=_seeds(found["seeds"], f"{where}: seeds") if "seeds" in found else common.seeds,
        teachers=_teachers(found["teachers"], f"{where}: teachers", above) if "teachers" in found else (),
    )


def _teachers(found: Any, where: str, above: Mapping[str, Cell]) -> Tuple[Tuple[Cell, int], ...]:
    _check_keys(found, ("cell",), ("seeds",), where)
    teacher = above.get(_text(found["cell"], f"{where}: cell"))
    if teacher is None:
        raise EmbreError(f"{where}: there is no cell {found['cell']!r} above it")
    seeds = _seeds(found["seeds"], f"{where}: seeds") if "seeds" in found else teacher.seeds
    unknown = [str(seed) for seed in seeds if seed not in teacher.seeds]
    if unknown:
        raise EmbreError(f"{where}: the cell {teacher.name!r} has no seed {', '.join(unknown)}")
    return tuple((teacher, seed) for seed in seeds)


def _pretrainings(found: Any, common: Cell) -> Dict[str, PretrainingSpec]:
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise EmbreError("pretraining must map names to settings")
    result: Dict[str, PretrainingSpec] = {}
    for name, one in found.items():
        where = f"pretraining {name!r}"
        _name(name, where)
        _check_keys(one, (), ("config", "corpus", "also", "dev", "encoder", "after", "overrides"), where)
        after = _optional_text(one.get("after"), f"{where}: after")
        if after is not None and after not in result:
            raise EmbreError(f"{where}: after: there is no pretraining {after!r} above it")
        if after is not None and "encoder" in one:
            raise EmbreError(f"{where}: has `after` and `encoder`; it can start from one of them only")
        result[name] = PretrainingSpec(
            name=name,
            config=_optional_text(one.get("config"), f"{where}: config"),
            corpus=_text(one.get("corpus", common.train), f"{where}: corpus"),
            also=_texts(one.get("also", []), f"{where}: also"),
            dev=_optional_text(one.get("dev", common.dev), f"{where}: dev"),
            encoder=None if after else _optional_text(one.get("encoder", common.encoder), f"{where}: encoder"),
            after=result[after] if after else None,
            overrides=_overrides(one.get("overrides"), where, _PRETRAINING_KEYS),
        )
    return result


def _check_keys(found: Any, needed: Sequence[str], optional: Sequence[str], where: str) -> None:
    if not isinstance(found, Mapping):
        raise EmbreError(f"{where} must have keys and values, not {found!r}")
    known = (*needed, *optional)
    unknown = [str(key) for key in found if key not in known]
    if unknown:
        raise EmbreError(f"{where}: has no key {', '.join(unknown)} (there are {', '.join(known)})")
    missing = [key for key in needed if found.get(key) is None]
    if missing:
        raise EmbreError(f"{where}: lacks {', '.join(missing)}")


def _corpus(found: Any, where: str) -> Tuple[str, str]:
    _check_keys(found, ("train", "dev"), (), where)
    return _text(found["train"], f"{where}: train"), _text(found["dev"], f"{where}: dev")


def _overrides(found: Any, where: str, said_elsewhere: Mapping[str, str]) -> Dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise EmbreError(f"{where}: overrides must map dotted names to values")
    for name, value in found.items():
        if not isinstance(name, str) or "." not in name:
            raise EmbreError(f"{where}: overrides: {name!r} is no dotted name such as training.max_steps")
        if isinstance(value, Mapping):
            raise EmbreError(f"{where}: overrides: {name} has a section as its value; write out the dotted names")
        if name in said_elsewhere:
            raise EmbreError(f"{where}: overrides: {name} is said by the key {said_elsewhere[name]}")
    return dict(found)


def _seeds(found: Any, where: str) -> Tuple[int, ...]:
    good = isinstance(found, list) and found and all(type(seed) is int and seed >= 0 for seed in found)
    if not good or len(set(found)) != len(found):
        raise EmbreError(f"{where} must be a list of different whole numbers from 0 on, not {found!r}")
    return tuple(found)


def _choices(found: Any, known: Sequence[str], where: str) -> Tuple[str, ...]:
    chosen: List[Any] = [] if found is None else found
    unknown = [str(one) for one in chosen if one not in known] if isinstance(chosen, list) else [repr(found)]
    if unknown:
        raise EmbreError(f"{where}: there is no {', '.join(unknown)} (there are {', '.join(known)})")
    return tuple(chosen)


def _name(found: Any, where: str) -> str:
    if not isinstance(found, str) or not _NAME.fullmatch(found):
        raise EmbreError(f"{where}: a name may have letters, digits, '_', '-' and '.', not {found!r}")
    return found


def _text(found: Any, where: str) -> str:
    if not isinstance(found, str) or not found.strip():
        raise EmbreError(f"{where} must be a text, not {found!r}")
    return found


def _texts(found: Any, where: str) -> Tuple[str, ...]:
    if not isinstance(found, list):
        raise EmbreError(f"{where} must be a list, not {found!r}")
    return tuple(_text(one, where) for one in found)


def _optional_text(found: Any, where: str) -> Optional[str]:
    return None if found is None else _text(found, where)
