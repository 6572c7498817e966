"""Trained pipelines, and the run that a figure comes from."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Union

import spacy
from spacy.language import Language

from .errors import EmbreError

if TYPE_CHECKING:
    from .relation.component import EmbreRelation

_VERSIONED = ("embre_spacy", "spacy", "thinc", "torch", "transformers", "accelerate")


def describe_run() -> Dict[str, Any]:
    """What is running.

    RETURNS (Dict[str, Any]): The command, the commit of the checkout that it runs from, the versions of the packages
        that matter, and the machine.
    """
    return {
        "command": " ".join(["python -m embre_spacy", *map(shlex.quote, sys.argv[1:])]),
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _VERSIONED}},
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
    }


def short_commit(commit: Optional[str]) -> str:
    """A commit as people read it.

    commit (Optional[str]): The commit, as `describe_run` has it.
    RETURNS (str): Its first ten digits, with the plus sign that stands for changes since; "unknown" if there is none.
    """
    return "unknown" if commit is None else commit[:10] + ("+" if commit.endswith("+") else "")


def _commit() -> Optional[str]:
    """The commit of the checkout that this file belongs to, with a plus sign if files were changed since."""
    try:
        # An installed package may lie inside the checkout of something else, such as that of a project with its
        # virtual environment in it: the commit of that says nothing of this file.
        _git("ls-files", "--error-unmatch", "--", Path(__file__).name)
        changed = _git("status", "--porcelain", "--untracked-files=no")
        return _git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _version(name: str) -> Optional[str]:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def load_pipeline(model: Union[str, Path], gpu_id: int = -1) -> Language:
    """Load a pipeline.

    model (Union[str, Path]): Its folder, or the name of an installed package.
    gpu_id (int): The GPU to use, or -1 for the CPU.
    RETURNS (Language): The pipeline.
    RAISES (EmbreError): If there is none, it cannot be loaded, or there is no such GPU.
    """
    try:
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
    except ValueError as error:
        raise EmbreError(f"GPU {gpu_id} cannot be used ({' '.join(str(error).split())}); -1 is the CPU") from error
    try:
        return spacy.load(model)
    except (OSError, ValueError) as error:
        raise EmbreError(f"{model}: no pipeline can be loaded from there ({str(error).splitlines()[0]})") from error


def find_component(nlp: Language) -> "EmbreRelation":
    """The relation component of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (EmbreRelation): The first such component.
    RAISES (EmbreError): If there is none.
    """
    # By its class, since factories of any name can make one. The component imports its teachers, and they this module.
    from .relation.component import EmbreRelation

    for _, pipe in nlp.pipeline:
        if isinstance(pipe, EmbreRelation):
            return pipe
    raise EmbreError("the pipeline has no component embre_relation")
