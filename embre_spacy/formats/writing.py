"""`Doc`s to files."""

import json
import os
from itertools import chain, count, islice
from os import PathLike
from typing import BinaryIO, Callable, Dict, Iterable, Iterator, Optional, Set, Tuple, Union

from bioc import BioCCollection
from spacy.tokens import Doc, DocBin

from ..errors import InputError
from ..files import Location, format_of, open_output, remove_file
from ..tokens import get_document_id
from . import bioc_json, bioc_xml, pubtator
from .doc import record_from_doc
from .reading import Rejected
from .record import Anomalies, Envelope, Record, warn

# For each text format, what makes text of a document, and what makes the envelope that the first document gives.
FORMATTERS: Dict[str, Tuple[Callable[[Record, Anomalies], str], Callable[[Record], Envelope]]] = {
    "bioc-xml": (bioc_xml.format_document, bioc_xml.make_envelope),
    "bioc-json": (bioc_json.format_document, bioc_json.make_envelope),
    "bioc-jsonl": (bioc_json.format_document, lambda record: Envelope("", "\n", "\n")),
    "pubtator": (pubtator.format_document, pubtator.make_envelope),
}


def write(
    docs: Iterable[Doc],
    path: Union[str, "PathLike[str]"],
    *,
    format: Optional[str] = None,
    on_anomalies: Callable[[str], None] = warn,
    on_error: Optional[Callable[[Doc, InputError], None]] = None,
) -> None:
    """Write documents to a file, with the mentions and relations that they have now and all else as it was in the file
    that they came from. What the first document says about its collection holds for the file.

    docs (Iterable[Doc]): The documents. In a text format, those without an id get a number that no other has.
    path (Union[str, PathLike]): The file, or its URI. It appears when it is complete; an error leaves none.
    format (Optional[str]): One of FORMATS; the suffix decides if None.
    on_anomalies (Callable[[str], None]): Takes a line that sums up what the format lacks. By default it warns.
    on_error (Optional[Callable[[Doc, InputError], None]]): Takes each document that cannot be written in this format,
        and why; it is left out. If None, it is an error.
    RAISES (InputError): If there is no document, two have one id, or one cannot be written in this format.
    """
    location = os.fspath(path)
    format = format_of(location, format)
    anomalies = Anomalies()
    with open_output(location) as file:
        if format == "docbin":
            docbin = DocBin(store_user_data=True, docs=_refuse_repeated(docs, set()))
            is_empty = not len(docbin)
            file.write(docbin.to_bytes())
        else:
            formatted = _format_each(docs, format, anomalies, on_error)
            first = next(formatted, None)
            is_empty = first is None
            if first is not None:
                join_documents(first[0], (text for _, text in chain([first], formatted)), file)
        if is_empty:
            raise InputError("there is no document to write")
    if anomalies:
        on_anomalies(f"{location}: {anomalies}")


def _format_each(
    docs: Iterable[Doc], format: str, anomalies: Anomalies, on_error: Optional[Callable[[Doc, InputError], None]]
) -> Iterator[Tuple[Envelope, str]]:
    """Yield the text of each document, with the envelope that the first gives."""
    format_document, make_envelope = FORMATTERS[format]
    envelope = None
    for doc, id in _assign_ids(docs):
        try:
            record = record_from_doc(doc, id)
            text = format_document(record, anomalies)
            envelope = envelope or make_envelope(record)
            yield envelope, text
        except InputError as error:
            if on_error is None:
                raise
            on_error(doc, error)


def _assign_ids(docs: Iterable[Doc]) -> Iterator[Tuple[Doc, str]]:
    """Yield each document with its id, or else with a number that no document has as its id."""
    used: Set[str] = set()
    checked = _refuse_repeated(docs, used)
    for doc in checked:
        if get_document_id(doc):
            yield doc, get_document_id(doc)
            continue
        # The ids of all documents must be known before numbers are given.
        rest = [doc, *checked]
        numbers = (str(number) for number in count() if str(number) not in used)
        yield from ((doc, get_document_id(doc) or next(numbers)) for doc in rest)


def _refuse_repeated(docs: Iterable[Doc], used: Set[str]) -> Iterator[Doc]:
    """Yield documents, add their ids to those used, and raise an InputError if two have one id."""
    for doc in docs:
        identifier = get_document_id(doc)
        if identifier and identifier in used:
            raise InputError("two documents have this id", document=identifier)
        used.add(identifier)
        yield doc


def join_documents(envelope: Envelope, texts: Iterable[str], file: BinaryIO) -> None:
    """Write the texts of documents, at least one, with their envelope to a file."""
    rest = iter(texts)
    some = list(islice(rest, 2))
    before, between, end, alone = envelope
    if len(some) == 1 and alone is not None:
        before, end = "", alone
    for text in chain(some, rest):
        file.write((before + text).encode("utf-8"))
        before = between
    file.write(end.encode("utf-8"))


def write_rejects(rejects: Iterable[Rejected], target: Location) -> None:
    """Write which documents were set aside and why, an object on every line; if none were, there is no such file."""
    lines = [json.dumps(rejected._asdict(), ensure_ascii=False) + "\n" for rejected in rejects]
    if not lines:
        remove_file(target)
        return
    with open_output(target, make_folder=True) as file:
        # Names of files that are not UTF-8 have half a surrogate pair for each byte, which JSON can escape.
        file.writelines(line.encode("utf-8", "backslashreplace") for line in lines)


def to_bioc(docs: Iterable[Doc], *, on_anomalies: Callable[[str], None] = warn) -> BioCCollection:
    """Make a collection of the library bioc of documents, as `write` makes a file of them.

    docs (Iterable[Doc]): The documents. Those without an id get a number that no other has.
    on_anomalies: As for `write`.
    RETURNS (bioc.BioCCollection): The collection.
    RAISES (InputError): If two documents have one id.
    """
    anomalies = Anomalies()
    collection = BioCCollection()
    for number, (doc, id) in enumerate(_assign_ids(docs)):
        record = record_from_doc(doc, id)
        if not number:
            collection = bioc_xml.collection_from_record(record)
        collection.add_document(bioc_xml.bioc_from_record(record, anomalies))
    if anomalies:
        on_anomalies(str(anomalies))
    return collection
