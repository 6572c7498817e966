"""What is to be annotated: files, from files, folders, patterns and standard input."""

import glob
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Callable, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..errors import InputError
from ..files import SUFFIXES, format_of
from .kinds import split_gz
from .storage import Entry, is_uri, storage_of

STANDARD_INPUT = "-"


class Source(NamedTuple):
    """One file to annotate, the unit of work.

    index (int): Its number, from 0.
    name (str): What messages call it.
    location (str): Where it lies.
    format (str): The format that it is read as.
    size (int): Its size in bytes.
    state (str): What changes when the file does.
    relative (str): Its name below the input that named it.
    stem (str): Its name without suffixes, or another if a file before it has that.
    """

    index: int
    name: str
    location: str
    format: str
    size: int
    state: str
    relative: str
    stem: str


def find_sources(
    inputs: Iterable[str],
    format: Optional[str] = None,
    *,
    standard_input: Optional[Tuple[Path, str]] = None,
    leave_out: Sequence[str] = (),
) -> List[Source]:
    """Find the files that inputs name.

    inputs (Iterable[str]): Files, folders (all files below them whose suffix is known), patterns, URIs, or "-".
    format (Optional[str]): The format to read them as, if their suffixes are not to decide; a folder then gives all its
        files.
    standard_input (Optional[Tuple[Path, str]]): Where the copy of standard input lies, and its digest.
    leave_out (Sequence[str]): Files that folders and patterns do not give, and folders, if they do not give these as a
        whole: what the run itself writes.
    RETURNS (List[Source]): The files in the order of the inputs, those of a folder or a pattern by name.
    RAISES (InputError): If an input names no file, two name the same one, or a format is not known; or if in a folder
        there is a folder that cannot be read, or a link to nothing.
    """
    sources: List[Source] = []
    locations: Set[str] = set()
    stems: Set[str] = set()
    for one in inputs:
        if one == STANDARD_INPUT and standard_input is not None:
            path, state = standard_input
            found = [(one, Entry(str(path), path.stat().st_size, 0), state, "stdin")]
        else:
            entries = _entries(one, format, leave_out)
            found = [(entry.location, entry, str(entry.stamp), relative) for entry, relative in entries]
        for name, entry, state, relative in found:
            location = entry.location if is_uri(entry.location) else os.path.abspath(entry.location)
            if location in locations:
                raise InputError("it is named twice", file=name)
            locations.add(location)
            kind = format_of(Path(relative), format)
            stem = os.path.splitext(split_gz(os.path.basename(relative))[0])[0]
            stem = f"{stem}.{len(sources)}" if stem in stems else stem
            stems.add(stem)
            sources.append(Source(len(sources), name, location, kind, entry.size, state, relative, stem))
    return sources


def copy_standard_input(stream: BinaryIO, path: Path) -> str:
    """Keep standard input in a file, so that a run that starts again can tell whether it is the same.

    stream (BinaryIO): Standard input.
    path (Path): The file.
    RETURNS (str): Its digest.
    """
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while block := stream.read(2**20):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _entries(location: str, format: Optional[str], leave_out: Sequence[str]) -> List[Tuple[Entry, str]]:
    """The files that one input names, each with its name below that."""
    storage = storage_of(location)
    entry = storage.find(location)
    if entry is not None:
        return [(entry, location.rsplit("/", 1)[-1])]
    if storage.is_folder(location):
        top = location.rstrip("/")
        entries = storage.walk(top, _is_one_of(leave_out, top))
        found = [(entry, entry.location[len(top) + 1 :]) for entry in entries]
        found = [(entry, relative) for entry, relative in found if _is_wanted(relative, format)]
        if not found:
            raise InputError("no file in this folder has a known suffix", file=location)
        return found
    if not is_uri(location) and glob.has_magic(location):
        paths = _matches(location, leave_out)
        if not paths:
            raise InputError("no file fits this pattern", file=location)
        return [found for path in paths for found in _entries(path, format, leave_out)]
    raise InputError("no such file", file=location)


def _matches(pattern: str, leave_out: Sequence[str]) -> List[str]:
    top = pattern
    while glob.has_magic(top):
        top = os.path.dirname(top)
    top = top or "."
    is_left_out = _is_one_of(leave_out, top)
    found = sorted(path for path in glob.glob(pattern, recursive=True) if not is_left_out(os.path.relpath(path, top)))
    # A link to nothing is no file, and is refused where it is looked for.
    return [path for path in found if os.path.isfile(path) or not os.path.exists(path)]


def _is_one_of(places: Sequence[str], top: str) -> Callable[[str], bool]:
    """Whether a name below a folder is that of one of these places, or below it. A place that is the folder itself, or
    that the folder lies in, does not count."""
    names = {name for place in places for name in _names_below(top, place)}
    return lambda relative: any(relative == name or relative.startswith(f"{name}/") for name in names)


def _names_below(top: str, place: str) -> Set[str]:
    if is_uri(top) or is_uri(place):
        forms = [(top, place)]
    else:
        # Links may lead to the folder or to the place.
        forms = [(where(top), where(place)) for where in (os.path.abspath, os.path.realpath)]
    return {place[len(top) + 1 :] for top, place in forms if place.startswith(f"{top}/")}


def _is_wanted(relative: str, format: Optional[str]) -> bool:
    name = split_gz(os.path.basename(relative))[0]
    return not name.startswith(".") and (format is not None or os.path.splitext(name)[1].lower() in SUFFIXES)
