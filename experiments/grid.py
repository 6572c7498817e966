"""The file of a grid: what it may say, and the trainings that it stands for."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Literal, Mapping, Optional, Tuple, Union

import srsly
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from embre_spacy.errors import EmbreError
from embre_spacy.util import describe_validation_error

from .statistics import EXTRA_COLUMNS

# Names become parts of file names.
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
# The settings that keys of the grid set, so that overrides may not.
_TRAINING_KEYS = {
    "paths.train": "corpus",
    "paths.dev": "corpus",
    "paths.encoder": "encoder",
    "paths.teachers": "teachers",
    "system.seed": "seeds",
    "training.seed": "seeds",
}
_PRETRAINING_KEYS = {"encoder.name": "encoder"}


def _check_overrides(keys: Mapping[str, str]) -> Callable[[Dict[str, Any]], Dict[str, Any]]:
    def check(overrides: Dict[str, Any]) -> Dict[str, Any]:
        for name, value in overrides.items():
            if "." not in name:
                raise ValueError(f"{name!r} is no dotted name such as training.max_steps")
            if isinstance(value, Mapping):
                raise ValueError(f"{name} has a section as its value; write out the dotted names")
            if name in keys:
                raise ValueError(f"{name} is set by the key {keys[name]}")
        return overrides

    return check


def _check_seeds(seeds: List[int]) -> List[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed stands there twice")
    return seeds


def _check_columns(columns: List[str]) -> List[str]:
    unknown = [name for name in columns if name not in EXTRA_COLUMNS]
    if unknown:
        raise ValueError(f"there is no column {', '.join(unknown)} (there are {', '.join(EXTRA_COLUMNS)})")
    return columns


_Name = Annotated[str, StringConstraints(pattern=_NAME)]
_Text = Annotated[str, StringConstraints(pattern=r"\S")]
_Seeds = Annotated[List[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1), AfterValidator(_check_seeds)]
_Empty = BeforeValidator(lambda value: {} if value is None else value)
_TrainingOverrides = Annotated[Dict[str, Any], _Empty, AfterValidator(_check_overrides(_TRAINING_KEYS))]
_PretrainingOverrides = Annotated[Dict[str, Any], _Empty, AfterValidator(_check_overrides(_PRETRAINING_KEYS))]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Corpus(_Section):
    train: _Text
    dev: _Text


class _Training(_Section):
    config: _Text
    encoder: Optional[_Text] = None
    overrides: _TrainingOverrides = {}


class _Pretraining(_Section):
    config: Optional[_Text] = None
    corpus: Optional[_Text] = None
    also: List[_Text] = []
    dev: Optional[_Text] = None
    encoder: Optional[_Text] = None
    after: Optional[_Text] = None
    overrides: _PretrainingOverrides = {}


class _Teachers(_Section):
    cell: _Text
    seeds: Optional[_Seeds] = None


class _Cell(_Section):
    name: _Name
    label: Optional[_Text] = None
    config: Optional[_Text] = None
    corpus: Optional[_Corpus] = None
    encoder: Optional[_Text] = None
    pretraining: Optional[_Text] = None
    overrides: _TrainingOverrides = {}
    seeds: Optional[_Seeds] = None
    teachers: Optional[_Teachers] = None
    retired: bool = False


class _Grid(_Section):
    title: _Text
    question: _Text
    corpus: _Corpus
    training: _Training
    cells: Annotated[List[_Cell], Field(min_length=1)]
    seeds: _Seeds = [0]
    pretraining: Annotated[Dict[_Name, _Pretraining], _Empty] = {}
    baseline: Optional[_Text] = None
    columns: Annotated[List[str], AfterValidator(_check_columns)] = []
    tables: List[Literal["relation_types", "calibration"]] = []


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
        """The pretrainings to run, first to last; itself is the last."""
        return (*(self.after.chain if self.after else ()), self)


@dataclass(frozen=True)
class Cell:
    """One way to train, with one or more seeds. What the grid says for all cells is in it.

    name (str): Its name, part of the names of its files.
    label (str): Its name in tables.
    config (str): The training config.
    train (str), dev (str): The corpora.
    encoder (Optional[str]): The transformer to start from; that of the config if None.
    pretraining (Optional[PretrainingSpec]): The pretraining whose transformer it starts from instead.
    overrides (Dict[str, Any]): Values by dotted name that replace those of the config.
    seeds (Tuple[int, ...]): The seeds.
    teachers (Tuple[Tuple[Cell, int], ...]): The trainings that it learns from: cells, with a seed each.
    retired (bool): Whether it had settings that are gone. It is not run again, and its results stay.
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
    retired: bool = False

    @property
    def teacher(self) -> "Optional[Cell]":
        """The cell that all teachers are of; None without teachers."""
        return self.teachers[0][0] if self.teachers else None

    @property
    def pretrainings(self) -> Tuple[PretrainingSpec, ...]:
        """The pretrainings to run for it, first to last; none if it starts from a checkpoint."""
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
    columns (Tuple[str, ...]), tables (Tuple[str, ...]): What the report shows beside the usual columns and tables.
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

    def teaches(self, cell: Cell, seed: int) -> bool:
        """Whether another cell learns from a cell with a seed."""
        return any((cell, seed) in other.teachers for other in self.cells)


