"""Files to `Doc`s."""

import gzip
import os
import re
import zlib
from contextlib import suppress
from os import PathLike
from typing import BinaryIO, Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Union

from bioc import BioCCollection
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .. import files
from ..errors import InputError, describe_error
from ..files import FileSection
from ..tokens import get_document_id, get_tokenizer
from .articles import find_root, read_jats, read_pubmed
from .bioc_json import read_bioc_json, read_bioc_json_lines
from .bioc_xml import read_bioc_xml, record_from_bioc
from .doc import check_user_data, doc_from_record
from .plain import read_table, read_text, read_text_lines
from .pubtator import read_pubtator
from .pubtator3 import fetch, is_query
from .record import Anomalies, Record, check_record, warn

# A document of a file before it is checked, or what is wrong with it.
_Item = Union[Record, Doc, InputError]


def _read_xml(file: BinaryIO, anomalies: Anomalies, stem: str) -> Iterator[Union[Record, InputError]]:
    """Read BioC, or what else the root element says."""
    root = find_root(file.peek(_HEAD_BLOCK))  # type: ignore[attr-defined]
    if root in ("PubmedArticleSet", "PubmedBookArticleSet"):
        return read_pubmed(file)
    return read_jats(file) if root in ("article", "pmc-articleset") else read_bioc_xml(file, anomalies)


# Each takes an open file, counts the anomalies, and makes ids that are missing of the name of the file.
READERS: Dict[str, Callable[[BinaryIO, Anomalies, str], Iterator[Union[Record, InputError]]]] = {
    "bioc-xml": _read_xml,
    "bioc-json": lambda file, anomalies, stem: read_bioc_json(file, stem),
    "bioc-jsonl": lambda file, anomalies, stem: read_bioc_json_lines(files.iter_lines(file), stem),
    "pubtator": lambda file, anomalies, stem: read_pubtator(file),
    "text": lambda file, anomalies, stem: read_text(file, stem),
    "text-lines": lambda file, anomalies, stem: read_text_lines(file, stem),
    "csv": lambda file, anomalies, stem: read_table(file, ",;", stem),
    "tsv": lambda file, anomalies, stem: read_table(file, "\t", stem),
    "pubmed-xml": lambda file, anomalies, stem: read_pubmed(file),
    "jats": lambda file, anomalies, stem: read_jats(file),
}
# After these bytes a file that is not gzipped can be cut, and each section read on its own.
_XML_CUT = re.compile(rb"</(?:document|PubmedArticle)>\s*(?=<(?:document|PubmedArticle)>)")
CUTS: Dict[str, "re.Pattern[bytes]"] = {
    **dict.fromkeys(("bioc-xml", "pubmed-xml"), _XML_CUT),
    **dict.fromkeys(("bioc-jsonl", "text-lines"), re.compile(rb"\n")),
    "pubtator": re.compile(rb"\n\r?\n"),
}
# Where the documents of XML begin, and what stands after the last of them.
_XML_START = re.compile(rb"<(document|PubmedArticle)>")
_XML_ENDS = {b"document": b"</collection>", b"PubmedArticle": b"</PubmedArticleSet>"}
_HEAD_BLOCK = 2**16


