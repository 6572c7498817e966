"""PubTator: a title line, an abstract line, and lines of annotations and relations; blank lines between documents.

bioc's PubTator reader is not used: it takes lines without an identifier (GNormPlus, DrugProt) for relations, strips the
spaces that offsets count (NCBI Disease), drops a seventh column (BC5CDR), and prints what it cannot parse. Nor is its
writer: it writes "None" for a missing novelty and a tab after each line.
"""

import re
from typing import BinaryIO, Iterable, Iterator, List, Optional, Tuple, Union

from ..errors import InputError
from ..files import iter_lines
from .fields import annotations_by_id, identifier_field, mention_keys, relation_fields
from .record import NOT_IN_PUBTATOR, Anomalies, Envelope, Node, Record, TextOffsets, get_infons, get_list, iter_nodes

_TEXT_LINE = re.compile(r"([^|\t]+)\|([ta])\|(.*)", re.DOTALL)
_OFFSET = re.compile(r"[0-9]{1,12}")
# What tells the lines of annotations from those of relations.
_LIKE_OFFSET = re.compile(r"\s*[-+]?[0-9]")
_BREAKS = re.compile(r"[\t\n\r]")
_COLLECTION = {"source": "PubTator", "date": "", "key": "BioC.key", "infons": {}}
_FIRST_EXTRA_COLUMN = 7


