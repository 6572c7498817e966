"""What several folders use: loading pipelines, checksums, differences of settings, the description of a run, memory."""

import ctypes
import hashlib
import os
import platform
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import spacy
from pydantic import ValidationError
from spacy.language import Language
from spacy.util import dict_to_dot, get_package_path, get_package_version, is_package

from .errors import EmbreError, add_file_to_errors, describe_error

_VERSIONED = ("embre_spacy", "spacy", "thinc", "torch", "transformers", "accelerate")
_MAX_SHOWN = 60
# It takes a tenth of a second.
_STEPS_TO_TRIM = 10
# M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc: what is larger is given back as soon as it is free.
_HEAP_OPTIONS = (-1, -3)


def checksum(*parts: Union[str, Path, bytes]) -> str:
    """The SHA-256 digest of files, folders (but for `__pycache__`) and data. One file or one piece of data has that
    of its content, as `sha256sum` prints it; a folder, or several parts, that of all names and digests in them."""
    entries = [entry for part in parts for entry in _list_digests(part)]
    if len(parts) == 1 and entries and not entries[0][0]:
        return entries[0][1]
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in entries).encode()).hexdigest()


def _list_digests(part: Union[str, Path, bytes]) -> List[Tuple[str, str]]:
    """List the files below a folder with their digests; a file or data that the caller names has no name here."""
    if isinstance(part, bytes):
        return [("", hashlib.sha256(part).hexdigest())]
    path = Path(part)
    if not path.is_dir():
        return [("", _digest_file(path))]
    files = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return [(file.relative_to(path).as_posix(), _digest_file(file)) for file in files]


def _digest_file(path: Path) -> str:
    with add_file_to_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def diff_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """Describe each difference of two nested settings by its dotted name: "training.epochs was 3 and is 5"."""
    old, new = dict_to_dot(before), dict_to_dot(after)
    differences = []
    for name in sorted({*old, *new}):
        if (name in old) != (name in new) or old[name] != new[name]:
            was, now = (repr(settings[name]) if name in settings else "not set" for settings in (old, new))
            is_long = max(len(was), len(now)) > _MAX_SHOWN
            differences.append(f"{name} has changed" if is_long else f"{name} was {was} and is {now}")
    return differences


def describe_validation_error(error: ValueError) -> str:
    """Write what pydantic says of a file into one line, the place and the cause of each error, or else what its parser
    says."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    lines = (f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
    return "; ".join(line.replace(": Value error, ", ": ").removeprefix(": ") for line in lines)


def describe_run(program: str = "embre_spacy") -> Dict[str, Any]:
    """Describe what runs as `python -m program`: the command, the commit of its checkout, versions, and the machine."""
    return {
        "command": " ".join([f"python -m {program}", *map(shlex.quote, sys.argv[1:])]),
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: get_package_version(name) for name in _VERSIONED}},
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
    }


def short_commit(commit: Optional[str]) -> str:
    """Shorten a commit of `describe_run` to ten digits and the plus sign that stands for changes since."""
    return "unknown" if commit is None else commit[:10] + ("+" if commit.endswith("+") else "")


def _commit() -> Optional[str]:
    """The commit of the checkout that this file belongs to, with a plus sign if files were changed since."""
    try:
        # An installed package may lie inside the checkout of something else, such as that of a project with its
        # virtual environment in it: the commit of that says nothing of this file.
        _git("ls-files", "--error-unmatch", "--", Path(__file__).name)
        return _git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    with suppress(OSError):
        information = Path("/proc/cpuinfo").read_text(encoding="utf8", errors="replace")
        if match := re.search(r"^model name.*?:(.*)", information, re.MULTILINE):
            return match[1].strip()
    return platform.processor() or platform.machine()


def checksum_pipeline(model: Union[str, Path]) -> str:
    """The checksum of a pipeline, a folder or an installed package. RAISES (EmbreError): If there is none."""
    # A package goes before a folder of this name, as it does for `spacy.load`.
    folder = Path(get_package_path(str(model)) if is_package(str(model)) else model)
    if not folder.is_dir():
        raise EmbreError(f"{model}: no pipeline can be loaded from there (neither a folder nor a package)")
    return checksum(folder)


def load_pipeline(model: Union[str, Path], gpu_id: int = -1) -> Language:
    """Load a pipeline from a folder or an installed package, on a GPU or, with -1, on the CPU."""
    try:
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
    except ValueError as error:
        raise EmbreError(f"GPU {gpu_id} cannot be used ({' '.join(str(error).split())}); -1 is the CPU") from error
    try:
        return spacy.load(model)
    except (EmbreError, MemoryError):
        raise
    except Exception as error:
        # A damaged file fails anywhere in spaCy and the packages that read it, with whatever that raises.
        raise EmbreError(f"{model}: no pipeline can be loaded from there ({describe_error(error)})") from error


def trim_heap(step: int) -> None:
    """Give the free memory of the heap back to the system, every few steps of a training. The tensors of each batch
    have other sizes, and glibc would keep ever more of what was freed between them. In between it keeps all of it: what
    is given back is cleared when it is taken again, which costs a twentieth of the time. Other C libraries do neither.
    """
    if step == 1 or step % _STEPS_TO_TRIM == 0:
        with suppress(AttributeError, OSError, TypeError):
            for option in _HEAP_OPTIONS if step == 1 else ():
                ctypes.CDLL(None).mallopt(option, 2**30)
            ctypes.CDLL(None).malloc_trim(0)
