"""What tells runs apart: the settings of a cell in full, and the documents that it reads."""

import json
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from thinc.api import Config, ConfigValidationError

from embre_spacy.corpus import list_corpus_files
from embre_spacy.errors import EmbreError
from embre_spacy.pretraining import load_pretraining_config
from embre_spacy.util import checksum, diff_settings

from .grid import Cell, Grid, PretrainingSpec

# Stands for the folder of a pretrained transformer, which is another one on every machine.
PRETRAINED = "pretrained"
# Stands for the folder of a teacher.
TEACHER = "teacher"
# Settings that earlier versions had or lacked, with the value for what is done without them.
_WITHOUT = {
    "head_width": 0,
    "keep": "last",
    "whole_words": False,
    "pure_share": 0.0,
    "repeats": 1,
    "eval_frequency": 0,
    "vocabulary": None,
}


@dataclass(frozen=True)
class RunKey:
    """What a run is of: two runs with the same key are the same run.

    settings (Dict[str, Any]): Its settings in full.
    corpora (Dict[str, str]): The checksums of its corpora, by the names that `corpus_files` gives them.
    """

    settings: Dict[str, Any]
    corpora: Dict[str, str]


def key_of_cell(cell: Cell, seed: int) -> RunKey:
    """Make the key of a cell with a seed."""
    return RunKey(cell_settings(cell, seed), _checksum_corpora(cell))


def key_of_floor(grid: Grid) -> RunKey:
    """Make the key of the floor of a grid."""
    return RunKey(floor_settings(grid), _checksum_corpora(grid.common))


def _checksum_corpora(cell: Cell) -> Dict[str, str]:
    return {name: checksum_corpus(file) for name, file in corpus_files(cell).items()}


def checksum_corpus(path: str) -> str:
    """The checksum of a file, or of the DocBin files below a folder."""
    return checksum(*list_corpus_files(path))


def read_config(path: str, overrides: Mapping[str, Any]) -> Dict[str, Any]:
    """Read a config file, replace values by dotted name, fill in its variables, and return it as JSON has it."""
    if not Path(path).is_file():
        raise EmbreError(f"{path}: there is no such config file")
    try:
        config = Config().from_disk(path, overrides=dict(overrides), interpolate=True)
    except (ConfigValidationError, ConfigParserError, ValueError) as error:
        raise EmbreError(f"{path}: {' '.join(str(error).split())}") from error
    return json.loads(json.dumps(config))


def training_overrides(cell: Cell, seed: int, encoder: Optional[str], teachers: Sequence[str] = ()) -> Dict[str, Any]:
    """Collect the overrides of a training. Without an encoder or teachers those of the config count."""
    overrides: Dict[str, Any] = {"paths.train": cell.train, "paths.dev": cell.dev, "system.seed": seed}
    if encoder is not None:
        overrides["paths.encoder"] = encoder
    if teachers:
        overrides["paths.teachers"] = list(teachers)
    return {**overrides, **cell.overrides}


def pretraining_overrides(spec: PretrainingSpec, encoder: Optional[str]) -> Dict[str, Any]:
    """Collect the overrides of a pretraining. Without an encoder that of the config counts."""
    return {**({} if encoder is None else {"encoder.name": encoder}), **spec.overrides}


def as_options(overrides: Mapping[str, Any]) -> List[str]:
    """Write overrides as options of a command, with values as JSON."""
    return [part for name, value in overrides.items() for part in (f"--{name}", json.dumps(value))]


def pretraining_settings(spec: PretrainingSpec) -> Dict[str, Any]:
    """Collect the settings of a pretraining: its config with defaults, its corpora, and the pretraining before it."""
    encoder = spec.encoder if spec.after is None else PRETRAINED
    try:
        config = load_pretraining_config(spec.config, pretraining_overrides(spec, encoder))
    except EmbreError as error:
        raise EmbreError(f"pretraining {spec.name!r}: {error}") from error
    return {
        "config": config.model_dump(),
        "corpus": spec.corpus,
        "also": list(spec.also),
        "dev": spec.dev,
        "after": None if spec.after is None else pretraining_settings(spec.after),
    }


def cell_settings(cell: Cell, seed: int) -> Dict[str, Any]:
    """Collect the settings of a cell: its training config, its pretraining, and its teachers if it has any."""
    encoder = cell.encoder if cell.pretraining is None else PRETRAINED
    overrides = training_overrides(cell, seed, encoder, [TEACHER] * len(cell.teachers))
    settings = {
        "config": read_config(cell.config, overrides),
        "pretraining": None if cell.pretraining is None else pretraining_settings(cell.pretraining),
    }
    if cell.teachers:
        settings["teachers"] = [cell_settings(*teacher) for teacher in cell.teachers]
    return settings


def floor_settings(grid: Grid) -> Dict[str, Any]:
    """Collect the settings that the floor of a grid depends on: those of documents and components."""
    config = read_config(grid.common.config, training_overrides(grid.common, 0, grid.common.encoder))
    return {name: config.get(name) for name in ("corpora", "components")}


def corpus_files(cell: Cell) -> Dict[str, str]:
    """List the files and folders that a cell, its pretrainings and its teachers read, each by a name."""
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


def find_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """List the differences of two settings, in words. A setting that is null or empty is one that is not there."""
    return diff_settings(_drop_unset(before), _drop_unset(after))


def _drop_unset(value: Any) -> Any:
    if isinstance(value, Mapping):
        unset = [{}, [], None]
        settings = {key: _drop_unset(inner) for key, inner in value.items()}
        return {key: inner for key, inner in settings.items() if inner not in [*unset, _WITHOUT.get(key)]}
    return [_drop_unset(item) for item in value] if isinstance(value, (list, tuple)) else value
