"""What is to be annotated: files, from files, folders, patterns and standard input."""

import glob
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Iterable, List, NamedTuple, Optional, Set, Tuple

from ..errors import InputError
from ..formats.suffixes import SUFFIXES, format_of
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
    inputs: Iterable[str], format: Optional[str] = None, *, standard_input: Optional[Tuple[Path, str]] = None
) -> List[Source]:
    """Find the files that inputs name.

    inputs (Iterable[str]): Files, folders (all files below them whose suffix is known), patterns, URIs, or "-".
    format (Optional[str]): The format to read them as, if their suffixes are not to decide; a folder then gives all its
        files.
    standard_input (Optional[Tuple[Path, str]]): Where the copy of standard input lies, and its digest.
    RETURNS (List[Source]): The files in the order of the inputs, those of a folder or a pattern by name.
    RAISES (InputError): If an input names no file, two name the same one, or a format is not known.
    """
    sources: List[Source] = []
    locations: Set[str] = set()
    stems: Set[str] = set()
    for one in inputs:
        if one == STANDARD_INPUT and standard_input is not None:
            path, state = standard_input
            found = [(one, Entry(str(path), path.stat().st_size, 0), state, "stdin")]
        else:
            found = [(entry.location, entry, str(entry.stamp), relative) for entry, relative in _entries(one, format)]
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


def _entries(location: str, format: Optional[str]) -> List[Tuple[Entry, str]]:
    """The files that one input names, each with its name below that."""
    storage = storage_of(location)
    entry = storage.find(location)
    if entry is not None:
        return [(entry, location.rsplit("/", 1)[-1])]
    if storage.is_folder(location):
        top = location.rstrip("/")
        found = [(entry, entry.location[len(top) + 1 :]) for entry in storage.files(top, deep=True)]
        found = [(entry, relative) for entry, relative in found if _is_wanted(relative, format)]
        if not found:
            raise InputError("no file in this folder has a known suffix", file=location)
        return found
    if not is_uri(location) and glob.has_magic(location):
        paths = sorted(path for path in glob.glob(location, recursive=True) if os.path.isfile(path))
        if not paths:
            raise InputError("no file fits this pattern", file=location)
        return [found for path in paths for found in _entries(path, format)]
    raise InputError("no such file", file=location)


def _is_wanted(relative: str, format: Optional[str]) -> bool:
    name = split_gz(os.path.basename(relative))[0]
    return not name.startswith(".") and (format is not None or os.path.splitext(name)[1].lower() in SUFFIXES)
