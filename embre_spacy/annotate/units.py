"""What is to be annotated: input files, and the units of work that they are cut into."""

import glob
import os
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

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
from ..util import checksum

STANDARD_INPUT = "-"
# The least and the most that a unit has. On a CPU a process does 1 MiB, some 350 abstracts, in half a minute, and this
# is what it loses when it is killed. A GPU is faster, and its batches end where units do.
UNIT_BYTES = {"cpu": (2**16, 2**20), "gpu": (2**20, 2**23)}
# So many units a small corpus has, so that it can be shared out. It must not depend on how many share it.
_MIN_UNITS = 64
_BLOCK = 2**18
# No place to cut is longer, but for XML with more white space between two documents.
_LONGEST_CUT = 256


class InputFile(NamedTuple):
    """A file to annotate."""

    index: int
    name: str  # what messages call it
    location: str
    format: str
    size: int
    version: str  # its digest, or what storage elsewhere tells versions by
    relative: str  # its name below the input that named it
    stem: str  # its name without suffixes, or another if a file before it has that
    target: Optional[str] = None  # where its output goes, if it has one of its own


class Piece(NamedTuple):
    """A file, or a section of one if that is given."""

    file: InputFile
    section: Optional[FileSection] = None


class Unit(NamedTuple):
    """What one worker annotates in one go: small files, one file, or a section of a large one. Its size is in bytes."""

    index: int
    pieces: List[Piece]
    size: int


def find_inputs(
    inputs: Iterable[str],
    format: Optional[str] = None,
    *,
    standard_input: Optional[Path] = None,
    own: Sequence[str] = (),
) -> List[InputFile]:
    """Find the files that inputs name: files, folders, patterns, URIs and "-", in this order, those of one by name.

    A folder gives all files below it whose suffix is known; all of them, if the format is given. Standard input is the
    path of its copy. Folders and patterns do not give the run's own files.
    RAISES (InputError): If an input names no file, two name the same one, or a format is not known; or if in a folder
        there is a folder that cannot be read, or a link to nothing.
    """
    files: List[InputFile] = []
    locations: Set[str] = set()
    stems: Set[str] = set()
    for name in inputs:
        if name == STANDARD_INPUT and standard_input is not None:
            infos = [FileInfo(str(standard_input), "stdin", standard_input.stat().st_size, "")]
        else:
            infos = _find(name, format, own)
        for info in infos:
            shown = STANDARD_INPUT if name == STANDARD_INPUT else info.location
            location = info.location if is_uri(info.location) else os.path.abspath(info.location)
            if location in locations:
                raise InputError("it is named twice", file=shown)
            locations.add(location)
            stem = os.path.splitext(strip_gz(info.relative.rpartition("/")[2]))[0]
            # It becomes an id, and names of files need not be text.
            stem = stem.encode("utf-8", "replace").decode("utf-8")
            stem = f"{stem}.{len(files)}" if stem in stems else stem
            stems.add(stem)
            read_as = format_of(info.relative, format)
            version = info.version if is_uri(location) else checksum(location)
            files.append(InputFile(len(files), shown, location, read_as, info.size, version, info.relative, stem))
    return files


def find_change(files: Iterable[InputFile]) -> Optional[str]:
    """The name of a file that is no longer what it was when it was found, if there is one."""
    for file in files:
        info = find_file(file.location) if is_uri(file.location) else None
        if (info.version if info else checksum(file.location)) != file.version:
            return file.name
    return None


def choose_unit_bytes(files: Sequence[InputFile], device: str) -> int:
    """The size of units for files that are annotated on a "cpu" or "gpu"."""
    least, most = UNIT_BYTES[device]
    return min(most, max(least, sum(file.size for file in files) // _MIN_UNITS))


def split_units(files: Sequence[InputFile], unit_bytes: int) -> List[Unit]:
    """Cut files into units of about so many bytes, in order. Small files share a unit; a large file is cut into several
    if its format allows that and it is not gzipped."""
    groups: List[List[Piece]] = []
    is_open = False
    size = 0
    for file in files:
        sections = _cut(file, unit_bytes)
        # The strings of a DocBin have to be kept until its last document, and no longer.
        is_small = not sections and file.format != "docbin"
        if is_open and is_small and size + file.size <= unit_bytes:
            groups[-1].append(Piece(file))
            size += file.size
        else:
            groups += [[Piece(file, section)] for section in sections] or [[Piece(file)]]
            is_open, size = is_small, file.size
    sizes = [sum(section.end - section.start if section else file.size for file, section in group) for group in groups]
    return [Unit(index, group, size) for index, (group, size) in enumerate(zip(groups, sizes))]


def _cut(file: InputFile, unit_bytes: int) -> List[FileSection]:
    """The sections of a large file; none if it is small, or has to be read as a whole."""
    if file.size <= unit_bytes or is_gzipped(file.location) or not can_be_cut(file.location, file.format):
        return []
    starts = [(0, 1), *_find_cuts(file, unit_bytes)]
    ends = [*(start for start, _ in starts[1:]), file.size]
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


def _find(location: str, format: Optional[str], own: Sequence[str]) -> List[FileInfo]:
    """The files that one input names."""
    info = find_file(location)
    if info is not None:
        return [info]
    if is_folder(location):
        infos = list_files(location, _is_below(own, location))
        infos = [info for info in infos if _is_input(info.relative, format)]
        if not infos:
            raise InputError("no file in this folder has a known suffix", file=location)
        return infos
    if not is_uri(location) and glob.has_magic(location):
        top = location
        while glob.has_magic(top):
            top = os.path.dirname(top)
        is_own = _is_below(own, top or ".")
        paths = [path for path in sorted(glob.glob(location, recursive=True)) if not is_own(path)]
        # A link to nothing is no file, and is refused where it is looked for.
        paths = [path for path in paths if os.path.isfile(path) or not os.path.exists(path)]
        if not paths:
            raise InputError("no file fits this pattern", file=location)
        return [info for path in paths for info in _find(path, format, own)]
    raise InputError("no such file", file=location)


def _is_below(places: Sequence[str], top: str) -> Callable[[str], bool]:
    """Whether a location is one of these places, or lies below it, links followed. A place that the folder is, or lies
    in, does not count."""
    real_places = [Path(os.path.realpath(place)) for place in places]
    real_places = [place for place in real_places if not Path(os.path.realpath(top)).is_relative_to(place)]
    return lambda location: any(Path(os.path.realpath(location)).is_relative_to(place) for place in real_places)


def _is_input(relative: str, format: Optional[str]) -> bool:
    name = strip_gz(relative.rpartition("/")[2])
    return not name.startswith(".") and (format is not None or os.path.splitext(name)[1].lower() in SUFFIXES)
