"""Records to PubTator. bioc's writer is not used: it writes "None" for a missing novelty and a tab after each line."""

import re
from typing import List

from ..errors import InputError
from .anomalies import NOT_IN_PUBTATOR, Anomalies
from .frame import Frame
from .layout import Layout
from .mention_fields import annotations_by_id, identifier_field, mention_keys
from .pubtator_reader import LIKE_OFFSET
from .record import Node, Record, children, infons, owners
from .relation_fields import relation_fields

_BREAKS = re.compile(r"[\t\n\r]")


def pubtator_frame(record: Record) -> Frame:
    """What stands around the documents of a PubTator file.

    record (Record): The first document.
    RETURNS (Frame): The frame: blank lines, after the last document too.
    """
    return Frame("", "\n\n", "\n\n")


def pubtator_fragment(record: Record, anomalies: Anomalies) -> str:
    """A document as PubTator. The first passage is the title; all others, joined by spaces, are the abstract.

    record (Record): The document.
    anomalies (Anomalies): Where to report what PubTator cannot express.
    RETURNS (str): Its lines.
    RAISES (InputError): If an id, type or identifier has a tab or a line break in it.
    """
    return "\n".join(_lines(record, anomalies))


def _lines(record: Record, anomalies: Anomalies) -> List[str]:
    document = record.document
    layout = Layout(document)
    if "|" in record.id or _BREAKS.search(record.id):
        raise InputError("PubTator cannot have a bar, tab or line break in an id", document=record.id)
    title = "".join(segment.text for segment in layout.segments if segment.passage == 0)
    rest = layout.text
    shift = 1
    if title:
        # Sentences of a title are joined by spaces too: count where the second passage starts.
        start = next((segment.start for segment in layout.segments if segment.passage > 0), len(layout.text) + 1)
        title, rest, shift = layout.text[: start - 1], layout.text[start:], 0
    lines = [f"{record.id}|t|{_text(title, record)}"]
    if rest or len(children(document, "passages")) > 1 or record.format != "pubtator":
        lines.append(f"{record.id}|a|{_text(rest, record)}")
    lines.extend(_annotation_lines(record, layout, shift, anomalies))
    lines.extend(_relation_lines(record, anomalies))
    return lines


def _annotation_lines(record: Record, layout: Layout, shift: int, anomalies: Anomalies) -> List[str]:
    found = [
        (passage, annotation)
        for passage, owner in owners(record.document)
        for annotation in children(owner, "annotations")
    ]
    if record.format == "pubtator":
        # The order of the file, which need not be that of the text.
        found.sort(key=lambda item: int(item[1]["id"]))
    lines = []
    for passage, annotation in found:
        keys = mention_keys(annotation, passage, layout)
        ranges = [(key.start, key.end) for key in keys]
        if not ranges and record.format == "pubtator":
            offset = annotation["locations"][0]["offset"]
            ranges = [(offset - shift, offset - shift)]
        if not ranges:
            anomalies.add(NOT_IN_PUBTATOR, record.id, f"annotation {annotation.get('id')} has no location")
        for start, end in ranges:
            # PubTator has no discontinuous mentions: each piece has a line.
            own = annotation.get("text") if len(ranges) == 1 else None
            text = layout.text[start:end] if own is None else own
            columns = [record.id, str(start + shift), str(end + shift), _BREAKS.sub(" ", text)]
            lines.append("\t".join([*map(_Column(record), columns), *_type_columns(annotation, record)]))
    return lines


def _type_columns(annotation: Node, record: Record) -> List[str]:
    found = infons(annotation)
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
    for _, owner in owners(record.document):
        for relation in children(owner, "relations"):
            fields = relation_fields(relation, annotations)
            found = infons(relation)
            if fields is not None and not LIKE_OFFSET.match(fields.type):
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
