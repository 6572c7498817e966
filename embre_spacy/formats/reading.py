"""Files to `Doc`s."""

import gzip
import os
import re
import zlib
from contextlib import nullcontext, suppress
from os import PathLike
from typing import BinaryIO, Callable, Dict, Iterator, NamedTuple, Optional, Union

from bioc import BioCCollection
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import InputError, describe_error
from ..files import (
    FileSection,
    Location,
    SectionReader,
    add_file_to_errors,
    find_file,
    format_of,
    is_folder,
    is_uri,
    open_input,
    refuse_bomb,
)
from ..tokens import get_document_id, get_tokenizer
from .bioc_json import read_bioc_json, read_bioc_json_lines
from .bioc_xml import read_bioc_xml, record_from_bioc
from .doc import check_user_data, doc_from_record
from .pubtator import read_pubtator
from .record import Anomalies, Record, check_record, warn

READERS: Dict[str, Callable[[BinaryIO, Anomalies], Iterator[Union[Record, InputError]]]] = {
    "bioc-xml": read_bioc_xml,
    "bioc-json": lambda file, anomalies: read_bioc_json(file),
    "bioc-jsonl": lambda file, anomalies: read_bioc_json_lines(file),
    "pubtator": lambda file, anomalies: read_pubtator(file),
}
# After these bytes a file can be cut, and each section read on its own. Other files are read as a whole.
CUTS: Dict[str, "re.Pattern[bytes]"] = {
    "bioc-xml": re.compile(rb"</document>\s*(?=<document>)"),
    "bioc-jsonl": re.compile(rb"\n"),
    "pubtator": re.compile(rb"\n\r?\n"),
}
_HEAD_BLOCK = 2**16
# In comments and CDATA sections of XML, what looks like a document is none.
_HIDING = (b"<!--", b"<![CDATA[")


class Rejected(NamedTuple):
    """A document that could not be used, or the rest of a file that could not be read.

    file (str): The file.
    document (Optional[str]): The id of the document, as far as it is known.
    number (int): The number of the document in the file, from 1. Rejected documents count.
    cause (str): What is wrong.
    """

    file: str
    document: Optional[str]
    number: int
    cause: str

    def as_error(self) -> InputError:
        """The error that says the same."""
        return InputError(self.cause, file=self.file, document=self.document)


def read(
    path: Union[str, "PathLike[str]"],
    vocab: Vocab,
    *,
    format: Optional[str] = None,
    strict: bool = False,
    on_anomalies: Callable[[str], None] = warn,
    tokenizer: Optional[Tokenizer] = None,
) -> Iterator[Doc]:
    """Read the documents of a file.

    Mentions are in `doc.ents` (identifiers in `kb_id_`), those that overlap or are discontinuous in
    `doc.spans["mentions"]`, relations in `doc._.relations`, the id in `doc._.document_id`, empty if there is none. All
    else that the file says stays with the `Doc`, through bytes and DocBin, and `write` gives it back.

    path (Union[str, PathLike]): The file, or its URI: BioC XML, BioC JSON (also PubTator3's, or a value per
        line), PubTator, each plain or ".gz", or DocBin.
    vocab (Vocab): The vocabulary that the documents share (`nlp.vocab`).
    format (Optional[str]): One of FORMATS; the suffix decides if None.
    strict (bool): Whether an anomaly, which would be kept as it came, is an error.
    on_anomalies (Callable[[str], None]): Takes a line that sums up the anomalies, after the last document. By default
        it is a warning.
    tokenizer (Optional[Tokenizer]): Tokenizes the texts; that of `build_tokenizer` if None.
    YIELDS (Doc): The documents, each when it is asked for.
    RAISES (InputError): If the file cannot be used. It names the file, the document and the cause.
    """
    location = os.fspath(path)
    anomalies = Anomalies(strict)
    format = find_format(location, format)
    docs = iter_documents(location, tokenizer or get_tokenizer(vocab), format, anomalies)
    return _read(location, docs, anomalies, on_anomalies)


def _read(
    location: Location, docs: Iterator[Union[Doc, Exception]], anomalies: Anomalies, on_anomalies: Callable[[str], None]
) -> Iterator[Doc]:
    """Yield documents, raise the first error, and tell of anomalies. Objects have no location."""
    with add_file_to_errors(location) if location else nullcontext():
        for doc in docs:
            if isinstance(doc, Exception):
                raise doc
            yield doc
    if anomalies:
        on_anomalies(f"{location}: {anomalies}" if location else str(anomalies))