def load_grid(path: Union[str, Path]) -> Grid:
    """Read the file of a grid. The files that it names may be missing.

    path (Union[str, Path]): The file.
    RETURNS (Grid): The grid.
    RAISES (EmbreError): If the file is missing or cannot be read, or is no grid.
    """
    path = Path(path)
    if not path.is_file():
        raise EmbreError(f"{path}: there is no such file of a grid")
    try:
        if not re.match(_NAME, path.stem):
            raise EmbreError(f"the name of the file may have letters, digits, '_', '-' and '.', not {path.stem!r}")
        return _resolve_grid(path, _Grid.model_validate(srsly.read_yaml(path)))
    except ValueError as error:
        raise EmbreError(f"{path}: {describe_validation_error(error)}") from error


def _resolve_grid(path: Path, file: _Grid) -> Grid:
    common = Cell(
        name="common",
        label="common",
        config=file.training.config,
        train=file.corpus.train,
        dev=file.corpus.dev,
        encoder=file.training.encoder,
        pretraining=None,
        overrides=file.training.overrides,
        seeds=tuple(file.seeds),
    )
    pretrainings: Dict[str, PretrainingSpec] = {}
    for name, section in file.pretraining.items():
        pretrainings[name] = _resolve_pretraining(name, section, common, pretrainings)
    cells: Dict[str, Cell] = {}
    for section in file.cells:
        if section.name in cells:
            raise EmbreError(f"cell {section.name!r}: there are two cells of this name")
        cells[section.name] = _resolve_cell(section, common, pretrainings, cells)
    if file.baseline is not None and file.baseline not in cells:
        raise EmbreError(f"baseline: there is no cell {file.baseline!r} (there are {', '.join(cells)})")
    return Grid(
        name=path.stem,
        file=path,
        title=file.title,
        question=file.question,
        cells=tuple(cells.values()),
        common=common,
        baseline=file.baseline,
        columns=tuple(file.columns),
        tables=tuple(file.tables),
    )


def _resolve_pretraining(
    name: str, section: _Pretraining, common: Cell, above: Mapping[str, PretrainingSpec]
) -> PretrainingSpec:
    given = section.model_fields_set
    if section.after is not None and section.after not in above:
        raise EmbreError(f"pretraining {name!r}: after: there is no pretraining {section.after!r} above it")
    if section.after is not None and "encoder" in given:
        raise EmbreError(f"pretraining {name!r}: has `after` and `encoder`; it can start from one of them only")
    encoder = section.encoder if section.after or "encoder" in given else common.encoder
    return PretrainingSpec(
        name=name,
        config=section.config,
        corpus=section.corpus or common.train,
        also=tuple(section.also),
        dev=section.dev if "dev" in given else common.dev,
        encoder=encoder,
        after=above[section.after] if section.after else None,
        overrides=section.overrides,
    )


def _resolve_cell(
    section: _Cell, common: Cell, pretrainings: Mapping[str, PretrainingSpec], above: Mapping[str, Cell]
) -> Cell:
    where = f"cell {section.name!r}"
    if section.pretraining is not None and section.pretraining not in pretrainings:
        known = f"there are {', '.join(pretrainings)}" if pretrainings else "the grid has none"
        raise EmbreError(f"{where}: there is no pretraining {section.pretraining!r} ({known})")
    if section.pretraining is not None and section.encoder is not None:
        raise EmbreError(f"{where}: has a pretraining and an encoder; the encoder belongs to the pretraining")
    return Cell(
        name=section.name,
        label=section.label or section.name,
        config=section.config or common.config,
        train=section.corpus.train if section.corpus else common.train,
        dev=section.corpus.dev if section.corpus else common.dev,
        encoder=section.encoder or common.encoder,
        pretraining=pretrainings[section.pretraining] if section.pretraining else None,
        overrides={**common.overrides, **section.overrides},
        seeds=tuple(section.seeds or common.seeds),
        teachers=_resolve_teachers(section.teachers, where, above) if section.teachers else (),
        retired=section.retired,
    )


def _resolve_teachers(section: _Teachers, where: str, above: Mapping[str, Cell]) -> Tuple[Tuple[Cell, int], ...]:
    if section.cell not in above:
        raise EmbreError(f"{where}: teachers: there is no cell {section.cell!r} above it")
    teacher = above[section.cell]
    seeds = section.seeds or teacher.seeds
    unknown = [str(seed) for seed in seeds if seed not in teacher.seeds]
    if unknown:
        raise EmbreError(f"{where}: teachers: the cell {teacher.name!r} has no seed {', '.join(unknown)}")
    return tuple((teacher, seed) for seed in seeds)
