"""The record: one document as its file has it, in the shape of BioC JSON, with what the file says around it."""

import json
import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, chain
from operator import attrgetter
from typing import Annotated, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

from pydantic import BeforeValidator, Field, StrictStr, TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict

from ..errors import InputError

Node = Dict[str, Any]


@dataclass
class Record:
    """One document of a file.

    document (Dict[str, Any]): The document in the shape of BioC JSON, unknown keys included.
    format (str): The format of its file.
    collection (Dict[str, Any]): What the file says about all its documents (source, date, key, infons ...).
    shape (str): How a JSON file holds its documents: "collection", "PubTator3", "list", "document" or "lines".
    doctype (Optional[str]): The document type declaration of an XML file.
    """

    document: Node
    format: str
    collection: Node = field(default_factory=dict)
    shape: str = "collection"
    doctype: Optional[str] = None

    @property
    def id(self) -> str:
        """The id of the document; empty if it has none."""
        identifier = self.document.get("id")
        return "" if identifier is None or not str(identifier).strip() else str(identifier)

    def dumps(self) -> str:
        """Make JSON of the record. A `Doc` carries it as JSON, because MessagePack would turn lists into tuples."""
        return dump_json(vars(self), self.id, "cannot be kept")

    @classmethod
    def loads(cls, text: str) -> "Record":
        """Make a new record of what `dumps` gave. RAISES (ValueError): If it is something else."""
        record = _RECORD.validate_python(json.loads(text))
        check_record(record, "the record")
        return record


def dump_json(value: Any, document: str, problem: str) -> str:
    """Make JSON of a value, in one line. RAISES (InputError): If it has something that no file can hold."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{problem}: {error}", document=document) from error
    return text


def iter_nodes(document: Node) -> Iterator[Tuple[Optional[int], Node]]:
    """Yield the parts of a document that can own annotations and relations, in BioC's order. Each comes with the number
    of its passage; the document itself, with None."""
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
    """What stands around the documents of a text file. The first document gives it, and each is text of its own: they
    can be made into text at any time and place, and joined later."""

    start: str
    between: str
    end: str
    alone: Optional[str] = None
    """What stands after a document that is alone and has nothing before it; None if it stands like one of many."""


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


class _Annotation(TypedDict):
    infons: NotRequired[_Infons]
    text: NotRequired[Optional[StrictStr]]
    locations: NotRequired[_ListOf[_Location]]


class _Relation(TypedDict):
    infons: NotRequired[_Infons]
    nodes: NotRequired[_ListOf[Node]]


class _Owner(TypedDict):
    infons: NotRequired[_Infons]
    annotations: NotRequired[_ListOf[_Annotation]]
    relations: NotRequired[_ListOf[_Relation]]


class _Sentence(_Owner):
    offset: _Count
    text: NotRequired[Optional[StrictStr]]


class _Passage(_Sentence):
    sentences: NotRequired[_ListOf[_Sentence]]


class _Document(_Owner):
    passages: _ListOf[_Passage]


class _Collection(TypedDict):
    infons: NotRequired[_Infons]


_RECORD = TypeAdapter(Record)
_SCHEMA: TypeAdapter[Any] = TypeAdapter(_Document)
_COLLECTION_SCHEMA: TypeAdapter[Any] = TypeAdapter(_Collection)


def check_record(record: Record, name: str) -> None:
    """Check that a record has the shape of BioC JSON, so that all that follows can rely on it. `name` is what to call
    its document where that has no id."""
    document = record.document
    if not isinstance(document, dict) or "passages" not in document:
        raise InputError(f"not BioC: {name} is not an object with passages")
    identifier = document.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, (str, int, type(None))):
        raise InputError(f"not BioC: the id of {name} is neither text nor a whole number")
    try:
        _SCHEMA.validate_python(document)
        _COLLECTION_SCHEMA.validate_python(record.collection)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"not BioC: {place}: {message}", document=record.id) from None


# What the offsets of files count, by codec, with the bytes of each: characters, bytes of UTF-8 (as the specification of
# BioC has it), or units of UTF-16 (as strings of Java and JavaScript do).
_UNITS = {"utf-32-le": 4, "utf-8": 1, "utf-16-le": 2}


class Segment(NamedTuple):
    """A stretch of text without a gap: a passage, or a sentence of a passage that has its text in its sentences. It
    starts at `offset` in the file's count, and at `start` in `doc.text`. `counts` says how much the file counts before
    each character and at the end."""

    passage: int
    offset: int
    start: int
    text: str
    node: Node
    counts: Sequence[int]

    def holds(self, offset: int, end: int) -> bool:
        """Whether all of a range in the file's count lies in it."""
        return self.offset <= offset and end <= self.offset + self.counts[-1]

    def to_character(self, offset: int) -> int:
        return self.start + bisect_left(self.counts, offset - self.offset)