def read_each(
    path: Union[str, "PathLike[str]"],
    vocab: Vocab,
    *,
    format: Optional[str] = None,
    name: Optional[str] = None,
    anomalies: Optional[Anomalies] = None,
    tokenizer: Optional[Tokenizer] = None,
    section: Optional[FileSection] = None,
) -> Iterator[Union[Doc, Rejected]]:
    """Read the documents of a file as `read` does, but go on after a bad one.

    A block of PubTator, a BioC XML document, a document or a line of JSON is set aside alone. What makes the rest of a
    file unreadable (XML or JSON that is not well-formed, a broken archive, a damaged DocBin) is yielded last, after the
    documents before it. BioC JSON and DocBin are read as a whole, so nothing comes before it.

    path, vocab, format, tokenizer: As for `read`.
    name (Optional[str]): What `Rejected` calls the file; its path if None.
    anomalies (Optional[Anomalies]): Counts the anomalies.
    section (Optional[FileSection]): What to read of the file, as of `iter_documents`; all of it if None.
    YIELDS (Union[Doc, Rejected]): The documents in their order. In place of a bad one, what is wrong.
    RAISES (InputError): If there is no such file, its format is not known, or the operating system cannot read it.
    """
    location = os.fspath(path)
    format = find_format(location, format)
    anomalies = Anomalies() if anomalies is None else anomalies
    docs = iter_documents(location, tokenizer or get_tokenizer(vocab), format, anomalies, section)
    return _reject(docs, location, name or location)


def _reject(docs: Iterator[Union[Doc, Exception]], location: str, name: str) -> Iterator[Union[Doc, Rejected]]:
    number = 0
    try:
        with add_file_to_errors(location):
            for number, doc in enumerate(docs, 1):
                if isinstance(doc, Doc):
                    yield doc
                else:
                    yield Rejected(name, getattr(doc, "document", None), number, describe_error(doc))
    except InputError as error:
        # What the operating system refuses now, it may give when the file is read again.
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, gzip.BadGzipFile):
            raise
        yield Rejected(name, error.document, number + 1, error.cause)


def describe_repeated(first: int, second: int) -> str:
    """Say why the second of two documents of a file with one id was set aside."""
    hint = "the passages of one text must be one document, or have ids of their own"
    return f"two documents have this id (number {first} and {second}): {hint}"


def read_ids(location: Location, vocab: Vocab, format: str, section: Optional[FileSection] = None) -> Iterator[str]:
    """Yield the ids of the documents of a file; an empty one for those that have none, or are damaged."""
    with suppress(InputError), add_file_to_errors(location):
        if format == "docbin":
            yield from (get_document_id(doc) for doc in _read_docbin(location, vocab) if isinstance(doc, Doc))
            return
        for record in _read_records(location, format, Anomalies(), section):
            yield record.id if isinstance(record, Record) and isinstance(record.document, dict) else ""


def find_format(location: Location, format: Optional[str] = None) -> str:
    """Find the format of an input file, and make sure that the file is there."""
    with add_file_to_errors(location):
        if is_folder(location):
            raise InputError("it is a folder")
        if not (find_file(location) if is_uri(location) else os.path.exists(location)):
            raise InputError("no such file")
        return format_of(location, format)


def can_be_cut(location: Location, format: str) -> bool:
    """Whether a file that is not gzipped can be cut wherever CUTS fits. Reads all of an XML file."""
    if format != "bioc-xml":
        return format in CUTS
    tail = b""
    with add_file_to_errors(location), open_input(location) as file:
        while block := file.read(_HEAD_BLOCK):
            if any(sign in tail + block for sign in _HIDING):
                return False
            tail = block[1 - max(map(len, _HIDING)) :]
    return True


