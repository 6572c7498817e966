"""Files to `Doc`s."""

import gzip
import re
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Callable, Dict, Iterator, NamedTuple, Optional, Union

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import InputError
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
    position,
)
from ..tokens import get_tokenizer
from .bioc_json import read_bioc_json, read_bioc_json_lines
from .bioc_xml import read_bioc_xml
from .doc import doc_from_record
from .pubtator import read_pubtator
from .record import Anomalies, check_document, warn

# Each yields the documents of a file as records, and the error of a bad one; it raises what ends the reading.
_READERS = {
    "bioc-xml": read_bioc_xml,
    "bioc-json": read_bioc_json,
    "bioc-jsonl": read_bioc_json_lines,
    "pubtator": read_pubtator,
}
# After these bytes a file can be cut, and each section read on its own. Other files are read as a whole.
CUTS: Dict[str, "re.Pattern[bytes]"] = {
    "bioc-xml": re.compile(rb"</document>\s*(?=<document>)"),
    "bioc-jsonl": re.compile(rb"\n"),
    "pubtator": re.compile(rb"\n\r?\n"),
}
_HEAD_BLOCK = 2**16


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
    `doc.spans["mentions"]`, relations in `doc._.relations`, the id in `doc._.document_id`. All else that the file says
    stays with the `Doc`, through bytes and DocBin, and `write` gives it back.

    path (Union[str, PathLike]): The file: BioC XML, BioC JSON (also PubTator3's, or a document per line), PubTator,
        each plain or ".gz", or DocBin.
    vocab (Vocab): The vocabulary that the documents share (`nlp.vocab`).
    format (Optional[str]): One of FORMATS; the suffix decides if None.
    strict (bool): Whether an anomaly, which would be kept as it came, is an error.
    on_anomalies (Callable[[str], None]): Takes a line that sums up the anomalies, after the last document. By default
        it is a warning.
    tokenizer (Optional[Tokenizer]): Tokenizes the texts; that of `build_tokenizer` if None.
    YIELDS (Doc): The documents, each when it is asked for.
    RAISES (InputError): If the file cannot be used. It names the file, the document and the cause.
    """
    location = path if is_uri(path) else Path(path)
    format = find_format(location, format)
    return _read(location, tokenizer or get_tokenizer(vocab), format, Anomalies(strict), on_anomalies)


def _read(
    path: Location, tokenizer: Tokenizer, format: str, anomalies: Anomalies, on_anomalies: Callable[[str], None]
) -> Iterator[Doc]:
    with add_file_to_errors(path):
        for doc in iter_documents(path, tokenizer, format, anomalies):
            if isinstance(doc, Exception):
                raise doc
            yield doc
    if anomalies:
        on_anomalies(f"{path}: {anomalies}")


def read_each(
    path: Union[str, "PathLike[str]"],
    vocab: Vocab,
    *,
    format: Optional[str] = None,
    name: Optional[str] = None,
    anomalies: Optional[Anomalies] = None,
    on_position: Optional[Callable[[int], None]] = None,
    tokenizer: Optional[Tokenizer] = None,
    section: Optional[FileSection] = None,
) -> Iterator[Union[Doc, Rejected]]:
    """Read the documents of a file as `read` does, but go on after a bad one.

    A block of PubTator, a BioC XML document, a document or a line of JSON is set aside alone. What makes the rest of a
    file unreadable (XML or JSON that is not well-formed, a broken archive, a damaged DocBin) is yielded last, after the
    documents before it. BioC JSON and DocBin are read as a whole, so nothing comes before it.

    path (Union[str, PathLike]): The file.
    vocab (Vocab): The vocabulary that the documents share (`nlp.vocab`).
    format (Optional[str]): One of FORMATS; the suffix decides if None.
    name (Optional[str]): What `Rejected` calls the file; its path if None.
    anomalies (Optional[Anomalies]): Counts the anomalies.
    on_position (Optional[Callable[[int], None]]): Takes how many bytes have been read, before each document.
    tokenizer (Optional[Tokenizer]): Tokenizes the texts; that of `build_tokenizer` if None.
    section (Optional[FileSection]): What to read of the file, between two places where CUTS fits; all of it if None.
    YIELDS (Union[Doc, Rejected]): The documents in their order. In place of a bad one, what is wrong.
    RAISES (InputError): If there is no such file, its format is not known, or the operating system cannot read it.
    """
    location = path if is_uri(path) else Path(path)
    format = find_format(location, format)
    anomalies = Anomalies() if anomalies is None else anomalies
    docs = iter_documents(location, tokenizer or get_tokenizer(vocab), format, anomalies, on_position, section)
    return _reject(docs, location, name or str(path))


def _reject(docs: Iterator[Union[Doc, Exception]], path: Location, name: str) -> Iterator[Union[Doc, Rejected]]:
    number = 0
    try:
        with add_file_to_errors(path):
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


def describe_error(error: Exception) -> str:
    """Say in one line why a document was set aside: the cause of an InputError; kind and text of another error."""
    if isinstance(error, InputError):
        return error.cause
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def find_format(path: Location, format: Optional[str] = None) -> str:
    """Find the format of an input file. RAISES (InputError): If there is no such file, or its format is not known."""
    with add_file_to_errors(path):
        if is_folder(path):
            raise InputError("it is a folder")
        if find_file(path) is None and not Path(path).exists():
            raise InputError("no such file")
        return format_of(path, format)


def iter_documents(
    path: Location,
    tokenizer: Tokenizer,
    format: str,
    anomalies: Anomalies,
    on_position: Optional[Callable[[int], None]] = None,
    section: Optional[FileSection] = None,
) -> Iterator[Union[Doc, Exception]]:
    """Read a file, and go on after a bad document.

    path (Union[str, Path]): The file.
    tokenizer (Tokenizer): Tokenizes the texts. Its vocabulary is that of the documents.
    format (str): One of FORMATS.
    anomalies (Anomalies): Counts the anomalies.
    on_position (Optional[Callable[[int], None]]): Takes how many bytes have been read, before each document.
    section (Optional[FileSection]): What to read of the file; all of it if None. Whoever joins sections has to look for
        repeated ids, since one section does not know the others, and may be empty.
    YIELDS (Union[Doc, Exception]): The documents in their order. In place of a bad one, its error: an InputError, or
        one that nobody has thought of.
    RAISES (InputError): If the rest of the file cannot be read, or it has no document.
    """
    if format == "docbin":
        docs: Iterator[Union[Doc, Exception]] = _read_docbin(path, tokenizer.vocab)
    else:
        docs = _read_text(path, tokenizer, format, anomalies, on_position, section)
    if section is not None:
        yield from docs
        return
    numbers: Dict[str, int] = {}
    number = 0
    for number, doc in enumerate(docs, 1):
        if isinstance(doc, Doc):
            identifier = doc._.document_id
            if identifier and numbers.setdefault(identifier, number) != number:
                cause = f"two documents have this id (number {numbers[identifier]} and {number})"
                yield InputError(cause, document=identifier)
                continue
        yield doc
    if not number:
        raise InputError("it holds no document")


def _read_text(
    path: Location,
    tokenizer: Tokenizer,
    format: str,
    anomalies: Anomalies,
    on_position: Optional[Callable[[int], None]],
    section: Optional[FileSection],
) -> Iterator[Union[Doc, Exception]]:
    with open_input(path) as whole:
        file = whole if section is None else _open_section(whole, section, format)
        if not file.peek(1):  # type: ignore[attr-defined]
            raise InputError("the file is empty")
        for number, record in enumerate(_READERS[format](file, anomalies), 1):
            if on_position is not None:
                on_position(position(file))
            try:
                if isinstance(record, InputError):
                    raise record
                check_document(record.document, number)
                doc: Union[Doc, Exception] = doc_from_record(record, tokenizer, anomalies)
            except Exception as error:
                doc = error
            yield doc


def _open_section(file: BinaryIO, section: FileSection, format: str) -> BinaryIO:
    """A section of an open file, made a file of its own by what stands around the documents of XML."""
    head = b""
    if format == "bioc-xml" and section.start:
        while b"<document>" not in head:
            head += file.read(_HEAD_BLOCK)
        head = head[: head.index(b"<document>")]
    file.seek(section.start)
    content = file.read(section.end - section.start)
    is_last = not file.peek(1)  # type: ignore[attr-defined]
    tail = b"" if format != "bioc-xml" or is_last else b"</collection>"
    return SectionReader(head + content + tail, section)


def _read_docbin(path: Location, vocab: Vocab) -> Iterator[Doc]:
    with open_input(path) as file:
        data = file.read()
    if not data:
        raise InputError("the file is empty")
    try:
        # Damaged bytes fail anywhere between zlib, MessagePack, NumPy and spaCy, with whatever that raises.
        yield from DocBin().from_bytes(data).get_docs(vocab)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(f"not a DocBin, or damaged: {cause}") from error
