"""What is to be annotated: input files, and the units of work that they are cut into."""

import glob
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..errors import InputError
from ..files import (
    SUFFIXES,
    FileInfo,
    FileSection,
    find_file,
    format_of,
    is_folder,
    is_gzipped,
    is_uri,
    list_files,
    open_input,
    strip_gz,
)
from ..formats.reading import CUTS, can_be_cut

STANDARD_INPUT = "-"
# Some 350 abstracts: half a minute of one process, which is lost at most when it is killed. On a GPU this takes a
# second, and batches end where units do.
UNIT_BYTES = {"cpu": 2**20, "gpu": 2**23}
_BLOCK = 2**18
# No place to cut is longer, but for XML with more white space between two documents.
_LONGEST_CUT = 256


class InputFile(NamedTuple):
    """A file to annotate.

    index (int): Its number, from 0.
    name (str): What messages call it.
    location (str): Where it lies.
    format (str): The format that it is read as.
    size (int): Its size in bytes.
    version (str): What changes when the file does.
    relative (str): Its name below the input that named it.
    stem (str): Its name without suffixes, or another if a file before it has that.
    target (Optional[str]): Where its output goes, if it has one of its own.
    """

    index: int
    name: str
    location: str
    format: str
    size: int
    version: str
    relative: str
    stem: str
    target: Optional[str] = None


class Piece(NamedTuple):
    """A file, or a section of one if that is given."""

    file: InputFile
    section: Optional[FileSection] = None


class Unit(NamedTuple):
    """What one worker annotates in one go: small files, one file, or a section of a large one.

    index (int): Its number, from 0.
    pieces (List[Piece]): What it has of each of its files.
    size (int): How many bytes that is.
    """

    index: int
    pieces: List[Piece]
    size: int


def find_inputs(
    inputs: Iterable[str],
    format: Optional[str] = None,
    *,
    standard_input: Optional[Tuple[Path, str]] = None,
    leave_out: Sequence[str] = (),
) -> List[InputFile]:
    """Find the files that inputs name.

    inputs (Iterable[str]): Files, folders (all files below them whose suffix is known), patterns, URIs, or "-".
    format (Optional[str]): The format to read them as, if their suffixes are not to decide; a folder then gives all its
        files.
    standard_input (Optional[Tuple[Path, str]]): Where the copy of standard input lies, and its digest.
    leave_out (Sequence[str]): Files that folders and patterns do not give, and folders, if they do not give these as a
        whole: what the run itself writes.
    RETURNS (List[InputFile]): The files in the order of the inputs, those of a folder or a pattern by name.
    RAISES (InputError): If an input names no file, two name the same one, or a format is not known; or if in a folder
        there is a folder that cannot be read, or a link to nothing.
    """
    files: List[InputFile] = []
    locations: Set[str] = set()
    stems: Set[str] = set()
    for name in inputs:
        if name == STANDARD_INPUT and standard_input is not None:
            path, digest = standard_input
            infos = [FileInfo(str(path), "stdin", path.stat().st_size, digest)]
        else:
            infos = _find(name, format, leave_out)
        for info in infos:
            shown = STANDARD_INPUT if name == STANDARD_INPUT else info.location
            location = info.location if is_uri(info.location) else os.path.abspath(info.location)
            if location in locations:
                raise InputError("it is named twice", file=shown)
            locations.add(location)
            stem = os.path.splitext(strip_gz(info.relative.rpartition("/")[2]))[0]
            stem = f"{stem}.{len(files)}" if stem in stems else stem
            stems.add(stem)
            read_as = format_of(info.relative, format)
            files.append(InputFile(len(files), shown, location, read_as, info.size, info.version, info.relative, stem))
    return files


