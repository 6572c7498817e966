"""What a cell is trained with, in full: its config with all overrides, and that of its pretraining.

Two runs with the same settings are the same run; a result whose settings are not those of the grid is out of date.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from embre_spacy.errors import EmbreError
from embre_spacy.pretraining.config import load_pretraining_config

from .grid import Cell, Grid, PretrainingSpec

# Stands for the folder of a pretrained transformer, which is another one on every machine.
PRETRAINED = "pretrained"
# Stands for the folder of a teacher.
TEACHER = "teacher"


def read_config(path: str, overrides: Mapping[str, Any]) -> Dict[str, Any]:
    """Read a config file and fill in its variables.

    path (str): The file.
    overrides (Mapping[str, Any]): Values by dotted name that replace those of the file.
    RETURNS (Dict[str, Any]): The config, as JSON takes it.
    RAISES (EmbreError): If the file is missing or cannot be read, or an override has no section to go to.
    """
    # spaCy reads configs with the same class, but importing spaCy imports PyTorch.
    from configparser import Error as ConfigParserError

    from confection import Config, ConfigValidationError

    if not Path(path).is_file():
        raise EmbreError(f"{path}: there is no such config file")
    try:
        config = Config().from_disk(path, overrides=dict(overrides), interpolate=True)
    except (ConfigValidationError, ConfigParserError, ValueError) as error:
        raise EmbreError(f"{path}: {' '.join(str(error).split())}") from error
    return json.loads(json.dumps(config))


def training_overrides(cell: Cell, seed: int, encoder: Optional[str], teachers: Sequence[str] = ()) -> Dict[str, Any]:
    """All overrides of a training.

    cell (Cell): The cell.
    seed (int): The seed.
    encoder (Optional[str]): The transformer to start from; that of the config if None.
    teachers (Sequence[str]): The pipelines that it learns from; those of the config if there are none.
    RETURNS (Dict[str, Any]): Values by dotted name.
    """
    overrides = {"paths.train": cell.train, "paths.dev": cell.dev, "system.seed": seed}
    if encoder is not None:
        overrides["paths.encoder"] = encoder
    if teachers:
        overrides["paths.teachers"] = list(teachers)
    return {**overrides, **cell.overrides}


def pretraining_overrides(spec: PretrainingSpec, encoder: Optional[str]) -> Dict[str, Any]:
    """All overrides of a pretraining.

    spec (PretrainingSpec): The pretraining.
    encoder (Optional[str]): The transformer to start from; that of the config if None.
    RETURNS (Dict[str, Any]): Values by dotted name.
    """
    return {**({} if encoder is None else {"encoder.name": encoder}), **spec.overrides}


def as_options(overrides: Mapping[str, Any]) -> List[str]:
    """Overrides as command line options.

    overrides (Mapping[str, Any]): Values by dotted name.
    RETURNS (List[str]): The options, with values as JSON.
    """
    return [part for name, value in overrides.items() for part in (f"--{name}", json.dumps(value))]


def pretraining_settings(spec: PretrainingSpec) -> Dict[str, Any]:
    """The settings of a pretraining in full.

    spec (PretrainingSpec): The pretraining.
    RETURNS (Dict[str, Any]): The config with its defaults, the corpora, and the settings of the pretraining before it.
    RAISES (EmbreError): If they cannot be.
    """
    encoder = spec.encoder if spec.after is None else PRETRAINED
    try:
        config = load_pretraining_config(spec.config, pretraining_overrides(spec, encoder))
    except EmbreError as error:
        raise EmbreError(f"pretraining {spec.name!r}: {error}") from error
    return {
        "config": config.to_dict(),
        "corpus": spec.corpus,
        "also": list(spec.also),
        "dev": spec.dev,
        "after": None if spec.after is None else pretraining_settings(spec.after),
    }


def cell_settings(cell: Cell, seed: int) -> Dict[str, Any]:
    """The settings of a cell in full.

    cell (Cell): The cell.
    seed (int): The seed.
    RETURNS (Dict[str, Any]): The training config, the settings of the pretraining or None, and those of the teachers if
        there are any.
    RAISES (EmbreError): If they cannot be.
    """
    encoder = cell.encoder if cell.pretraining is None else PRETRAINED
    overrides = training_overrides(cell, seed, encoder, [TEACHER] * len(cell.teachers))
    settings = {
        "config": read_config(cell.config, overrides),
        "pretraining": None if cell.pretraining is None else pretraining_settings(cell.pretraining),
    }
    if cell.teachers:
        settings["teachers"] = [cell_settings(*teacher) for teacher in cell.teachers]
    return settings


def corpus_files(cell: Cell) -> Dict[str, str]:
    """The corpora that a cell depends on.

    cell (Cell): The cell.
    RETURNS (Dict[str, str]): The files or folders of "train" and "dev", those of its pretrainings, and those of its
        teachers.
    """
    files = {"train": cell.train, "dev": cell.dev}
    for spec in cell.pretrainings:
        name = "pretraining" if spec is cell.pretraining else f"pretraining_{spec.name}"
        files[name] = spec.corpus
        if spec.dev is not None:
            files[f"{name}_dev"] = spec.dev
        files.update({f"{name}_also_{i}": file for i, file in enumerate(spec.also, start=1)})
    if cell.teacher is not None:
        files.update({f"teacher_{name}": file for name, file in corpus_files(cell.teacher).items()})
    return files


def find_differences(before: Any, now: Any, prefix: str = "") -> List[str]:
    """The names of settings that are not the same.

    before (Any), now (Any): The settings.
    prefix (str): What their names start with.
    RETURNS (List[str]): Dotted names.
    """
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return [] if before == now else [prefix or "everything"]
    names = sorted({*before, *now})
    missing = object()
    return [
        name
        for key in names
        for name in find_differences(before.get(key, missing), now.get(key, missing), f"{prefix}.{key}".strip("."))
    ]


def floor_settings(grid: Grid) -> Dict[str, Any]:
    """The settings that the floor of a grid depends on: those of the documents and of the components.

    grid (Grid): The grid.
    RETURNS (Dict[str, Any]): The sections.
    RAISES (EmbreError): If they cannot be.
    """
    config = read_config(grid.common.config, training_overrides(grid.common, 0, grid.common.encoder))
    return {name: config.get(name) for name in ("corpora", "components")}
