"""The record: one document as its file has it, in the shape of BioC JSON, with what the file says around it."""

import json
import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, chain
from operator import attrgetter
from typing import Annotated, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

from pydantic import BeforeValidator, Field, StrictStr, TypeAdapter, ValidationError
from typing_extensions import Required, TypedDict

from ..errors import InputError
from ..files import FORMATS

Node = Dict[str, Any]


# The schema of what is relied on. Other keys, and ids of any kind, are kept as they are.
_Count = Annotated[int, Field(strict=True, ge=0, lt=10**12)]
# PHP writes an empty object as [], Lua an empty list as {}, and converters from XML either of them as "".
_empty_as_null = BeforeValidator(lambda value: None if value in ([], {}, "") else value)
_Infons = Annotated[Optional[Dict[StrictStr, Any]], _empty_as_null]
_Item = TypeVar("_Item")
_ListOf = Annotated[Optional[List[_Item]], _empty_as_null]


class _Location(TypedDict):
    offset: _Count
    length: _Count


class _Part(TypedDict, total=False):
    infons: _Infons


class _Annotation(_Part, total=False):
    text: Optional[StrictStr]
    locations: _ListOf[_Location]


class _Relation(_Part, total=False):
    nodes: _ListOf[Node]


class _Owner(_Part, total=False):
    annotations: _ListOf[_Annotation]
    relations: _ListOf[_Relation]


class _Passage(_Owner, total=False):  # or a sentence
    offset: Required[_Count]
    text: Optional[StrictStr]
    sentences: _ListOf["_Passage"]


class _Document(_Owner):
    passages: _ListOf[_Passage]


@dataclass
class Record:
    """One document of a file."""

    document: Node  # in the shape of BioC JSON, unknown keys included
    format: str  # of its file
    collection: Node = field(default_factory=dict)  # what the file says about all its documents (source, date, infons)
    shape: str = "collection"  # how a JSON file holds documents: "collection", "PubTator3", "list", "document", "lines"
    doctype: Optional[str] = None  # the document type declaration of an XML file

    @property
    def id(self) -> str:
        """The id of the document; empty if it has none."""
        identifier = self.document.get("id") if isinstance(self.document, dict) else None
        return "" if identifier is None or str(identifier).isspace() else str(identifier)

    def dumps(self) -> str:
        """Make JSON of the record. A `Doc` carries it as JSON, because MessagePack would turn lists into tuples."""
        return dump_json(vars(self), self.id, "cannot be kept")

    @classmethod
    def loads(cls, text: str) -> "Record":
        """Make a new record of what `dumps` gave. RAISES (ValueError): If it is something else."""
        record = _RECORD.validate_python(json.loads(text))
        check_record(record, "the record")
        return record


_RECORD = TypeAdapter(Record)
_DOCUMENT: TypeAdapter[Any] = TypeAdapter(_Document)
_COLLECTION: TypeAdapter[Any] = TypeAdapter(_Part)


def check_record(record: Record, name: str) -> None:
    """Check that a record has the shape of BioC JSON. `name` is what to call its document where that has no id."""
    document = record.document
    if not isinstance(document, dict) or "passages" not in document:
        raise InputError(f"not BioC: {name} is not an object with passages, nor one with a text")
    identifier = document.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, (str, int, type(None))):
        raise InputError(f"not BioC: the id of {name} is neither text nor a whole number")
    if not document["passages"] and record.format not in FORMATS:
        raise InputError("it has no text", document=record.id)
    try:
        _DOCUMENT.validate_python(document)
        _COLLECTION.validate_python(record.collection)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"not BioC: {place}: {message}", document=record.id) from None


