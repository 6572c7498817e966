"""`Doc`s to files."""

from itertools import chain
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Callable, Dict, Iterable, Iterator, Optional, Set, Union

from spacy.tokens import Doc, DocBin

from ..errors import InputError
from ..files import format_of, open_output
from . import bioc_json, bioc_xml, pubtator
from .doc import record_from_doc
from .record import Anomalies, Envelope, Record, warn

ENVELOPES: Dict[str, Callable[[Record], Envelope]] = {
    "bioc-xml": bioc_xml.make_envelope,
    "bioc-json": bioc_json.make_envelope,
    "bioc-jsonl": bioc_json.make_lines_envelope,
    "pubtator": pubtator.make_envelope,
}
FORMATTERS: Dict[str, Callable[[Record, Anomalies], str]] = {
    "bioc-xml": bioc_xml.format_document,
    "bioc-json": bioc_json.format_document,
    "bioc-jsonl": bioc_json.format_document,
    "pubtator": pubtator.format_document,
}


def write(
    docs: Iterable[Doc],
    path: Union[str, "PathLike[str]"],
    *,
    format: Optional[str] = None,
    on_anomalies: Callable[[str], None] = warn,
) -> None:
    """Write documents to a file, with the mentions and relations that they have now and all else as it was in the file
    that they came from. What the first document says about its collection holds for the file.

    docs (Iterable[Doc]): The documents.
    path (Union[str, PathLike]): The file. It appears when it is complete; an error leaves none.
    format (Optional[str]): One of FORMATS, if the suffix is not to decide.
    on_anomalies (Callable[[str], None]): Takes the line that says what the format could not express. By
        default it is a warning.
    RAISES (InputError): If there is no document, two have one id, or one cannot be written in this format.
    """
    path = Path(path)
    found = format_of(path, format)
    anomalies = Anomalies()
    with open_output(path) as file:
        documents = _at_least_one(_unique(docs))
        if found == "docbin":
            file.write(docbin_bytes(documents))
        else:
            records = _records(documents)
            first = next(records)
            fragments = (FORMATTERS[found](record, anomalies) for record in chain([first], records))
            join_documents(ENVELOPES[found](first), fragments, file)
    if anomalies:
        on_anomalies(f"{path}: {anomalies}")


def join_documents(envelope: Envelope, fragments: Iterator[str], file: BinaryIO) -> None:
    """Write a file.

    envelope (Envelope): What stands around the documents.
    fragments (Iterator[str]): The documents; there is at least one.
    file (BinaryIO): The file.
    """
    first = next(fragments)
    second = next(fragments, None)
    if second is None and envelope.alone is not None:
        file.write((first + envelope.alone).encode("utf-8"))
        return
    file.write((envelope.start + first).encode("utf-8"))
    while second is not None:
        file.write((envelope.between + second).encode("utf-8"))
        second = next(fragments, None)
    file.write(envelope.end.encode("utf-8"))


def docbin_bytes(docs: Iterable[Doc]) -> bytes:
    """Make the content of a .spacy file.

    docs (Iterable[Doc]): The documents.
    RETURNS (bytes): The content.
    """
    docbin = DocBin(store_user_data=True)
    for doc in docs:
        docbin.add(doc)
    return docbin.to_bytes()


def _at_least_one(docs: Iterator[Doc]) -> Iterator[Doc]:
    first = next(docs, None)
    if first is None:
        raise InputError("there is no document to write")
    return chain([first], docs)


def _unique(docs: Iterable[Doc]) -> Iterator[Doc]:
    seen: Set[str] = set()
    for doc in docs:
        identifier = doc._.document_id
        if identifier and identifier in seen:
            raise InputError("two documents have this id", document=identifier)
        seen.add(identifier)
        yield doc


def _records(docs: Iterator[Doc]) -> Iterator[Record]:
    used: Set[str] = set()
    number = 0
    for doc in docs:
        while str(number) in used:
            number += 1
        record = record_from_doc(doc, str(number))
        used.add(record.id)
        yield record
