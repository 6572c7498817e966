"""Files: their formats by suffix, reading, and writing whole or not at all.

A location is a path on this machine or a URI that fsspec knows (s3://bucket/name), as a string or, if local, a `Path`.
"""

import gzip
import io
import os
import re
import shutil
from codecs import BOM_UTF8
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from .errors import EmbreError, InputError, add_file_to_errors

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None  # type: ignore[assignment]

Location = Union[str, Path]
# A line of a text file: its number, its text, and an error if it is not UTF-8.
Line = Tuple[int, str, Optional[InputError]]

SUFFIXES: Dict[str, str] = {
    ".xml": "bioc-xml",
    ".json": "bioc-json",
    ".jsonl": "bioc-jsonl",
    ".ndjson": "bioc-jsonl",
    ".pubtator": "pubtator",
    ".spacy": "docbin",
}
FORMATS: Tuple[str, ...] = tuple(dict.fromkeys(SUFFIXES.values()))
# What is read, and has no place for mentions and relations, so that it is not written. XML goes by its root element.
INPUT_SUFFIXES: Dict[str, str] = {**SUFFIXES, ".txt": "text", ".csv": "csv", ".tsv": "tsv", ".nxml": "jats"}
INPUT_FORMATS: Tuple[str, ...] = (*dict.fromkeys(INPUT_SUFFIXES.values()), "text-lines", "pubmed-xml")
# What `annotate` writes, with the suffix of each. Here, since its command names them before it imports spaCy.
OUTPUT_FORMATS: Dict[str, str] = {
    **{format: next(suffix for suffix in SUFFIXES if SUFFIXES[suffix] == format) for format in FORMATS},
    "relations-csv": ".csv",
    "relations-tsv": ".tsv",
    "relations-jsonl": ".jsonl",
    "relations-parquet": ".parquet",
}

# These are compressed in themselves.
_NEVER_GZIPPED = ("docbin", "relations-parquet")
_PART = re.compile(r"\.(.+)\.[0-9a-f]{32}\.part", re.DOTALL)
# Texts are packed to a fifth or a tenth. A bomb is packed to a thousandth, and has gone far before it is recognized.
_MOST_PACKED = 100
_FREE_SIZE = 2**26
# What tells one version of a remote file from the next, whatever its storage calls it.
_VERSION_KEYS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "modified", "updated", "created")


class FileInfo(NamedTuple):
    """A file: where it lies, its name below the folder that was listed, its size in bytes, and its version."""

    location: str
    relative: str
    size: int
    version: str


def is_uri(location: Location) -> bool:
    """Whether a location is a URI, such as s3://bucket/name."""
    return "://" in str(location)


def is_gzipped(location: Location) -> bool:
    """Whether the name of a file ends in ".gz"."""
    return str(location).lower().endswith(".gz")


def strip_gz(name: str) -> str:
    return name[:-3] if is_gzipped(name) else name


def strip_suffixes(location: Location) -> str:
    """The name of a file without its suffix and ".gz". It becomes an id, and names of files need not be text."""
    name = PurePath(strip_gz(str(location))).stem
    return name.encode("utf-8", "replace").decode("utf-8")


def format_of(location: Location, format: Optional[str] = None, formats: Tuple[str, ...] = FORMATS) -> str:
    """The format of a file: that which is given, or else that of its suffix (in any case, ".gz" ignored)."""
    suffixes: Dict[str, str] = {}
    # A suffix of documents and of tables is taken for that of documents.
    for suffix, name in chain(INPUT_SUFFIXES.items(), ((suffix, name) for name, suffix in OUTPUT_FORMATS.items())):
        if name in formats:
            suffixes.setdefault(suffix, name)
    format = format or suffixes.get(PurePath(strip_gz(str(location))).suffix.lower())
    if format is None:
        raise InputError(f"unknown suffix: name the format or use one of {', '.join(suffixes)}", file=str(location))
    if format not in formats:
        raise InputError(f"unknown format {format!r}: use one of {', '.join(formats)}", file=str(location))
    if is_gzipped(location) and format in _NEVER_GZIPPED:
        raise InputError(f"a {OUTPUT_FORMATS[format]} file is compressed already and cannot be .gz", file=str(location))
    return format