def read_pubtator(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Read a PubTator file, one document at a time. Annotations and relations get ids as in BioRED's BioC files.

    file (BinaryIO): The file.
    YIELDS (Union[Record, InputError]): The documents; in place of one with a line that is not PubTator, its error.
    """
    block: Optional[_Block] = None
    # The document whose other lines are passed over, because one was wrong.
    skipped: Optional[str] = None
    for number, line, damage in iter_lines(file):
        text = line.removesuffix("\n").removesuffix("\r")
        if not text.strip():
            if block:
                yield block.make_record()
            block = skipped = None
            continue
        text_line = _TEXT_LINE.match(text)
        identifier = text_line[1] if text_line else text.split("\t")[0]
        is_title = text_line is not None and text_line[2] == "t"
        if skipped is not None:
            if not is_title or identifier == skipped:
                continue
            skipped = None
        if block and is_title and identifier != block.id:
            # A new document without a blank line before it.
            yield block.make_record()
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
                block.add_columns(text.split("\t"))
        except InputError as error:
            cause = error.cause if error is damage else f"line {number}: {error.cause}"
            yield InputError(cause, document=block.id if block else None)
            skipped = block.id if block else identifier
            block = None
    if block:
        yield block.make_record()


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
        passage: Node = {"infons": {"type": type}, "offset": offset, "text": text}
        self.passages.append({**passage, "sentences": [], "annotations": [], "relations": []})

    def add_columns(self, columns: List[str]) -> None:
        if len(columns) > 2 and _LIKE_OFFSET.match(columns[1]):
            self._add_annotation(columns)
        elif len(columns) in (4, 5):
            infons = {"entity1": columns[2], "entity2": columns[3], "type": columns[1]}
            if len(columns) == 5:
                infons["novel"] = columns[4]
            self.relations.append({"id": f"R{len(self.relations)}", "infons": infons, "nodes": []})
        else:
            raise InputError(f"neither text nor annotation nor relation ({len(columns)} columns)")

    def _add_annotation(self, columns: List[str]) -> None:
        start, end = _parse_offsets(columns[1], columns[2])
        if len(columns) < 5:
            raise InputError("an annotation needs id, start, end, text and type")
        infons = {"identifier": columns[5]} if len(columns) > 5 else {}
        infons["type"] = columns[4]
        # BC5CDR has the names of the parts of a composite mention here.
        for number, value in enumerate(columns[6:], _FIRST_EXTRA_COLUMN):
            infons[f"column{number}"] = value
        length = self.passages[-1]["offset"] + len(self.passages[-1]["text"])
        if end > length:
            raise InputError(f"the annotation {start} to {end} lies outside the text ({length} characters)")
        locations = [{"offset": start, "length": end - start}]
        self.annotations.append(
            {"id": str(len(self.annotations)), "infons": infons, "text": columns[3], "locations": locations}
        )

    def make_record(self) -> Record:
        for annotation in self.annotations:
            start = annotation["locations"][0]["offset"]
            owner = next(passage for passage in reversed(self.passages) if passage["offset"] <= start)
            owner["annotations"].append(annotation)
        document = {"id": self.id, "infons": {}, "passages": self.passages}
        return Record({**document, "annotations": [], "relations": self.relations}, "pubtator", dict(_COLLECTION))


def _parse_offsets(start: str, end: str) -> Tuple[int, int]:
    if not _OFFSET.fullmatch(start) or not _OFFSET.fullmatch(end) or int(end) < int(start):
        raise InputError(f"offsets {start!r} and {end!r} are not a range")
    return int(start), int(end)


def make_envelope(record: Record) -> Envelope:
    """Make the envelope of a PubTator file: blank lines, also after the last document."""
    return Envelope("", "\n\n", "\n\n")


def format_document(record: Record, anomalies: Anomalies) -> str:
    """Make the lines of a document. The first passage is the title; all others, joined by spaces, are the abstract.

    record (Record): The document.
    anomalies (Anomalies): Counts what PubTator cannot express.
    RETURNS (str): The lines.
    RAISES (InputError): If an id, type or identifier has a tab or a line break in it.
    """
    document = record.document
    offsets = TextOffsets(document)
    if "|" in record.id or _BREAKS.search(record.id):
        raise InputError("PubTator cannot have a bar, tab or line break in an id", document=record.id)
    title, rest, shift = "", offsets.text, 1
    if 0 in offsets.passages:
        # Sentences of a title are joined by spaces, too.
        end = offsets.passages[0][1]
        title, rest, shift = offsets.text[:end], offsets.text[end + 1 :], 0
    lines = [f"{record.id}|t|{_format_text(title, record)}"]
    if rest or len(get_list(document, "passages")) > 1 or record.format != "pubtator":
        lines.append(f"{record.id}|a|{_format_text(rest, record)}")
    lines.extend(_annotation_lines(record, offsets, shift, anomalies))
    lines.extend(_relation_lines(record, anomalies))
    return "\n".join(lines)


def _format_text(text: str, record: Record) -> str:
    # What came from PubTator has no line breaks, and may have tabs.
    return text if record.format == "pubtator" else _BREAKS.sub(" ", text)


def _annotation_lines(record: Record, offsets: TextOffsets, shift: int, anomalies: Anomalies) -> Iterator[str]:
    annotations = [
        (passage, annotation)
        for passage, node in iter_nodes(record.document)
        for annotation in get_list(node, "annotations")
    ]
    if record.format == "pubtator":
        # The order of the file, which need not be that of the text.
        annotations.sort(key=lambda item: int(item[1]["id"]))
    for passage, annotation in annotations:
        ranges = [(key.start, key.end) for key in mention_keys(annotation, passage, offsets)]
        if not ranges and record.format == "pubtator":
            offset = annotation["locations"][0]["offset"]
            ranges = [(offset - shift, offset - shift)]
        if not ranges:
            anomalies.add(NOT_IN_PUBTATOR, record.id, f"annotation {annotation.get('id')} has no location")
        for start, end in ranges:
            # PubTator has no discontinuous mentions: each piece has a line.
            own = annotation.get("text") if len(ranges) == 1 else None
            text = _BREAKS.sub(" ", offsets.text[start:end] if own is None else own)
            yield _join(record, str(start + shift), str(end + shift), text, *_type_columns(annotation))


def _type_columns(annotation: Node) -> List[str]:
    infons = get_infons(annotation)
    type = "" if infons.get("type") is None else str(infons["type"])
    identifier = identifier_field(annotation)
    extra: List[str] = []
    while (value := infons.get(f"column{_FIRST_EXTRA_COLUMN + len(extra)}")) is not None:
        extra.append(str(value))
    return [type, identifier, *extra] if identifier or extra or "identifier" in infons else [type]


def _relation_lines(record: Record, anomalies: Anomalies) -> Iterator[str]:
    annotations = annotations_by_id(record.document)
    for _, node in iter_nodes(record.document):
        for relation in get_list(node, "relations"):
            if record.format == "pubtator":
                infons = get_infons(relation)
                keys: Iterable[str] = ("type", "entity1", "entity2", "novel")
                yield _join(record, *(str(infons[key]) for key in keys if key in infons))
                continue
            fields = relation_fields(relation, annotations)
            if fields is None or _LIKE_OFFSET.match(fields.type):
                anomalies.add(NOT_IN_PUBTATOR, record.id, f"relation {relation.get('id')} has no line")
                continue
            novelty = [] if fields.novelty is None else [fields.novelty]
            yield _join(record, fields.type, fields.source.field, fields.target.field, *novelty)


def _join(record: Record, *columns: str) -> str:
    for column in columns:
        if _BREAKS.search(column):
            raise InputError(f"PubTator cannot have a tab or line break in {column!r}", document=record.id)
    return "\t".join([record.id, *columns])
