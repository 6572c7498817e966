"""Files to `Doc`s, with bad documents set aside."""

import gzip
from os import PathLike
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Optional, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import InputError
from ..files import add_file_to_errors
from .anomalies import Anomalies
from .documents import documents_of
from .reading import find_format


class Rejected(NamedTuple):
    """A document that could not be used, or the rest of a file that could not be read.

    file (str): The file.
    document (Optional[str]): The id of the document, as far as it is known.
    number (int): Which document of the file it is, from 1, those that were set aside counted.
    cause (str): What is wrong.
    """

    file: str
    document: Optional[str]
    number: int
    cause: str


def read_each(
    path: Union[str, "PathLike[str]"],
    vocab: Vocab,
    *,
    format: Optional[str] = None,
    name: Optional[str] = None,
    anomalies: Optional[Anomalies] = None,
    on_position: Optional[Callable[[int], None]] = None,
) -> Iterator[Union[Doc, Rejected]]:
    """Read the documents of a file as `read` does, but go on after one that is bad.

    A block of PubTator, a BioC XML document, a document or a line of JSON is set aside alone. What makes the rest of a
    file unreadable (XML or JSON that is not well-formed, a broken archive, a damaged DocBin) is the last thing that is
    yielded; what came before it has come out, except of BioC JSON and DocBin, which are read as a whole.

    path (Union[str, PathLike]): The file.
    vocab (Vocab): The vocabulary that the documents share (`nlp.vocab`).
    format (Optional[str]): One of FORMATS, if the suffix is not to decide.
    name (Optional[str]): What to call the file, if it is not its path.
    anomalies (Optional[Anomalies]): Where to report what is odd and kept.
    on_position (Optional[Callable[[int], None]]): Takes how many bytes of it have been read, before each document.
    YIELDS (Union[Doc, Rejected]): The documents in their order, and in the place of one that is bad what is wrong.
    RAISES (InputError): If there is no such file, its format is not known, or the operating system cannot read it.
    """
    path = Path(path)
    found = Anomalies() if anomalies is None else anomalies
    return _read_each(path, vocab, find_format(path, format), name or str(path), found, on_position)


def reason(error: Exception) -> str:
    """Why a document was set aside, in one line.

    error (Exception): What was raised.
    RETURNS (str): The cause of an error of this package; for others their kind too.
    """
    if isinstance(error, InputError):
        return error.cause
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _read_each(
    path: Path,
    vocab: Vocab,
    format: str,
    name: str,
    anomalies: Anomalies,
    on_position: Optional[Callable[[int], None]],
) -> Iterator[Union[Doc, Rejected]]:
    number = 0
    try:
        with add_file_to_errors(path):
            for number, doc in enumerate(documents_of(path, vocab, format, anomalies, on_position), 1):
                if isinstance(doc, Doc):
                    yield doc
                else:
                    yield Rejected(name, getattr(doc, "document", None), number, reason(doc))
    except InputError as error:
        # What the operating system refuses now it may give when the file is read again.
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, gzip.BadGzipFile):
            raise
        yield Rejected(name, error.document, number + 1, error.cause)