@contextmanager
def open_input(location: Location) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked if its name ends in ".gz"."""
    if is_uri(location):
        files, path = find_storage(location)
        # The files of fsspec cannot all peek.
        raw: Any = io.BufferedReader(files.open(path, "rb"))
    else:
        raw = open(location, "rb")  # noqa: SIM115
    with raw:
        if is_gzipped(location):
            with gzip.GzipFile(fileobj=raw) as unpacked, io.BufferedReader(_Unpacked(unpacked)) as file:
                yield file
        else:
            yield raw


class _Unpacked(io.RawIOBase):
    """The content of a packed file, unless it would fill the memory."""

    def __init__(self, content: gzip.GzipFile) -> None:
        self.content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        refuse_bomb(self.content.tell(), self.content.fileobj.tell())
        return self.content.readinto(buffer)


def refuse_bomb(size: int, packed_size: int) -> None:
    """Raise an InputError if content is packed far better than texts can be."""
    if size > _FREE_SIZE + _MOST_PACKED * packed_size:
        raise InputError(f"refused: it unpacks to more than {_MOST_PACKED} times its size")


class FileSection(NamedTuple):
    """A range of bytes of a file that can be read on its own, and the number of its first line."""

    start: int
    end: int
    first_line: int


class SectionReader(io.BufferedReader):
    """The content of a section as an open file, which knows where its lines stand in the whole file."""

    def __init__(self, content: bytes, section: FileSection) -> None:
        super().__init__(io.BytesIO(content))
        self.section = section


def iter_lines(file: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a UTF-8 text file with their numbers, and with an error those that are not UTF-8. Only line
    feeds end lines: texts hold other characters that Python takes for line ends."""
    offset, _, first = file.section if isinstance(file, SectionReader) else (0, 0, 1)
    for number, line in enumerate(file, first):
        start = len(BOM_UTF8) if not offset and line.startswith(BOM_UTF8) else 0
        try:
            yield number, line[start:].decode("utf-8"), None
        except UnicodeDecodeError as error:
            cause = f"not UTF-8 text: {error.reason} at byte {offset + start + error.start}"
            yield number, line[start:].decode("utf-8", "replace"), InputError(cause)
        offset += len(line)


