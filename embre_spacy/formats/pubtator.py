"""PubTator to records.

bioc's PubTator reader is not used: it takes lines without an identifier (GNormPlus, DrugProt) for relations, strips the
spaces that offsets count (NCBI Disease), drops a seventh column (BC5CDR), and prints what it cannot parse.
"""

import re
from typing import BinaryIO, Iterator, List, Optional, Tuple, Union

from ..errors import InputError
from ..files import iter_lines
from .fields import annotations_by_id, identifier_field, mention_keys, relation_fields
from .record import NOT_IN_PUBTATOR, Anomalies, Envelope, Node, Record, TextOffsets, get_infons, get_list, iter_nodes

_TEXT_LINE = re.compile(r"([^|\t]+)\|([ta])\|(.*)", re.DOTALL)
_OFFSET = re.compile(r"[0-9]{1,12}")
# What tells the lines of annotations from those of relations.
_LIKE_OFFSET = re.compile(r"\s*[-+]?[0-9]")
_COLLECTION = {"source": "PubTator", "date": "", "key": "BioC.key", "infons": {}}
_FIRST_EXTRA_COLUMN = 7


def read_pubtator(file: BinaryIO, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
    """Read a PubTator file, one document at a time.

    file (BinaryIO): The file.
    anomalies (Anomalies): Where to report what is odd. PubTator has nothing of that kind.
    YIELDS (Union[Record, InputError]): Its documents, and for one with a line that is not PubTator what is wrong.
        Annotations and relations are numbered as BioRED's BioC files number them.
    """
    block: Optional[_Block] = None
    # The document whose other lines are passed over, because one was wrong.
    skipped: Optional[str] = None
    for number, line, damage in iter_lines(file):
        line = line.removesuffix("\n").removesuffix("\r")
        if not line.strip():
            if block:
                yield block.record()
            block = skipped = None
            continue
        text_line = _TEXT_LINE.match(line)
        identifier = text_line[1] if text_line else line.split("\t")[0]
        is_title = text_line is not None and text_line[2] == "t"
        if skipped is not None:
            if not is_title or identifier == skipped:
                continue
            skipped = None
        if block and is_title and identifier != block.id:
            # A new document without a blank line before it.
            yield block.record()
            block = None
        try:
            if damage:
                raise damage
            if block is None:
                if not is_title:
                    raise InputError("a document must start with its title (id|t|title)")
                block = _Block(identifier)
            if identifier != block.id:
                raise InputError(f"it belongs to document {identifier!r}")
            if text_line:
                block.add_text(text_line[2], text_line[3])
            else:
                block.add_columns(line.split("\t"))
        except InputError as error:
            cause = error.cause if error is damage else f"line {number}: {error.cause}"
            yield InputError(cause, document=block.id if block else None)
            skipped = block.id if block else identifier
            block = None
    if block:
        yield block.record()


class _Block:
    """The lines of one document."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.passages: List[Node] = []
        self.annotations: List[Node] = []
        self.relations: List[Node] = []

    def add_text(self, kind: str, text: str) -> None:
        offset = 0
        type = "title" if kind == "t" else "abstract"
        if kind == "a" and not self.passages:
            raise InputError("the abstract comes before the title")
        if len(self.passages) != (kind == "a"):
            raise InputError(f"a second {type} of one document")
        if kind == "a":
            offset = len(self.passages[0]["text"]) + 1
        self.passages.append(
            {"infons": {"type": type}, "offset": offset, "text": text}
            | {"sentences": [], "annotations": [], "relations": []}
        )

    def add_columns(self, columns: List[str]) -> None:
        if len(columns) > 2 and _LIKE_OFFSET.match(columns[1]):
            self._add_annotation(columns)
        elif len(columns) in (4, 5):
            found = {"entity1": columns[2], "entity2": columns[3], "type": columns[1]}
            if len(columns) == 5:
                found["novel"] = columns[4]
            self.relations.append({"id": f"R{len(self.relations)}", "infons": found, "nodes": []})
        else:
            raise InputError(f"neither text nor annotation nor relation ({len(columns)} columns)")

    def _add_annotation(self, columns: List[str]) -> None:
        start, end = _offsets(columns[1], columns[2])
        if len(columns) < 5:
            raise InputError("an annotation needs id, start, end, text and type")
        found = {}
        if len(columns) > 5:
            found["identifier"] = columns[5]
        found["type"] = columns[4]
        # BC5CDR has the names of the parts of a composite mention here.
        for number, value in enumerate(columns[6:], _FIRST_EXTRA_COLUMN):
            found[f"column{number}"] = value
        if end > self._length():
            raise InputError(f"the annotation {start} to {end} lies outside the text ({self._length()} characters)")
        self.annotations.append(
            {
                "id": str(len(self.annotations)),
                "infons": found,
                "text": columns[3],
                "locations": [{"offset": start, "length": end - start}],
            }
        )

    def _length(self) -> int:
        return self.passages[-1]["offset"] + len(self.passages[-1]["text"])

    def record(self) -> Record:
        for annotation in self.annotations:
            start = annotation["locations"][0]["offset"]
            owner = next(passage for passage in reversed(self.passages) if passage["offset"] <= start)
            owner["annotations"].append(annotation)
        document = {"id": self.id, "infons": {}, "passages": self.passages}
        return Record({**document, "annotations": [], "relations": self.relations}, "pubtator", dict(_COLLECTION))


def _offsets(start: str, end: str) -> Tuple[int, int]:
    if not _OFFSET.fullmatch(start) or not _OFFSET.fullmatch(end) or int(end) < int(start):
        raise InputError(f"offsets {start!r} and {end!r} are not a range")
    return int(start), int(end)


_BREAKS = re.compile(r"[\t\n\r]")


def make_envelope(record: Record) -> Envelope:
    """What stands around the documents of a PubTator file.

    record (Record): The first document.
    RETURNS (Envelope): The envelope: blank lines, after the last document too.
    """
    return Envelope("", "\n\n", "\n\n")


def format_document(record: Record, anomalies: Anomalies) -> str:
    """A document as PubTator. The first passage is the title; all others, joined by spaces, are the abstract.

    record (Record): The document.
    anomalies (Anomalies): Where to report what PubTator cannot express.
    RETURNS (str): Its lines.
    RAISES (InputError): If an id, type or identifier has a tab or a line break in it.
    """
    return "\n".join(_lines(record, anomalies))


def _lines(record: Record, anomalies: Anomalies) -> List[str]:
    document = record.document
    offsets = TextOffsets(document)
    if "|" in record.id or _BREAKS.search(record.id):
        raise InputError("PubTator cannot have a bar, tab or line break in an id", document=record.id)
    title = "".join(segment.text for segment in offsets.segments if segment.passage == 0)
    rest = offsets.text
    shift = 1
    if title:
        # Sentences of a title are joined by spaces too: count where the second passage starts.
        start = next((segment.start for segment in offsets.segments if segment.passage > 0), len(offsets.text) + 1)
        title, rest, shift = offsets.text[: start - 1], offsets.text[start:], 0
    lines = [f"{record.id}|t|{_text(title, record)}"]
    if rest or len(get_list(document, "passages")) > 1 or record.format != "pubtator":
        lines.append(f"{record.id}|a|{_text(rest, record)}")
    lines.extend(_annotation_lines(record, offsets, shift, anomalies))
    lines.extend(_relation_lines(record, anomalies))
    return lines


def _annotation_lines(record: Record, offsets: TextOffsets, shift: int, anomalies: Anomalies) -> List[str]:
    found = [
        (passage, annotation)
        for passage, owner in iter_nodes(record.document)
        for annotation in get_list(owner, "annotations")
    ]
    if record.format == "pubtator":
        # The order of the file, which need not be that of the text.
        found.sort(key=lambda item: int(item[1]["id"]))
    lines = []
    for passage, annotation in found:
        keys = mention_keys(annotation, passage, offsets)
        ranges = [(key.start, key.end) for key in keys]
        if not ranges and record.format == "pubtator":
            offset = annotation["locations"][0]["offset"]
            ranges = [(offset - shift, offset - shift)]
        if not ranges:
            anomalies.add(NOT_IN_PUBTATOR, record.id, f"annotation {annotation.get('id')} has no location")
        for start, end in ranges:
            # PubTator has no discontinuous mentions: each piece has a line.
            own = annotation.get("text") if len(ranges) == 1 else None
            text = offsets.text[start:end] if own is None else own
            columns = [record.id, str(start + shift), str(end + shift), _BREAKS.sub(" ", text)]
            lines.append("\t".join([*map(_Column(record), columns), *_type_columns(annotation, record)]))
    return lines


def _type_columns(annotation: Node, record: Record) -> List[str]:
    found = get_infons(annotation)
    columns = ["" if found.get("type") is None else str(found["type"])]
    identifier = identifier_field(annotation)
    extra = []
    while (value := found.get(f"column{7 + len(extra)}")) is not None:
        extra.append(str(value))
    if identifier or extra or "identifier" in found:
        columns.append(identifier)
    return list(map(_Column(record), [*columns, *extra]))


def _relation_lines(record: Record, anomalies: Anomalies) -> List[str]:
    annotations = annotations_by_id(record.document)
    lines = []
    for _, owner in iter_nodes(record.document):
        for relation in get_list(owner, "relations"):
            fields = relation_fields(relation, annotations)
            found = get_infons(relation)
            if fields is not None and not _LIKE_OFFSET.match(fields.type):
                sides = [fields.source.field, fields.target.field]
                columns = [fields.type, *sides, *([] if fields.novelty is None else [fields.novelty])]
            elif record.format != "pubtator":
                anomalies.add(NOT_IN_PUBTATOR, record.id, f"relation {relation.get('id')} has no line")
                continue
            if record.format == "pubtator":
                columns = [str(found[key]) for key in ("type", "entity1", "entity2", "novel") if key in found]
            lines.append("\t".join(map(_Column(record), [record.id, *columns])))
    return lines


def _text(text: str, record: Record) -> str:
    # What came from PubTator has no line breaks, and may have tabs.
    return text if record.format == "pubtator" else _BREAKS.sub(" ", text)


class _Column:
    """Refuses what would break a line into other columns."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def __call__(self, value: str) -> str:
        if _BREAKS.search(value):
            raise InputError(f"PubTator cannot have a tab or line break in {value!r}", document=self.record.id)
        return value
