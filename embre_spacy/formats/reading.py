"""Files to `Doc`s."""

import warnings
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Callable, Dict, Iterator, Optional, Union

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import InputError
from ..tokens import build_tokenizer
from .anomalies import Anomalies
from .bioc_json import read_bioc_json, read_bioc_json_lines
from .bioc_xml_reader import read_bioc_xml
from .checks import check_document
from .docbin import read_docbin
from .files import naming_file, open_input
from .pubtator_reader import read_pubtator
from .suffixes import format_of
from .to_doc import doc_from_record

_READERS = {
    "bioc-xml": read_bioc_xml,
    "bioc-json": read_bioc_json,
    "bioc-jsonl": read_bioc_json_lines,
    "pubtator": read_pubtator,
}


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
    with naming_file(path):
        if path.is_dir():
            raise InputError("it is a folder")
        if not path.exists():
            raise InputError("no such file")
        found = format_of(path, format)
    return _read(path, vocab, found, Anomalies(strict), on_anomalies or _warn)


def _read(
    path: Path, vocab: Vocab, format: str, anomalies: Anomalies, on_anomalies: Callable[[str], None]
) -> Iterator[Doc]:
    seen: Dict[str, int] = {}
    number = 0
    with naming_file(path):
        docs = read_docbin(path, vocab) if format == "docbin" else _read_text(path, vocab, format, anomalies)
        for number, doc in enumerate(docs, 1):
            identifier = doc._.document_id
            if identifier and seen.setdefault(identifier, number) != number:
                raise InputError(
                    f"two documents have this id (number {seen[identifier]} and {number})", document=identifier
                )
            yield doc
        if not number:
            raise InputError("it holds no document")
    if anomalies:
        on_anomalies(f"{path}: {anomalies}")


@lru_cache(maxsize=1)
def _tokenizer(vocab: Vocab) -> Tokenizer:
    """One tokenizer for all files: spaCy keeps what it needs for each in the vocabulary for good."""
    return build_tokenizer(vocab)


def _read_text(path: Path, vocab: Vocab, format: str, anomalies: Anomalies) -> Iterator[Doc]:
    tokenizer = _tokenizer(vocab)
    with open_input(path) as file:
        if not file.peek(1):  # type: ignore[attr-defined]
            raise InputError("the file is empty")
        for number, record in enumerate(_READERS[format](file, anomalies), 1):
            check_document(record.document, number)
            yield doc_from_record(record, tokenizer, anomalies)


def _warn(line: str) -> None:
    warnings.warn(line, UserWarning, stacklevel=4)
