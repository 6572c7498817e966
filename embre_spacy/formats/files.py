"""Files: opened by name, gzipped or not; written whole or not at all."""

import gzip
import os
import zlib
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Iterator

from ..errors import InputError
from .suffixes import is_gzipped


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


def text_lines(file: BinaryIO) -> Iterator[str]:
    """The lines of a text file.

    file (BinaryIO): The file, in UTF-8, with or without a byte order mark; closed after the last line.
    YIELDS (str): The lines with their line feeds. Other characters that Python takes for line ends occur in texts.
    """
    with TextIOWrapper(file, encoding="utf-8-sig", newline="\n") as lines:
        yield from lines


@contextmanager
def open_output(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing. It appears under its name when it is complete: whatever happens before, there is no
    file, or the one that was there.

    path (Path): The file; packed if its name ends in ".gz".
    YIELDS (BinaryIO): The open file.
    RAISES (InputError): If it cannot be written.
    """
    # A link stays one, and the file that it names is replaced.
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with naming_file(path):
        if target.is_dir():
            raise InputError("it is a folder")
        if not target.parent.is_dir():
            raise InputError(f"the folder {target.parent} does not exist")
        try:
            with part.open("wb") as file:
                if is_gzipped(path):
                    # No name and no time inside: the same content is the same file.
                    with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                        yield packed  # type: ignore[misc]
                else:
                    yield file
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Make every error that a file can cause one that names it.

    path (Path): The file.
    RAISES (InputError): For errors of the operating system, of packing and of text encoding, and for those that do not
        name their file yet.
    """
    try:
        yield
    except InputError as error:
        if error.file is not None:
            raise
        raise InputError(error.cause, file=str(path), document=error.document) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text: {error.reason} at byte {error.start}", file=str(path)) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"not gzip, or truncated: {error}", file=str(path)) from error
    except OSError as error:
        raise InputError((error.strerror or str(error)).lower(), file=str(path)) from error