def copy_standard_input(stream: BinaryIO, path: Path) -> str:
    """Keep standard input in a file, and give its digest, by which a run that starts again can tell if it changed."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while block := stream.read(_BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def split_units(files: Sequence[InputFile], unit_bytes: int) -> List[Unit]:
    """Cut files into units of about so many bytes, in order. Small files share a unit; a large file is cut into several
    if its format allows that and it is not gzipped."""
    units: List[Unit] = []
    pieces: List[Piece] = []
    size = 0

    def close() -> None:
        nonlocal pieces, size
        if pieces:
            units.append(Unit(len(units), pieces, size))
        pieces, size = [], 0

    for file in files:
        sections = _cut(file, unit_bytes)
        # The strings of a DocBin have to be kept until its last document, and no longer.
        if sections or size + file.size > unit_bytes or file.format == "docbin":
            close()
        for section in sections:
            pieces, size = [Piece(file, section)], section.end - section.start
            close()
        if not sections:
            pieces.append(Piece(file))
            size += file.size
            if file.format == "docbin":
                close()
    close()
    return units


def _cut(file: InputFile, unit_bytes: int) -> List[FileSection]:
    """The sections of a large file; none if it is small, or has to be read as a whole."""
    if file.format not in CUTS or is_gzipped(file.location) or file.size <= unit_bytes:
        return []
    if not can_be_cut(file.location, file.format):
        return []
    starts = [(0, 1), *_find_cuts(file, unit_bytes)]
    ends = [start for start, _ in starts[1:]] + [file.size]
    sections = [FileSection(start, end, line) for (start, line), end in zip(starts, ends)]
    return sections if len(sections) > 1 else []


def _find_cuts(file: InputFile, unit_bytes: int) -> Iterator[Tuple[int, int]]:
    """Where each section but the first starts, in bytes, and with which line."""
    # All of the file is read, since messages name lines: that takes a second for a gigabyte.
    pattern = CUTS[file.format]
    window, offset, line = b"", 0, 1
    next_cut = unit_bytes
    with open_input(file.location) as stream:
        while block := stream.read(_BLOCK):
            window += block
            while match := pattern.search(window, max(0, next_cut - offset)):
                cut = offset + match.end()
                if cut >= file.size:
                    return
                yield cut, line + window.count(b"\n", 0, match.end())
                next_cut = cut + unit_bytes
            passed = max(0, len(window) - _LONGEST_CUT)
            line += window.count(b"\n", 0, passed)
            window, offset = window[passed:], offset + passed


def _find(location: str, format: Optional[str], leave_out: Sequence[str]) -> List[FileInfo]:
    """The files that one input names."""
    info = find_file(location)
    if info is not None:
        return [info]
    if is_folder(location):
        top = location.rstrip("/") or location
        infos = [info for info in list_files(top, _is_below(leave_out, top)) if _is_input(info.relative, format)]
        if not infos:
            raise InputError("no file in this folder has a known suffix", file=location)
        return infos
    if not is_uri(location) and glob.has_magic(location):
        paths = _match(location, leave_out)
        if not paths:
            raise InputError("no file fits this pattern", file=location)
        return [info for path in paths for info in _find(path, format, leave_out)]
    raise InputError("no such file", file=location)


def _match(pattern: str, leave_out: Sequence[str]) -> List[str]:
    top = pattern
    while glob.has_magic(top):
        top = os.path.dirname(top)
    top = top or "."
    is_left_out = _is_below(leave_out, top)
    matches = sorted(glob.glob(pattern, recursive=True))
    matches = [path for path in matches if not is_left_out(Path(os.path.relpath(path, top)).as_posix())]
    # A link to nothing is no file, and is refused where it is looked for.
    return [path for path in matches if os.path.isfile(path) or not os.path.exists(path)]


def _is_below(places: Sequence[str], top: str) -> Callable[[str], bool]:
    """Whether a name below a folder is that of one of these places, or below it. A place that is the folder itself, or
    that the folder lies in, does not count."""
    names = {name for place in places for name in _names_below(top, place)}
    return lambda relative: any(relative == name or relative.startswith(f"{name}/") for name in names)


def _names_below(top: str, place: str) -> Set[str]:
    if is_uri(top) or is_uri(place):
        return {place[len(top) + 1 :]} if place.startswith(f"{top}/") else set()
    names = set()
    # Links may lead to the folder or to the place.
    for where in (os.path.abspath, os.path.realpath):
        if Path(where(place)).is_relative_to(where(top)) and where(place) != where(top):
            names.add(Path(where(place)).relative_to(where(top)).as_posix())
    return names


def _is_input(relative: str, format: Optional[str]) -> bool:
    name = strip_gz(relative.rpartition("/")[2])
    return not name.startswith(".") and (format is not None or os.path.splitext(name)[1].lower() in SUFFIXES)
