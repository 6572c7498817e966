"""Files to `Doc`s."""

import warnings
from os import PathLike
from pathlib import Path
from typing import Callable, Iterator, Optional, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import InputError
from ..files import add_file_to_errors, format_of
from .anomalies import Anomalies
from .documents import documents_of


def read(
    path: Union[str, "PathLike[str]"],
    vocab: Vocab,
    *,
    format: Optional[str] = None,
    strict: bool = False,
    on_anomalies: Optional[Callable[[str], None]] = None,
) -> Iterator[Doc]:
    """Read the documents of a file.

    Mentions are in `doc.ents` (identifiers in `kb_id_`), those that overlap or are discontinuous in
    `doc.spans["mentions"]`, relations in `doc._.relations`, the id in `doc._.document_id`. All else that the file says
    stays with the `Doc`, through bytes and DocBin, and `write` gives it back.

    path (Union[str, PathLike]): The file: BioC XML, BioC JSON (PubTator3's too, or a document per line), PubTator, each
        plain or ".gz", or DocBin.
    vocab (Vocab): The vocabulary that the documents share (`nlp.vocab`).
    format (Optional[str]): One of FORMATS, if the suffix is not to decide.
    strict (bool): Whether what is odd, and would be kept as it came, is an error.
    on_anomalies (Optional[Callable[[str], None]]): Takes the line that says what was odd, after the last document. By
        default it is a warning.
    YIELDS (Doc): The documents, each when it is asked for.
    RAISES (InputError): If the file cannot be used; it names the file, the document and the cause.
    """
    path = Path(path)
    return _read(path, vocab, find_format(path, format), Anomalies(strict), on_anomalies or _warn)


def find_format(path: Path, format: Optional[str] = None) -> str:
    """The format of a file that is to be read.

    path (Path): The file.
    format (Optional[str]): One of FORMATS, if the suffix is not to decide.
    RETURNS (str): One of FORMATS.
    RAISES (InputError): If there is no such file, or its format is not known.
    """
    with add_file_to_errors(path):
        if path.is_dir():
            raise InputError("it is a folder")
        if not path.exists():
            raise InputError("no such file")
        return format_of(path, format)


def _read(
    path: Path, vocab: Vocab, format: str, anomalies: Anomalies, on_anomalies: Callable[[str], None]
) -> Iterator[Doc]:
    with add_file_to_errors(path):
        for doc in documents_of(path, vocab, format, anomalies):
            if isinstance(doc, Exception):
                raise doc
            yield doc
    if anomalies:
        on_anomalies(f"{path}: {anomalies}")


def _warn(line: str) -> None:
    warnings.warn(line, UserWarning, stacklevel=4)