class Rejected(NamedTuple):
    """A document that could not be used, or the rest of a file that could not be read."""

    file: str
    document: Optional[str]  # its id, as far as it is known
    number: int  # of the document in the file, from 1; rejected documents count
    cause: str  # what is wrong

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

    path (Union[str, PathLike]): The file, or its URI, in one of INPUT_FORMATS; all but DocBin may be gzipped. Or
        "pubtator3:PMID,...", which PubTator3's service is asked for.
    vocab (Vocab): The vocabulary that the documents share (`nlp.vocab`).
    format (Optional[str]): One of INPUT_FORMATS; the suffix decides if None, and in XML the root element.
    strict (bool): Whether an anomaly, which would be kept as it came, is an error.
    on_anomalies (Callable[[str], None]): Takes a line that sums up the anomalies, at the end. By default it warns.
    tokenizer (Optional[Tokenizer]): Tokenizes the texts; that of `build_tokenizer` if None.
    YIELDS (Doc): The documents, each when it is asked for.
    RAISES (InputError): If the file cannot be used. It names the file, the document and the cause.
    """
    location = os.fspath(path)
    anomalies = Anomalies(strict)
    docs = _open_documents(location, vocab, format, tokenizer, anomalies)
    return _raise_first(docs, anomalies, on_anomalies, f"{location}: ")


def _raise_first(
    docs: Iterator[Union[Doc, Exception]], anomalies: Anomalies, on_anomalies: Callable[[str], None], place: str = ""
) -> Iterator[Doc]:
    """Yield documents, raise the first error, and tell of anomalies."""
    for doc in docs:
        if isinstance(doc, Exception):
            raise doc
        yield doc
    if anomalies:
        on_anomalies(f"{place}{anomalies}")


def read_each(
    path: Union[str, "PathLike[str]"],
    vocab: Vocab,
    *,
    format: Optional[str] = None,
    anomalies: Optional[Anomalies] = None,
    tokenizer: Optional[Tokenizer] = None,
    section: Optional[FileSection] = None,
    stem: str = "",
) -> Iterator[Union[Doc, Rejected]]:
    """Read the documents of a file as `read` does, but go on after a bad one.

    A block of PubTator, an element of XML, a document of JSON, a line or a row is set aside alone. What makes the rest
    of a file unreadable (XML or JSON that is not well-formed, a broken archive, a damaged DocBin) is yielded last.
    BioC JSON and DocBin are read as a whole, so no document comes before it.

    path, vocab, format, tokenizer: As for `read`.
    anomalies (Optional[Anomalies]): Counts the anomalies.
    section (Optional[FileSection]): What to read of the file, from one place where CUTS fits to another. It does not
        know the others: ids may repeat in them, and documents are counted from its start, also in causes.
    stem (str): What the ids of texts without one begin with; the name of the file without suffixes if empty.
    YIELDS (Union[Doc, Rejected]): The documents in their order. In place of a bad one, what is wrong.
    RAISES (InputError): If there is no such file, its format is not known, or the operating system cannot read it.
    """
    location = os.fspath(path)
    anomalies = Anomalies() if anomalies is None else anomalies
    docs = _open_documents(location, vocab, format, tokenizer, anomalies, section, stem)
    return _reject(docs, location)


def _reject(docs: Iterator[Union[Doc, Exception]], file: str) -> Iterator[Union[Doc, Rejected]]:
    for number, doc in enumerate(docs, 1):
        if isinstance(doc, Exception):
            doc = Rejected(file, getattr(doc, "document", None), number, describe_error(doc))
        yield doc


def describe_repeated(first: int, second: int) -> str:
    """Say why the second of two documents of a file with one id was set aside."""
    hint = "the passages of one text must be one document, or have ids of their own"
    return f"two documents have this id (number {first} and {second}): {hint}"


def read_ids(location: str, vocab: Vocab, format: str, section: Optional[FileSection] = None) -> Iterator[str]:
    """Yield the ids of the documents of a file; an empty one for those that have none, or are damaged."""
    with suppress(InputError):
        for item in _read_items(location, vocab, format, Anomalies(), section):
            yield get_document_id(item) if isinstance(item, Doc) else getattr(item, "id", "")


def _open_documents(
    location: str,
    vocab: Vocab,
    format: Optional[str],
    tokenizer: Optional[Tokenizer],
    anomalies: Anomalies,
    section: Optional[FileSection] = None,
    stem: str = "",
) -> Iterator[Union[Doc, Exception]]:
    """Find the format of a file, make sure that the file is there, and give its documents."""
    if is_query(location):
        items = _read_fetched(location, vocab, anomalies)
    else:
        with files.add_file_to_errors(location):
            if files.is_folder(location):
                raise InputError("it is a folder")
            if not (files.find_file(location) if files.is_uri(location) else os.path.exists(location)):
                raise InputError("no such file")
            format = files.format_of(location, format, files.INPUT_FORMATS)
            items = _read_items(location, vocab, format, anomalies, section, stem)
    return _make_docs(items, tokenizer or get_tokenizer(vocab), anomalies, location, may_repeat=section is not None)


def _read_fetched(query: str, vocab: Vocab, anomalies: Anomalies) -> Iterator[_Item]:
    """Yield the documents that PubTator3 is asked for; in place of one that it does not have, an error."""
    for location in fetch(query):
        if isinstance(location, InputError):
            yield location
        else:
            yield from _read_items(location, vocab, "bioc-json", anomalies, None)


def _make_docs(
    items: Iterable[_Item], tokenizer: Tokenizer, anomalies: Anomalies, file: str = "", may_repeat: bool = False
) -> Iterator[Union[Doc, Exception]]:
    """Make documents of the records of a file or, without a file, of a collection; in place of a bad one, its error."""
    numbers: Dict[str, int] = {}
    for number, item in enumerate(items, 1):
        doc: Union[Record, Doc, Exception] = item
        try:
            if isinstance(doc, Record):
                check_record(doc, f"document {number} of the {'file' if file else 'collection'}")
                doc = doc_from_record(doc, tokenizer, anomalies)
            identifier = get_document_id(doc) if isinstance(doc, Doc) and not may_repeat else ""
            if identifier and numbers.setdefault(identifier, number) != number:
                raise InputError(describe_repeated(numbers[identifier], number), document=identifier)
        except MemoryError:
            raise
        except Exception as error:
            doc = error
        if isinstance(doc, InputError):
            doc.file = file or None
        yield doc


def _read_items(
    location: str, vocab: Vocab, format: str, anomalies: Anomalies, section: Optional[FileSection], stem: str = ""
) -> Iterator[_Item]:
    """Yield the documents of a file, and last, if the rest of it cannot be read, the error."""
    item = None
    try:
        with files.add_file_to_errors(location), files.open_input(location) as whole:
            file = whole if section is None else _open_section(whole, section, format)
            if not file.peek(1):  # type: ignore[attr-defined]
                raise InputError("the file is empty")
            if format == "docbin":
                items: Iterator[_Item] = _read_docbin(file, vocab)
            else:
                items = READERS[format](file, anomalies, stem or files.strip_suffixes(location))
            for item in items:
                yield item
            if item is None and section is None:
                raise InputError("it holds no document")
    except InputError as error:
        # What the operating system refuses now, it may give when the file is read again.
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, gzip.BadGzipFile):
            raise
        yield error


def _open_section(file: BinaryIO, section: FileSection, format: str) -> BinaryIO:
    """Make a section of an open file a file of its own. One of XML gets what stands around the documents."""
    is_xml = CUTS[format] is _XML_CUT
    head = tail = b""
    if is_xml and section.start:
        while (start := _XML_START.search(head)) is None:
            head += file.read(_HEAD_BLOCK)
        head = head[: start.start()]
    file.seek(section.start)
    content = file.read(section.end - section.start)
    if is_xml and file.peek(1):  # type: ignore[attr-defined]
        tail = _XML_ENDS[_XML_START.search(content)[1]]  # type: ignore[index]
    return files.SectionReader(head + content + tail, section)


def _read_docbin(file: BinaryIO, vocab: Vocab) -> Iterator[Union[Doc, InputError]]:
    data = file.read()
    try:
        files.refuse_bomb(len(zlib.decompressobj().decompress(data, 2**27 + 2**7 * len(data))), len(data))
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
    docs = _make_docs(records, tokenizer or get_tokenizer(vocab), anomalies)
    return _raise_first(docs, anomalies, on_anomalies)