class TextOffsets:
    """The text of a document: offsets in its file to characters of `doc.text` and back."""

    def __init__(self, document: Node, unit: str = "utf-32-le") -> None:
        self.segments: List[Segment] = []
        self.passages: Dict[int, Tuple[int, int]] = {}
        """Start and end of each passage that has text, in characters of `doc.text`."""
        position = 0
        for number, passage in enumerate(get_list(document, "passages")):
            for part in [passage] if passage.get("text") else get_list(passage, "sentences"):
                # Parts without text are left out: to join them would put spaces where no passage has any.
                if text := part.get("text"):
                    counts = _count_units(text, unit)
                    self.segments.append(Segment(number, part["offset"], position, text, part, counts))
                    start, _ = self.passages.get(number, (position, 0))
                    self.passages[number] = start, position + len(text)
                    position += len(text) + 1
        # One space between segments whatever the gap in the file, which may be 0, 1 or thousands.
        self.text = " ".join(segment.text for segment in self.segments)

    def to_characters(self, passage: Optional[int], offset: int, length: int) -> Tuple[int, int]:
        """Find in `doc.text` a location of an annotation that a passage, or (None) the document, owns."""
        end = offset + length
        own = (segment for segment in self.segments if segment.passage == passage)
        for segment in chain(own, self.segments):
            if segment.holds(offset, end):
                return segment.to_character(offset), segment.to_character(end)
        # From one part into another: PubTator's offsets run on from the title to the abstract.
        first, last = self._position(offset, 0), self._position(end, 1)
        if first is None or last is None or last < first:
            raise InputError(f"lies outside the text (offset {offset}, length {length})")
        return first, last

    def is_inside(self, passage: Optional[int], start: int, end: int) -> bool:
        """Whether a passage has a range of characters of `doc.text`; true if the passage is None."""
        first, last = (start, end) if passage is None else self.passages.get(passage, (end, start))
        return first <= start and end <= last

    def to_file(self, start: int, end: int) -> Tuple[Node, int, int]:
        """Find the passage or sentence in which a mention starts, and its offset and length in the file's count."""
        first, last = self._segment_at(start), self._segment_at(end - 1)
        offset = first.offset + first.counts[start - first.start]
        return first.node, offset, last.offset + last.counts[end - last.start] - offset

    def count_misfits(self, document: Node) -> int:
        """How many annotations in one piece have another text than stands at their offsets."""
        return sum(not self._fits(passage, part) for passage, part in iter_parts(document, "annotations"))

    def _fits(self, passage: Optional[int], annotation: Node) -> bool:
        places = get_list(annotation, "locations")
        if len(places) != 1 or not annotation.get("text"):
            return True
        try:
            start, end = self.to_characters(passage, places[0]["offset"], places[0]["length"])
        except InputError:
            return False
        return self.text[start:end] == annotation["text"]

    def _segment_at(self, character: int) -> Segment:
        return self.segments[bisect_right(self.segments, character, key=attrgetter("start")) - 1]

    def _position(self, offset: int, is_end: int) -> Optional[int]:
        """The character at which a mention starts or (`is_end` is 1) ends, which then belongs to the text before it."""
        for segment in self.segments:
            if segment.holds(offset - is_end, offset - is_end + 1):
                return segment.to_character(offset)
        for segment in self.segments[:-1]:
            # The space that joins two parts.
            if offset - is_end == segment.offset + segment.counts[-1]:
                return segment.start + len(segment.text) + is_end
        return None


def _count_units(text: str, unit: str) -> Sequence[int]:
    """How many units come before each character of a text, and at its end."""
    if text.isascii() or unit == "utf-32-le":
        return range(len(text) + 1)
    sizes = (len(character.encode(unit)) // _UNITS[unit] for character in text)
    return list(accumulate(sizes, initial=0))


def find_offsets(document: Node) -> TextOffsets:
    """Find where the text of a document stands in its file, which counts characters, or what fits more annotations."""
    offsets = TextOffsets(document)
    if offsets.text.isascii() or not offsets.count_misfits(document):
        return offsets
    candidates = (TextOffsets(document, unit) for unit in _UNITS)
    return min(candidates, key=lambda offsets: offsets.count_misfits(document))