def dump_json(value: Any, document: str, problem: str) -> str:
    """Make JSON of a value, in one line. RAISES (InputError): If it has something that no file can hold."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{problem}: {error}", document=document) from error
    return text


def iter_nodes(document: Node) -> Iterator[Tuple[Optional[int], Node]]:
    """Yield the parts of a document that can own annotations and relations, with the number of their passage."""
    for number, passage in enumerate(get_list(document, "passages")):
        for sentence in get_list(passage, "sentences"):
            yield number, sentence
        yield number, passage
    yield None, document


def iter_parts(document: Node, key: str) -> Iterator[Tuple[Optional[int], Node]]:
    """Yield the "annotations" or "relations" of all parts of a document, as `iter_nodes` yields these."""
    for passage, node in iter_nodes(document):
        for part in get_list(node, key):
            yield passage, part


def get_list(node: Node, key: str) -> List[Any]:
    """A list of a node; empty where it is missing or null."""
    return node.get(key) or []


def get_infons(node: Node) -> Dict[str, Any]:
    """The infons of a node; empty where they are missing or null."""
    return node.get("infons") or {}


class Envelope(NamedTuple):
    """What stands around the documents of a text file. Each document is text of its own, which can be joined later."""

    start: str
    between: str
    end: str
    alone: Optional[str] = None  # what stands after a document that is alone, if nothing is to stand before it


class Anomalies:
    """Counts what is wrong with a file and can be kept all the same; if strict, refuses the first."""

    # Kinds that reading meets.
    TEXT_DIFFERS = "annotations whose text differs from the characters at their offsets"
    NO_LOCATION = "annotations without a location, or of no length"
    OTHER_PASSAGE = "annotations outside their passage"
    UNKNOWN_KEY = "annotations without a known identifier, though another infon looks like one"
    NO_SUCH_CONCEPT = "relations with an identifier that no annotation has"
    NOT_UNDERSTOOD = "relations that are not between two concepts"
    NOT_BIOC = "XML elements, attributes and text that BioC does not have (left out)"
    # Kinds that writing meets.
    NOT_IN_PUBTATOR = "annotations and relations that PubTator cannot express (left out)"
    NOT_IN_XML = "keys of JSON that BioC XML cannot express (left out)"

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        # How many there are of each kind, and the first of them: its document and what it is.
        self.counts: Dict[str, Tuple[int, str, str]] = {}

    def add(self, kind: str, document: str, detail: str) -> None:
        """Count an anomaly of a document. RAISES (InputError): If anomalies are errors."""
        if self.strict:
            raise InputError(detail, document=document)
        self.update({kind: (1, document, detail)})

    def update(self, counts: Mapping[str, Tuple[int, str, str]]) -> None:
        """Add the `counts` of anomalies that come after these."""
        for kind, (count, document, detail) in counts.items():
            before, *first = self.counts.get(kind, (0, document, detail))
            self.counts[kind] = (before + count, *first)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        return "; ".join(
            f"{kind}: {count} (first in document {document or 'without an id'}: {detail})"
            for kind, (count, document, detail) in self.counts.items()
        )


def warn(line: str) -> None:
    """Warn of anomalies at the line that uses the function which calls this one."""
    warnings.warn(line, UserWarning, stacklevel=3)


# What the offsets of files count, by codec, with the bytes of each: characters, bytes of UTF-8 (as the specification of
# BioC has it), or units of UTF-16 (as strings of Java and JavaScript do).
_UNITS = {"utf-32-le": 4, "utf-8": 1, "utf-16-le": 2}


class Segment(NamedTuple):
    """A stretch of text without a gap: a passage, or a sentence of a passage that has its text in its sentences."""

    passage: int
    node: Node
    start: int  # in `doc.text`
    offsets: Sequence[int]  # of each character and the end, as the file counts

    def to_character(self, offset: int) -> int:
        return self.start + bisect_left(self.offsets, offset)


class TextOffsets:
    """The text of a document: offsets in its file to characters of `doc.text` and back."""

    def __init__(self, document: Node, unit: str = "utf-32-le") -> None:
        self.segments: List[Segment] = []
        # Start and end of each passage that has text, in characters of `doc.text`.
        self.passages: Dict[int, Tuple[int, int]] = {}
        position = 0
        for number, passage in enumerate(get_list(document, "passages")):
            for part in [passage] if passage.get("text") else get_list(passage, "sentences"):
                # Parts without text are left out: to join them would put spaces where no passage has any.
                if text := part.get("text"):
                    self.segments.append(Segment(number, part, position, _find_offsets(text, part["offset"], unit)))
                    start, _ = self.passages.get(number, (position, 0))
                    self.passages[number] = start, position + len(text)
                    position += len(text) + 1
        # One space between segments whatever the gap in the file, which may be 0, 1 or thousands.
        self.text = " ".join(segment.node["text"] for segment in self.segments)

    def to_characters(self, passage: Optional[int], offset: int, length: int) -> Tuple[int, int]:
        """Find in `doc.text` a location of an annotation that a passage, or (None) the document, owns."""
        end = offset + length
        own = (segment for segment in self.segments if segment.passage == passage)
        for segment in chain(own, self.segments):
            if segment.offsets[0] <= offset and end <= segment.offsets[-1]:
                return segment.to_character(offset), segment.to_character(end)
        # From one part into another: PubTator's offsets run on from the title to the abstract.
        first, last = self._position(offset, 0), self._position(end, 1)
        if first is None or last is None or last < first:
            raise InputError(f"lies outside the text (offset {offset}, length {length})")
        return first, last

    def to_file(self, start: int, end: int) -> Tuple[Node, int, int]:
        """Find the passage or sentence in which a mention starts, and its offset and length in the file's count."""
        numbers = (bisect_right(self.segments, place, key=attrgetter("start")) - 1 for place in (start, end - 1))
        first, last = (self.segments[number] for number in numbers)
        offset = first.offsets[start - first.start]
        return first.node, offset, last.offsets[end - last.start] - offset

    def fits(self, passage: Optional[int], annotation: Node) -> bool:
        """Whether an annotation that is in one piece and has a text has the text that stands at its offsets."""
        places = get_list(annotation, "locations")
        if len(places) != 1 or not annotation.get("text"):
            return True
        try:
            start, end = self.to_characters(passage, places[0]["offset"], places[0]["length"])
        except InputError:
            return False
        return self.text[start:end] == annotation["text"]

    def _position(self, offset: int, is_end: int) -> Optional[int]:
        """The character at which a mention starts or (`is_end` is 1) ends, which then belongs to the text before it."""
        # If no part holds it, it may be the space that joins a part to the next.
        for space, segments in ((0, self.segments), (1, self.segments[:-1])):
            for segment in segments:
                if segment.offsets[0] <= offset - is_end < segment.offsets[-1] + space:
                    return segment.to_character(offset)
        return None


def _find_offsets(text: str, offset: int, unit: str) -> Sequence[int]:
    """The offset of each character of a text, and of its end."""
    if text.isascii() or unit == "utf-32-le":
        return range(offset, offset + len(text) + 1)
    sizes = (len(character.encode(unit)) // _UNITS[unit] for character in text)
    return list(accumulate(sizes, initial=offset))


def find_offsets(document: Node) -> TextOffsets:
    """Find where the text of a document stands in its file, which counts characters, or what fits more annotations."""
    offsets = TextOffsets(document)
    if offsets.text.isascii() or all(offsets.fits(*part) for part in iter_parts(document, "annotations")):
        return offsets
    annotations = list(iter_parts(document, "annotations"))
    candidates = (TextOffsets(document, unit) for unit in _UNITS)
    return max(candidates, key=lambda candidate: sum(candidate.fits(*annotation) for annotation in annotations))