@contextmanager
def open_output(location: Location, *, make_folder: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing, packed if its name ends in ".gz". It appears under its name when it is complete: if
    anything fails before, there is no file, or the old one. A device or a pipe takes what is written at once. An
    InputError of the body without a file gets this one."""
    writing = _write_remote(location) if is_uri(location) else _write_local(Path(location), make_folder)
    with add_file_to_errors(location, all_errors=False), writing as file:
        if is_gzipped(location):
            # No name and no time inside: the same content is the same file.
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield file


@contextmanager
def _write_local(path: Path, make_folder: bool) -> Iterator[BinaryIO]:
    if is_special(path):
        with open(path, "wb") as file:
            yield file
        return
    # A link stays, and the file that it names is replaced.
    target = Path(os.path.realpath(path))
    with add_file_to_errors(path):
        if target.is_dir():
            raise InputError("it is a folder")
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.is_dir():
            raise InputError(f"the folder {target.parent} does not exist")
        file = _open_part(target)
    try:
        with file:
            yield file
            with add_file_to_errors(path):
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, target)
    finally:
        Path(file.name).unlink(missing_ok=True)


def _open_part(target: Path) -> BinaryIO:
    """Open the file that becomes another. A writer takes over what one that was killed has left, not what another is
    writing now."""
    part = target.with_name(part_name(target.name, 32 * "0"))
    file = open(part, "wb", opener=lambda path, flags: os.open(path, flags & ~os.O_TRUNC, 0o666))  # noqa: SIM115
    if not lock_file(file):
        file.close()
        file = open(target.with_name(part_name(target.name)), "wb")  # noqa: SIM115
    file.truncate()
    if target.exists():
        shutil.copymode(target, file.name)
    return file


def lock_file(file: BinaryIO, is_shared: bool = False, waits: bool = False) -> Optional[bool]:
    """Lock an open file for as long as it is open, and no longer than the process lives. False if another has the lock,
    or the file has lost its name; None where there are no locks."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | (0 if waits else fcntl.LOCK_NB))
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except (BlockingIOError, FileNotFoundError):
        return False
    except (AttributeError, OSError):
        return None


def is_special(location: Location) -> bool:
    """Whether a location on this machine is a device, a pipe or a socket."""
    is_there = not is_uri(location) and os.path.exists(location)
    return is_there and not (os.path.isfile(location) or os.path.isdir(location))


@contextmanager
def _write_remote(location: Location) -> Iterator[BinaryIO]:
    files, path = find_storage(location)
    folder, _, name = path.rpartition("/")
    part = f"{folder}/{part_name(name)}"
    try:
        with add_file_to_errors(location):
            if folder:
                files.makedirs(folder, exist_ok=True)
            raw = files.open(part, "wb")
        with raw:
            yield raw
        with add_file_to_errors(location):
            if type(files).mv is AbstractFileSystem.mv:
                # That one takes names for patterns.
                files.cp_file(part, path)
                files.rm_file(part)
            else:
                files.mv(part, path)
    except BaseException:
        # A remote file that is closed looks complete.
        with suppress(Exception):
            files.rm_file(part)
        raise


def part_name(name: str, key: str = "") -> str:
    """A name for a file that is not complete yet. Without a key no other writer has it."""
    return f".{name}.{key or uuid4().hex}.part"


def remove_parts(locations: Iterable[str]) -> None:
    """Remove what killed processes left of files that they were writing."""
    targets = set(locations)
    # What a link names is written beside that.
    targets |= {os.path.realpath(location) for location in targets if not is_uri(location)}
    places = {os.path.split(target) for target in targets}
    for folder in {folder for folder, _ in places}:
        for name in list_names(folder):
            match = _PART.fullmatch(name)
            if match and (folder, match[1]) in places:
                remove_file(f"{folder}/{name}")


def find_file(location: Location) -> Optional[FileInfo]:
    """A file; None if there is none."""
    files, path = find_storage(location)
    with add_file_to_errors(location), suppress(FileNotFoundError, NotADirectoryError):
        info = files.info(path)
        if info["type"] == "file":
            return make_info(str(location), PurePath(location).name, info)
    return None


def is_folder(location: Location) -> bool:
    files, path = find_storage(location)
    return files.isdir(path)


def list_names(folder: Location) -> List[str]:
    """The names of the files and folders in a folder; none if there is no such folder."""
    files, path = find_storage(folder)
    with add_file_to_errors(folder), suppress(FileNotFoundError):
        return sorted(PurePath(name).name for name in files.ls(path, detail=False))
    return []


def remove_file(location: Location) -> None:
    """Remove a file, if it is there. A device or a pipe stays."""
    files, path = find_storage(location)
    with add_file_to_errors(location), suppress(FileNotFoundError):
        if not is_special(location):
            files.rm_file(path)


def remove_folder(location: Location) -> None:
    """Remove a folder, if it is there and empty."""
    files, path = find_storage(location)
    with suppress(OSError):
        if not files.ls(path):
            files.rmdir(path)


def find_storage(location: Location) -> Tuple[AbstractFileSystem, str]:
    """The file system of a location, and the path in it."""
    if not is_uri(location):
        return LocalFileSystem(), os.path.abspath(location)
    try:
        files, path = url_to_fs(str(location))
    except (ImportError, ValueError) as error:
        raise EmbreError(f"{location}: {error}") from error
    # Other processes write there.
    files.invalidate_cache()
    return files, path


def make_info(location: str, relative: str, info: Dict[str, Any]) -> FileInfo:
    """A file of which its file system says this."""
    version = next((info[key] for key in _VERSION_KEYS if info.get(key) is not None), "")
    # One file system gives one moment in two forms.
    version = version.timestamp() if isinstance(version, datetime) else version
    return FileInfo(location, relative, info["size"] or 0, str(version))
