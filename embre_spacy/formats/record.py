"""The record: one document as its file has it, in the shape of BioC JSON, with what the file says around it."""

import json
import warnings
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

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
        return str(self.document["id"])

    def dumps(self) -> str:
        """The record as a string, the form in which a `Doc` carries it: MessagePack would turn lists into tuples.

        RETURNS (str): JSON.
        RAISES (InputError): If the record has something that no file can hold.
        """
        try:
            text = json.dumps(vars(self), ensure_ascii=False, allow_nan=False)
            text.encode("utf-8")
        except (RecursionError, ValueError) as error:  # a UnicodeEncodeError is a ValueError
            cause = "half a surrogate pair in it" if isinstance(error, UnicodeError) else "it is nested too deeply"
            raise InputError(f"cannot be kept: {cause}", document=self.id) from error
        return text

    @classmethod
    def loads(cls, text: str) -> "Record":
        """The record of a string that `dumps` made.

        text (str): JSON.
        RETURNS (Record): A record of its own, free to be changed.
        """
        return cls(**json.loads(text))


def iter_nodes(document: Node) -> Iterator[Tuple[Optional[int], Node]]:
    """All parts of a document that can own annotations and relations, in the order in which BioC has them.

    document (Dict[str, Any]): The document.
    YIELDS (Tuple[Optional[int], Dict[str, Any]]): The number of the passage (None for the document), and the part.
    """
    for number, passage in enumerate(get_list(document, "passages")):
        for sentence in get_list(passage, "sentences"):
            yield number, sentence
        yield number, passage
    yield None, document


def get_list(node: Node, key: str) -> List[Any]:
    """A list of a part; empty where it is missing or null.

    node (Dict[str, Any]): The part.
    key (str): The name of the list.
    RETURNS (List[Any]): The list.
    """
    return node.get(key) or []


def get_infons(node: Node) -> Dict[str, Any]:
    """The infons of a part; empty where they are missing or null.

    node (Dict[str, Any]): The part.
    RETURNS (Dict[str, Any]): The infons.
    """
    return node.get("infons") or {}


TEXT_DIFFERS = "annotations whose text differs from the characters at their offsets"
NO_LOCATION = "annotations without a location, or of no length"
OTHER_PASSAGE = "annotations outside their passage"
NO_SUCH_CONCEPT = "relations with an identifier that no annotation has"
NOT_UNDERSTOOD = "relations that are not between two concepts"
NOT_BIOC = "XML elements, attributes and text that BioC does not have (left out)"
# These are met in writing.
NOT_IN_PUBTATOR = "annotations and relations that PubTator cannot express (left out)"


def warn(line: str) -> None:
    """Warn of anomalies where the caller reads or writes: two frames up, past the reader or writer itself."""
    warnings.warn(line, UserWarning, stacklevel=3)