def iter_documents(
    location: Location,
    tokenizer: Tokenizer,
    format: str,
    anomalies: Anomalies,
    section: Optional[FileSection] = None,
) -> Iterator[Union[Doc, Exception]]:
    """Yield the documents of a file, with the vocabulary of the tokenizer. In place of a bad one, yield its error: an
    InputError, or an error that nobody has thought of. Raise an InputError if the rest of the file cannot be read.

    A section lies between two places where CUTS fits. Whoever joins sections has to look for ids that repeat, and add
    the number of documents in the sections before to those of causes ("document 3 of the file is not ..."), since one
    section does not know the others.
    """
    if format == "docbin":
        docs: Iterator[Union[Doc, Exception]] = _read_docbin(location, tokenizer.vocab)
    else:
        records = _read_records(location, format, anomalies, section)
        docs = _make_docs(records, tokenizer, anomalies, "of the file")
    if section is not None:
        yield from docs
        return
    doc = None
    for doc in _refuse_repeated(docs):
        yield doc
    if doc is None:
        raise InputError("it holds no document")


def _read_records(
    location: Location,
    format: str,
    anomalies: Anomalies,
    section: Optional[FileSection],
) -> Iterator[Union[Record, InputError]]:
    with open_input(location) as whole:
        file = whole if section is None else _open_section(whole, section, format)
        if not file.peek(1):  # type: ignore[attr-defined]
            raise InputError("the file is empty")
        yield from READERS[format](file, anomalies)


def _open_section(file: BinaryIO, section: FileSection, format: str) -> BinaryIO:
    """Make a section of an open file a file of its own. One of XML gets what stands around the documents."""
    head = tail = b""
    if format == "bioc-xml" and section.start:
        while b"<document>" not in head:
            head += file.read(_HEAD_BLOCK)
        head = head[: head.index(b"<document>")]
    file.seek(section.start)
    content = file.read(section.end - section.start)
    if format == "bioc-xml" and file.peek(1):  # type: ignore[attr-defined]
        tail = b"</collection>"
    return SectionReader(head + content + tail, section)


def _make_docs(
    records: Iterator[Union[Record, InputError]], tokenizer: Tokenizer, anomalies: Anomalies, place: str
) -> Iterator[Union[Doc, Exception]]:
    for number, record in enumerate(records, 1):
        try:
            if isinstance(record, InputError):
                raise record
            check_record(record, f"document {number} {place}")
            doc: Union[Doc, Exception] = doc_from_record(record, tokenizer, anomalies)
        except MemoryError:
            raise
        except Exception as error:
            doc = error
        yield doc


def _refuse_repeated(docs: Iterator[Union[Doc, Exception]]) -> Iterator[Union[Doc, Exception]]:
    """Replace a document whose id an earlier one has by an error."""
    numbers: Dict[str, int] = {}
    for number, doc in enumerate(docs, 1):
        identifier = get_document_id(doc) if isinstance(doc, Doc) else ""
        if identifier and numbers.setdefault(identifier, number) != number:
            doc = InputError(describe_repeated(numbers[identifier], number), document=identifier)
        yield doc


def _read_docbin(location: Location, vocab: Vocab) -> Iterator[Union[Doc, Exception]]:
    with open_input(location) as file:
        data = file.read()
    if not data:
        raise InputError("the file is empty")
    try:
        refuse_bomb(len(zlib.decompressobj().decompress(data, 2**27 + 2**7 * len(data))), len(data))
        # Damaged bytes fail anywhere between zlib, MessagePack, NumPy and spaCy, with whatever that raises.
        for doc in DocBin().from_bytes(data).get_docs(vocab):
            try:
                check_user_data(doc)
                yield doc
            except InputError as error:
                yield error
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"not a DocBin, or damaged: {describe_error(error)}") from error


def from_bioc(
    collection: BioCCollection,
    vocab: Vocab,
    *,
    strict: bool = False,
    on_anomalies: Callable[[str], None] = warn,
    tokenizer: Optional[Tokenizer] = None,
) -> Iterator[Doc]:
    """Make documents of a collection of the library bioc, as `read` makes them of its file.

    collection (bioc.BioCCollection): The collection.
    vocab, strict, on_anomalies, tokenizer: As for `read`.
    YIELDS (Doc): The documents, each when it is asked for.
    RAISES (InputError): If the collection cannot be used. It names the document and the cause.
    """
    anomalies = Anomalies(strict)
    records = (record_from_bioc(document, collection) for document in collection.documents)
    docs = _make_docs(records, tokenizer or get_tokenizer(vocab), anomalies, "of the collection")
    return _read("", _refuse_repeated(docs), anomalies, on_anomalies)
