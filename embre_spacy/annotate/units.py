"""What is to be annotated: input files, and the units of work that they are cut into."""

import glob
import os
import re
from operator import attrgetter
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from .. import files
from ..errors import InputError, add_file_to_errors
from ..files import FileInfo, FileSection, is_uri
from ..formats import Rejected
from ..formats.pubtator3 import fetch, is_query
from ..formats.reading import CUTS
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
# In comments and CDATA sections of XML, what looks like a document is none.
_HIDING = (b"<!--", b"<![CDATA[")


class InputFile(NamedTuple):
    """A file to annotate, or a section of one."""

    index: int
    name: str  # what messages call it
    location: str
    format: str
    size: int
    version: str  # its digest, or what storage elsewhere tells versions by
    relative: str  # its path below the input that named it, without suffixes
    stem: str  # its name without suffixes, or another if a file before it has that
    target: Optional[str] = None  # where its output goes, if it has one of its own
    section: Optional[FileSection] = None  # what to read of it, if that is not all


class Unit(NamedTuple):
    """What one worker annotates in one go: small files, one file, or a section of a large one. Its size is in bytes."""

    index: int
    files: List[InputFile]
    size: int


def find_inputs(
    inputs: Iterable[str],
    format: Optional[str] = None,
    *,
    standard_input: Optional[Path] = None,
    own: Sequence[str] = (),
    missing: Optional[List[Rejected]] = None,
) -> List[InputFile]:
    """Find the files that inputs name, in this order, those of one by name. A folder gives all files below it whose
    suffix is known; all of them, if the format is given. Folders and patterns do not give the run's own files. What
    PubTator3 does not have is added to `missing`."""
    found: Dict[str, InputFile] = {}
    stems: Set[str] = set()
    for name in inputs:
        if name == STANDARD_INPUT and standard_input is not None:
            infos = [FileInfo(str(standard_input), "stdin", standard_input.stat().st_size, "")]
        elif is_query(name):
            infos = _fetch(name, missing)
        else:
            infos = _find(name, format, own)
        for info in infos:
            shown = STANDARD_INPUT if name == STANDARD_INPUT else info.location
            location = info.location if is_uri(info.location) else os.path.abspath(info.location)
            if location in found:
                raise InputError("it is named twice", file=shown)
            relative = os.path.splitext(files.strip_gz(info.relative))[0]
            stem = files.strip_suffixes(info.relative)
            stem = f"{stem}.{len(found)}" if stem in stems else stem
            stems.add(stem)
            read_as = files.format_of(info.relative, format, files.INPUT_FORMATS)
            version = info.version if is_uri(location) else checksum(location)
            of_file = shown, location, read_as, info.size, version, relative, stem
            found[location] = InputFile(len(found), *of_file)
    return list(found.values())


def _fetch(query: str, missing: Optional[List[Rejected]]) -> List[FileInfo]:
    """The files of the documents that PubTator3 is asked for."""
    infos: List[FileInfo] = []
    for number, one in enumerate(fetch(query), 1):
        if not isinstance(one, InputError):
            infos.append(files.find_file(one))  # type: ignore[arg-type]
        elif missing is not None:
            missing.append(Rejected(query, one.document, number, one.cause))
    if not infos:
        raise InputError("PubTator3 has none of these documents", file=query)
    return infos


def find_change(inputs: Iterable[InputFile]) -> Optional[str]:
    """The name of a file that is no longer what it was when it was found, if there is one."""
    for file in inputs:
        info = files.find_file(file.location) if is_uri(file.location) else None
        if (info.version if info else checksum(file.location)) != file.version:
            return file.name
    return None


