"""The classes of errors. Each error names the file, the document and the cause, as far as they are known."""

import gzip
import zlib
from contextlib import contextmanager
from typing import Iterator, Optional


class EmbreError(ValueError):
    """The base class of all errors that this package raises on purpose."""


class InputError(EmbreError):
    """Input that cannot be used.

    cause (str): What is wrong, as a phrase ("annotation 12 ends outside the text").
    file (Optional[str]): The file that it was found in.
    document (Optional[str]): The id of the document that it was found in, if it has one.
    """

    def __init__(self, cause: str, *, file: Optional[str] = None, document: Optional[str] = None) -> None:
        self.cause = cause
        self.file = None if file is None else str(file)
        self.document = document or None
        super().__init__(cause)

    def __str__(self) -> str:
        document = self.document and f"document {self.document}"
        return ": ".join(filter(None, (self.file, document, self.cause)))


def describe_error(error: Exception) -> str:
    """Say in one line what went wrong: the cause of an InputError; kind and text of another error."""
    if isinstance(error, InputError):
        return error.cause
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")[:500]


@contextmanager
def add_file_to_errors(location: object, *, all_errors: bool = True) -> Iterator[None]:
    """Add a file to InputErrors that name none, and make errors of the operating system and of packing InputErrors that
    name it; if not all errors, those of the system that name no file. What reading another file raises names that."""
    try:
        yield
    except InputError as error:
        if error.file is not None:
            raise
        raise InputError(error.cause, file=str(location), document=error.document) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        if not all_errors:
            raise
        raise InputError(f"not gzip, or truncated: {error}", file=str(location)) from error
    except OSError as error:
        if not all_errors and (error.errno is None or error.filename is not None):
            raise
        raise InputError((error.strerror or str(error)).lower(), file=str(location)) from error
