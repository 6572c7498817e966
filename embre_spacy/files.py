"""Files: their formats by name; opened, gzipped or not; written whole or not at all."""

import gzip
import io
import os
import re
import zlib
from codecs import BOM_UTF8
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, Optional, Tuple, Union
from uuid import uuid4

from .errors import InputError

SUFFIXES: Dict[str, str] = {
    ".xml": "bioc-xml",
    ".json": "bioc-json",
    ".jsonl": "bioc-jsonl",
    ".ndjson": "bioc-jsonl",
    ".pubtator": "pubtator",
    ".spacy": "docbin",
}
FORMATS: Tuple[str, ...] = tuple(dict.fromkeys(SUFFIXES.values()))
_PART = re.compile(r"\.(.+)\.[0-9a-f]{32}\.part", re.DOTALL)


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading.

    path (Path): The file; unpacked if its name ends in ".gz".
    YIELDS (BinaryIO): The open file.
    """
    with path.open("rb") as file:
        if not is_gzipped(path):
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield unpacked  # type: ignore[misc]


def iter_lines(file: BinaryIO) -> Iterator[Tuple[str, Optional[InputError]]]:
    """Yield each line of a UTF-8 text file with None, and one that is not UTF-8, as far as it can be read, with an error.

    Only line feeds end lines: texts hold other characters that Python takes for line ends.
    """
    offset = 0
    for line in file:
        start = len(BOM_UTF8) if not offset and line.startswith(BOM_UTF8) else 0
        try:
            yield line[start:].decode("utf-8"), None
        except UnicodeDecodeError as error:
            at = offset + start + error.start
            yield line[start:].decode("utf-8", "replace"), InputError(f"not UTF-8 text: {error.reason} at byte {at}")
        offset += len(line)


def position(file: BinaryIO) -> int:
    """How far a file has been read.

    file (BinaryIO): What `open_input` gave.
    RETURNS (int): The number of bytes, those of the packed file if it is gzipped.
    """
    return (file.fileobj if isinstance(file, gzip.GzipFile) else file).tell()


def part_name(name: str) -> str:
    """Another name for a file that is not complete yet.

    name (str): The name that it will have.
    RETURNS (str): A name that no other writer has, be it on another machine.
    """
    return f".{name}.{uuid4().hex}.part"


def name_of_part(part: str) -> Optional[str]:
    """What a file that is not complete was to be called.

    part (str): Its name.
    RETURNS (Optional[str]): The name that `part_name` made it of; None if it is not of that form.
    """
    found = _PART.fullmatch(part)
    return found[1] if found else None


@contextmanager
def open_output(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing. It appears under its name when it is complete: whatever happens before, there is no
    file, or the one that was there.

    path (Path): The file; packed if its name ends in ".gz".
    YIELDS (BinaryIO): The open file.
    RAISES (InputError): If it cannot be written. An InputError of the body that names no file names this one.
    """
    # A link stays one, and the file that it names is replaced.
    target = Path(os.path.realpath(path))
    part = target.with_name(part_name(target.name))
    with add_file_to_errors(path):
        if target.is_dir():
            raise InputError("it is a folder")
        if not target.parent.is_dir():
            raise InputError(f"the folder {target.parent} does not exist")
        raw = _Part(part, path)
    try:
        with _add_file_to_input_errors(path), io.BufferedWriter(raw) as file:
            if is_gzipped(path):
                # No name and no time inside: the same content is the same file.
                with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield file
        with add_file_to_errors(path):
            os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def add_file_to_errors(path: Union[Path, str]) -> Iterator[None]:
    """Make every error that a file can cause one that names it.

    path (Union[Path, str]): The file.
    RAISES (InputError): For errors of the operating system and of packing, and for those that do not name their file
        yet.
    """
    try:
        with _add_file_to_input_errors(path):
            yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"not gzip, or truncated: {error}", file=str(path)) from error
    except OSError as error:
        raise InputError((error.strerror or str(error)).lower(), file=str(path)) from error


@contextmanager
def _add_file_to_input_errors(path: Union[Path, str]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if error.file is not None:
            raise
        raise InputError(error.cause, file=str(path), document=error.document) from error


class _Part(io.FileIO):
    """A file that is being written. Its errors name the file that it will be, and no other errors do: where documents
    come from files, those have errors too."""

    def __init__(self, part: Path, path: Path) -> None:
        self._path = path
        super().__init__(part, "wb")

    def write(self, data: Any) -> Optional[int]:
        with add_file_to_errors(self._path):
            return super().write(data)

    def close(self) -> None:
        with add_file_to_errors(self._path):
            super().close()


def format_of(path: Path, format: Optional[str] = None) -> str:
    """The format of a file.

    path (Path): The file. Upper and lower case of its suffix are the same, ".gz" after it is passed over.
    format (Optional[str]): The format, if the suffix is not to decide.
    RETURNS (str): One of FORMATS.
    RAISES (InputError): If neither the suffix nor the argument is known, or the format is not written with ".gz".
    """
    name = path.name[:-3] if is_gzipped(path) else path.name
    found = format or SUFFIXES.get(Path(name).suffix.lower())
    if found is None:
        raise InputError(f"unknown suffix: name the format or use one of {', '.join(SUFFIXES)}", file=str(path))
    if found not in FORMATS:
        raise InputError(f"unknown format {found!r}: use one of {', '.join(FORMATS)}", file=str(path))
    if found == "docbin" and is_gzipped(path):
        raise InputError("a .spacy file is compressed already and cannot be .gz", file=str(path))
    return found


def is_gzipped(path: Path) -> bool:
    """Whether the name of a file says that it is gzipped.

    path (Path): The file.
    RETURNS (bool): True for ".gz".
    """
    return path.name.lower().endswith(".gz")
