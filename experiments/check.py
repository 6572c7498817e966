"""What can be known to be wrong with a grid before hours are spent on it."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Set

from spacy import util
from spacy.schemas import ConfigSchemaTraining
from spacy.util import registry
from thinc.api import Config, ConfigValidationError

from embre_spacy.errors import EmbreError
from embre_spacy.transformer.checkpoint import resolve_checkpoint

from .grid import Cell, Grid, PretrainingSpec
from .settings import TEACHER, cell_settings, pretraining_settings, read_config, training_overrides

_MESSAGE = 500


def check_grid(grid: Grid, cells: Iterable[Cell]) -> None:
    """Refuse cells and a floor that would fail: files that are not there, settings that do not exist.

    grid (Grid): The grid.
    cells (Iterable[Cell]): The cells that will run.
    RAISES (EmbreError): With the file, the cell and the cause.
    """
    checked: Set[str] = set()
    for cell in cells:
        try:
            _check_cell(cell, checked)
        except EmbreError as error:
            raise EmbreError(f"{grid.file}: cell {cell.name!r}: {error}") from error
    # After the cells, which are named if what is wrong is theirs too.
    try:
        _check_floor(grid.common)
    except EmbreError as error:
        raise EmbreError(f"{grid.file}: training, which the floor is computed with: {error}") from error


def _check_cell(cell: Cell, checked: Set[str]) -> None:
    """`checked` are the pretrainings that have been checked, to which those of the cell are added."""
    # Teachers first, theirs before them, as they are trained.
    if cell.teacher is not None:
        try:
            _check_cell(cell.teacher, checked)
        except EmbreError as error:
            raise EmbreError(f"teacher {cell.teacher.name!r}: {error}") from error
    for spec in cell.pretrainings:
        if spec.name not in checked:
            _check_pretraining(spec)
            checked.add(spec.name)
    _check_training(cell)


def _check_pretraining(spec: PretrainingSpec) -> None:
    settings = pretraining_settings(spec)
    try:
        for file in (spec.corpus, spec.dev, *spec.also):
            _check_corpus(file)
        if spec.after is None:
            resolve_checkpoint(settings["config"]["encoder"]["name"])
    except EmbreError as error:
        raise EmbreError(f"pretraining {spec.name!r}: {error}") from error


def _check_floor(common: Cell) -> None:
    """The floor needs no encoder, so that of the common config need not be there."""
    for file in (common.train, common.dev):
        _check_corpus(file)
    _resolve(common, read_config(common.config, training_overrides(common, common.seeds[0], common.encoder)))


def _check_training(cell: Cell) -> None:
    for file in (cell.train, cell.dev):
        _check_corpus(file)
    config = cell_settings(cell, cell.seeds[0])["config"]
    unknown = _unknown_settings(cell)
    if unknown:
        raise EmbreError(f"{cell.config} has no setting {', '.join(unknown)}")
    if cell.teachers and not _gives_teachers(config):
        raise EmbreError(
            f"{cell.config} gives no component its teachers: `teachers = ${{paths.teachers}}` to initialize"
        )
    if cell.pretraining is None and config.get("paths", {}).get("encoder"):
        resolve_checkpoint(config["paths"]["encoder"])
    _resolve(cell, config)


def _gives_teachers(config: Dict[str, Any]) -> bool:
    components = config.get("initialize", {}).get("components", {})
    return any(TEACHER in (settings.get("teachers") or ()) for settings in components.values())


def _check_corpus(file: Any) -> None:
    if file is not None and not Path(file).exists():
        raise EmbreError(f"{file}: there is no such corpus")


def _unknown_settings(cell: Cell) -> List[str]:
    """The overrides that nothing would read. spaCy checks the arguments of registered functions and of components, but
    takes any other key as it comes."""
    plain = read_config(cell.config, {})
    unknown = []
    for name in training_overrides(cell, 0, cell.encoder):
        *sections, key = name.split(".")
        section: Any = plain
        for part in sections:
            section = section.get(part, {}) if isinstance(section, dict) else {}
        registered = any(name.startswith("@") or name in ("factory", "source") for name in section)
        of_schema = sections == ["training"] and key in ConfigSchemaTraining.model_fields
        if not (registered or of_schema or key in section):
            unknown.append(name)
    return unknown


def _resolve(cell: Cell, config: Dict[str, Any]) -> None:
    try:
        nlp = util.load_model_from_config(Config(config), auto_fill=True, validate=True)
        registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    except (ConfigValidationError, ValueError) as error:
        raise EmbreError(f"{cell.config}: {' '.join(str(error).split())[:_MESSAGE]}") from error
