"""The documents of a file, one by one, each for itself: one that is bad does not end the reading."""

from functools import lru_cache
from pathlib import Path
from typing import Callable, Dict, Iterator, Optional, Union

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import InputError
from ..files import open_input, position
from ..tokens import build_tokenizer
from .anomalies import Anomalies
from .bioc_json import read_bioc_json, read_bioc_json_lines
from .bioc_xml_reader import read_bioc_xml
from .checks import check_document
from .docbin import read_docbin
from .pubtator_reader import read_pubtator
from .record import Record
from .to_doc import doc_from_record

# Each yields the documents of a file as records, and the error of one that is bad; it raises what ends the reading.
_READERS = {
    "bioc-xml": read_bioc_xml,
    "bioc-json": read_bioc_json,
    "bioc-jsonl": read_bioc_json_lines,
    "pubtator": read_pubtator,
}


def documents_of(
    path: Path,
    vocab: Vocab,
    format: str,
    anomalies: Anomalies,
    on_position: Optional[Callable[[int], None]] = None,
) -> Iterator[Union[Doc, Exception]]:
    """Read a file.

    path (Path): The file.
    vocab (Vocab): The vocabulary that the documents share.
    format (str): One of FORMATS.
    anomalies (Anomalies): Where to report what is odd and kept.
    on_position (Optional[Callable[[int], None]]): Takes how many bytes of it have been read, before each document.
    YIELDS (Union[Doc, Exception]): The documents in their order, and in the place of one that is bad what is wrong: an
        InputError, or an error that nobody has thought of.
    RAISES (InputError): If the rest of the file cannot be read, or it holds nothing.
    """
    seen: Dict[str, int] = {}
    number = 0
    docs = read_docbin(path, vocab) if format == "docbin" else _from_text(path, vocab, format, anomalies, on_position)
    for number, doc in enumerate(docs, 1):
        if isinstance(doc, Doc):
            identifier = doc._.document_id
            if identifier and seen.setdefault(identifier, number) != number:
                cause = f"two documents have this id (number {seen[identifier]} and {number})"
                yield InputError(cause, document=identifier)
                continue
        yield doc
    if not number:
        raise InputError("it holds no document")


@lru_cache(maxsize=1)
def reading_tokenizer(vocab: Vocab) -> Tokenizer:
    """One tokenizer for all files: spaCy keeps what it needs for each in the vocabulary for good.

    vocab (Vocab): The vocabulary.
    RETURNS (Tokenizer): The tokenizer of the documents that are read with this vocabulary.
    """
    return build_tokenizer(vocab)


def _from_text(
    path: Path, vocab: Vocab, format: str, anomalies: Anomalies, on_position: Optional[Callable[[int], None]]
) -> Iterator[Union[Doc, Exception]]:
    tokenizer = reading_tokenizer(vocab)
    with open_input(path) as file:
        if not file.peek(1):  # type: ignore[attr-defined]
            raise InputError("the file is empty")
        for number, record in enumerate(_READERS[format](file, anomalies), 1):
            if on_position is not None:
                on_position(position(file))
            yield record if isinstance(record, InputError) else _made(record, number, tokenizer, anomalies)


def _made(record: Record, number: int, tokenizer: Tokenizer, anomalies: Anomalies) -> Union[Doc, Exception]:
    try:
        check_document(record.document, number)
        return doc_from_record(record, tokenizer, anomalies)
    except Exception as error:
        return error