class Anomalies:
    """Counts the anomalies of one file, or refuses the first.

    strict (bool): Whether an anomaly is an error.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        # How many there are of each kind, and the first of them: its document and what it is.
        self.counts: Dict[str, Tuple[int, str, str]] = {}

    def add(self, kind: str, document: str, detail: str) -> None:
        """Count an anomaly.

        kind (str): One of the kinds above.
        document (str): The id of the document.
        detail (str): What it is, as a phrase.
        RAISES (InputError): If anomalies are errors.
        """
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
            f"{kind}: {count} (first in document {document}: {detail})"
            for kind, (count, document, detail) in self.counts.items()
        )


def check_document(document: Any, number: int) -> None:
    """Refuse a document that is no BioC.

    document (Any): What the file holds.
    number (int): Which document of the file it is, from 1; its name in messages until its id is known.
    RAISES (InputError): If it does not have the shape of a BioC document.
    """
    if not isinstance(document, dict) or "passages" not in document:
        raise InputError(f"not BioC: item {number} is not a document with passages")
    identifier = document.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, (str, int)) or not str(identifier).strip():
        raise InputError(f"document {number} of the file has no id")
    try:
        _check_owner(document, "the document")
        for passage_number, passage in enumerate(_check_list(document, "passages", "the document")):
            _check_text(passage, f"passage {passage_number}")
            for sentence_number, sentence in enumerate(_check_list(passage, "sentences", f"passage {passage_number}")):
                _check_text(sentence, f"sentence {sentence_number} of passage {passage_number}")
    except InputError as error:
        raise InputError(f"not BioC: {error.cause}", document=str(identifier)) from None


def _check_text(node: Node, name: str) -> None:
    _check_owner(node, name)
    _check_number(node, "offset", name)
    if not isinstance(node.get("text"), (str, type(None))):
        raise InputError(f"the text of {name} is not a string")


def _check_owner(node: Node, name: str) -> None:
    _check_infons(node, name)
    for annotation in _check_list(node, "annotations", name):
        label = f"annotation {annotation.get('id')}"
        _check_infons(annotation, label)
        if not isinstance(annotation.get("text"), (str, type(None))):
            raise InputError(f"the text of {label} is not a string")
        for location in _check_list(annotation, "locations", label):
            _check_number(location, "offset", f"a location of {label}")
            _check_number(location, "length", f"a location of {label}")
    for relation in _check_list(node, "relations", name):
        _check_infons(relation, f"relation {relation.get('id')}")
        _check_list(relation, "nodes", f"relation {relation.get('id')}")


def _check_infons(node: Node, name: str) -> None:
    if not isinstance(node.get("infons"), (dict, type(None))):
        raise InputError(f"the infons of {name} are not an object")


def _check_list(node: Node, key: str, name: str) -> list:
    if not isinstance(node.get(key), (list, type(None))):
        raise InputError(f"the {key} of {name} are not a list")
    if not all(isinstance(item, dict) for item in get_list(node, key)):
        raise InputError(f"the {key} of {name} are not all objects")
    return get_list(node, key)


def _check_number(node: Node, key: str, name: str) -> None:
    value = node.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**12:
        raise InputError(f"the {key} of {name} is not a whole number from 0")


@dataclass(frozen=True)
class Segment:
    """A stretch of text without a gap: a passage, or a sentence of a passage that has its text in its sentences.

    passage (int): The number of its passage.
    offset (int): Where it starts in the file's count.
    start (int): Where it starts in `doc.text`.
    text (str): The text.
    owner (Dict[str, Any]): The passage or sentence.
    """

    passage: int
    offset: int
    start: int
    text: str
    owner: Node

    def holds(self, offset: int, end: int) -> bool:
        """Whether it holds a range of the file's count.

        offset (int), end (int): The range.
        RETURNS (bool): Whether all of it lies inside.
        """
        return self.offset <= offset and end <= self.offset + len(self.text)


class TextOffsets:
    """The text of a document and where its parts come from.

    document (Dict[str, Any]): The document in the shape of BioC JSON.
    """

    def __init__(self, document: Node) -> None:
        self.segments: List[Segment] = []
        position = 0
        for number, passage in enumerate(get_list(document, "passages")):
            parts = [passage] if passage.get("text") else get_list(passage, "sentences")
            for part in parts:
                # Parts without text take no part: joining them would leave spaces that are in no passage.
                if part.get("text"):
                    self.segments.append(Segment(number, part["offset"], position, part["text"], part))
                    position += len(part["text"]) + 1
        # One space between passages whatever the gap in the file, which may be 0, 1 or thousands.
        self.text = " ".join(segment.text for segment in self.segments)

    def to_characters(self, passage: Optional[int], offset: int, length: int) -> Tuple[int, int, bool]:
        """Find a location of an annotation.

        passage (Optional[int]): The number of the passage that owns the annotation; None if the document does.
        offset (int), length (int): The location, in the file's count.
        RETURNS (Tuple[int, int, bool]): Start and end in `doc.text`, and whether the passage holds them.
        RAISES (InputError): If it lies outside the text.
        """
        end = offset + length
        own = [segment for segment in self.segments if segment.passage == passage]
        for segment in [*own, *self.segments]:
            if segment.holds(offset, end):
                start = segment.start + offset - segment.offset
                return start, start + length, passage is None or segment.passage == passage
        # From one part into another: PubTator's offsets run on from the title to the abstract.
        first, last = self._position(offset, 0), self._position(end, 1)
        if first is None or last is None or last < first:
            raise InputError(f"lies outside the text (offset {offset}, length {length})")
        return first, last, False

    def to_file(self, start: int, end: int) -> Tuple[Node, int, int]:
        """Say where a mention lies in the file's count.

        start (int), end (int): The mention in characters of `doc.text`.
        RETURNS (Tuple[Dict[str, Any], int, int]): The passage or sentence that holds its start, its offset, its length.
        """
        first = self._segment_at(start)
        last = self._segment_at(end - 1)
        offset = start - first.start + first.offset
        return first.owner, offset, end - last.start + last.offset - offset

    def _segment_at(self, character: int) -> Segment:
        return [segment for segment in self.segments if segment.start <= character][-1]

    def _position(self, offset: int, is_end: int) -> Optional[int]:
        """A character that a mention starts at, or one that it ends before, which belongs to the text before it."""
        for segment in self.segments:
            if segment.holds(offset - is_end, offset - is_end + 1):
                return segment.start + offset - segment.offset
        for segment in self.segments[:-1]:
            # The space that joins two parts.
            if offset - is_end == segment.offset + len(segment.text):
                return segment.start + offset - segment.offset
        return None


class Envelope(NamedTuple):
    """What stands around and between documents.

    start (str): What stands before the first.
    between (str): What stands between two.
    end (str): What stands after the last.
    alone (Optional[str]): What stands after a document that is the only one, and has nothing before it then; None if
        one document is framed like many.
    """

    start: str
    between: str
    end: str
    alone: Optional[str] = None
