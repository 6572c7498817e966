"""The plan: all that decides what a run writes, so that one that starts again can tell whether it is the same run."""

import hashlib
from pathlib import Path
from typing import Any, Dict, List

from spacy.util import get_package_path, is_package

from .. import __version__
from ..errors import EmbreError
from .sources import Source

Plan = Dict[str, Any]


def make_plan(
    model: str, sources: List[Source], kind: str, *, shard_size: int, gpu: bool, batch_size: int, folder: bool
) -> Plan:
    """Make the plan of a run.

    model (str): The pipeline: its folder, or the name of an installed package.
    sources (List[Source]): The inputs.
    kind (str): The kind of output.
    shard_size (int): How many documents are written at once.
    gpu (bool): Whether a GPU predicts.
    batch_size (int): How many documents the pipeline gets at once.
    folder (bool): Whether each input has an output of its own.
    RETURNS (Dict[str, Any]): The plan, as JSON has it.
    RAISES (EmbreError): If there is no such pipeline.
    """
    return {
        "version": __version__,
        "model": digest_of(model),
        "inputs": [[source.name, source.format, source.size, source.state] for source in sources],
        "format": kind,
        "folder": folder,
        "shard_size": shard_size,
        # On a GPU the last digits of a probability depend on what else was in its batch.
        "batch_size": batch_size if gpu else None,
        "device": "gpu" if gpu else "cpu",
    }


def digest_of(model: str) -> str:
    """The digest of a pipeline: of the names and contents of all its files.

    model (str): Its folder, or the name of an installed package.
    RETURNS (str): The digest.
    RAISES (EmbreError): If there is no such pipeline.
    """
    # A package goes before a folder of this name, as it does for `spacy.load`.
    folder = Path(get_package_path(model) if is_package(model) else model)
    if not folder.is_dir():
        raise EmbreError(f"{model}: no pipeline can be loaded from there (neither a folder nor a package)")
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def differences(before: Plan, now: Plan) -> List[str]:
    """What differs between two plans.

    before (Dict[str, Any]): The plan of the run that was begun.
    now (Dict[str, Any]): That of the run that starts.
    RETURNS (List[str]): A phrase for each difference.
    """
    found = []
    for key in now:
        if before.get(key) == now[key]:
            continue
        if key == "inputs":
            found.append(_input_difference(before.get(key) or [], now[key]))
        elif key == "model":
            found.append("the model is another")
        else:
            found.append(f"{key} was {before.get(key)} and is {now[key]}")
    return found


def _input_difference(before: List[List[Any]], now: List[List[Any]]) -> str:
    for old, new in zip(before, now):
        if old[0] != new[0]:
            return f"the input {new[0]} stands where {old[0]} was"
        if old != new:
            return f"the input {new[0]} has changed"
    return f"the inputs were {len(before)} files and are {len(now)}"