def choose_unit_bytes(inputs: Sequence[InputFile], device: str) -> int:
    """The size of units for files that are annotated on a "cpu" or "gpu"."""
    least, most = UNIT_BYTES[device]
    return min(most, max(least, sum(file.size for file in inputs) // _MIN_UNITS))


def split_units(inputs: Sequence[InputFile], unit_bytes: int) -> List[Unit]:
    """Cut files into units of about so many bytes, in order. Small files share one, and large files have several."""
    units: List[Unit] = []
    is_open = False
    for file in inputs:
        sections = _cut(file, unit_bytes)
        # The strings of a DocBin have to be kept until its last document, and no longer.
        is_small = len(sections) == 1 and file.format != "docbin"
        if is_open and is_small and units[-1].size + file.size <= unit_bytes:
            units[-1].files.append(file)
            units[-1] = units[-1]._replace(size=units[-1].size + file.size)
        else:
            units += [Unit(index, [section], section.size) for index, section in enumerate(sections, len(units))]
        is_open = is_small
    return units


def _cut(file: InputFile, unit_bytes: int) -> List[InputFile]:
    """The sections of a large file, or the file if it is small, or has to be read as a whole."""
    if file.size <= unit_bytes or files.is_gzipped(file.location) or file.format not in CUTS:
        return [file]
    starts = [(0, 1), *_find_cuts(file, unit_bytes), (file.size, 0)]
    sections = [FileSection(start, end, line) for (start, line), (end, _) in zip(starts, starts[1:])]
    cut = [file._replace(section=section, size=section.end - section.start) for section in sections]
    return cut if len(cut) > 1 else [file]


def _find_cuts(file: InputFile, unit_bytes: int) -> List[Tuple[int, int]]:
    """Where each section but the first starts, in bytes, and with which line."""
    # All of the file is read, since messages name lines: that takes a second for a gigabyte.
    pattern = CUTS[file.format]
    hiding = _HIDING if file.format.endswith("xml") else ()
    cuts: List[Tuple[int, int]] = []
    window, offset, line = b"", 0, 1
    next_cut = unit_bytes
    with add_file_to_errors(file.location), files.open_input(file.location) as stream:
        while block := stream.read(_BLOCK):
            window += block
            if any(sign in window for sign in hiding):
                return []
            while match := pattern.search(window, max(0, next_cut - offset)):
                next_cut = offset + match.end() + unit_bytes
                cuts.append((offset + match.end(), line + window.count(b"\n", 0, match.end())))
            passed = max(0, len(window) - _LONGEST_CUT)
            line += window.count(b"\n", 0, passed)
            window, offset = window[passed:], offset + passed
    return [cut for cut in cuts if cut[0] < file.size]


def _find(location: str, format: Optional[str], own: Sequence[str]) -> List[FileInfo]:
    """The files that one input names."""
    if (info := files.find_file(location)) is not None:
        return [info]
    infos: List[FileInfo] = []
    cause = "no such file"
    if files.is_folder(location):
        is_own = _is_below(own, location)
        infos = [one for one in list_files(location) if _is_input(one.relative, format) and not is_own(one.location)]
        cause = "no file in this folder has a known suffix"
    elif not is_uri(location) and glob.has_magic(location):
        is_own = _is_below(own, os.path.dirname(re.split(r"[*?[]", location)[0]) or ".")
        paths = [path for path in sorted(glob.glob(location, recursive=True)) if not is_own(path)]
        # A link to nothing is no file, and is refused where it is looked for.
        paths = [path for path in paths if os.path.isfile(path) or not os.path.exists(path)]
        infos = [info for path in paths for info in _find(path, format, own)]
        cause = "no file fits this pattern"
    if not infos:
        raise InputError(cause, file=location)
    return infos


def list_files(folder: str) -> List[FileInfo]:
    """The files below a folder and behind links in it, by name. A folder that cannot be read is an error."""
    top = folder.rstrip("/") or folder
    if not is_uri(top):
        return sorted(_walk(top, top, []))
    storage, path = files.find_storage(top)
    with add_file_to_errors(top):
        entries = {name[len(path) :].lstrip("/"): info for name, info in storage.find(path, detail=True).items()}
    return [files.make_info(f"{top}/{relative}", relative, info) for relative, info in sorted(entries.items())]


def _walk(folder: str, top: str, above: List[str]) -> Iterator[FileInfo]:
    # A link to a folder that leads to it leads round for ever.
    above = [*above, os.path.realpath(folder)]
    with add_file_to_errors(folder):
        entries = sorted(os.scandir(folder), key=attrgetter("name"))
    for entry in entries:
        with add_file_to_errors(entry.path):
            if entry.is_dir():
                if os.path.realpath(entry.path) not in above:
                    yield from _walk(entry.path, top, above)
            elif entry.is_file():
                status = entry.stat()
                relative = Path(entry.path).relative_to(top).as_posix()
                yield FileInfo(entry.path, relative, status.st_size, str(status.st_mtime))
            elif entry.is_symlink() and not os.path.exists(entry.path) and not entry.name.startswith("."):
                # Editors mark a file that is open by a hidden link to nothing.
                raise InputError(f"a link to {os.readlink(entry.path)}, which is not there")


def _is_below(places: Sequence[str], top: str) -> Callable[[str], bool]:
    """Whether a location is one of these places or below it, links followed; but for places that `top` is, or is in."""
    real_places = [Path(os.path.realpath(place)) for place in places]
    real_places = [place for place in real_places if not Path(os.path.realpath(top)).is_relative_to(place)]
    return lambda location: any(Path(os.path.realpath(location)).is_relative_to(place) for place in real_places)


def _is_input(relative: str, format: Optional[str]) -> bool:
    name = files.strip_gz(relative.rpartition("/")[2])
    is_known = format is not None or os.path.splitext(name)[1].lower() in files.INPUT_SUFFIXES
    return is_known and not name.startswith(".")
