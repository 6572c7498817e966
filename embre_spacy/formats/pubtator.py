"""PubTator: a title line, an abstract line, and lines of annotations and relations; blank lines between documents.

bioc's reader is not used: it takes lines without an identifier (GNormPlus, DrugProt) for relations, strips spaces that
offsets count (NCBI Disease), and drops a seventh column (BC5CDR). Nor is its writer: it writes "None" for no novelty.
"""

import re
from typing import BinaryIO, Iterator, List, Union

from ..errors import InputError
from ..files import Line, iter_lines
from .fields import find_mentions, identifier_field, label_field, read_relations
from .record import Anomalies, Envelope, Node, Record, TextOffsets, find_offsets, get_infons, get_list, iter_parts

_TEXT_LINE = re.compile(r"([^|\t]+)\|([A-Za-z]\w*)\|(.*)", re.DOTALL)
# The two kinds of text lines. Tools that make PubTator of full texts write a line for each passage, with its type.
_TYPES = {"t": "title", "a": "abstract"}
# NetMedEx says before the first document what vocabulary it used.
_HEADER = re.compile(r"##(?!.*\|t\|)[^\t]*", re.DOTALL)
_OFFSET = re.compile(r"[0-9]{1,12}")
# What tells the lines of annotations from those of relations.
_LIKE_OFFSET = re.compile(r"\s*[-+]?[0-9]")
_BREAKS = re.compile(r"[\t\n\r]")
_COLLECTION = {"source": "PubTator", "date": "", "key": "BioC.key", "infons": {}}
_FIRST_EXTRA_COLUMN = 7


def read_pubtator(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a file, with ids as in BioRED's BioC files; in place of a bad one, its error."""
    header: List[str] = []
    for lines in _split_documents(file, header):
        block = _Block(_parse_id(lines[0][1]))
        try:
            for line in lines:
                number, text, damage = line
                if damage:
                    raise damage
                block.add_line(text)
        except InputError as error:
            cause = error.cause if damage else f"line {number}: {error.cause}"
            yield InputError(cause, document=block.id if block.passages else None)
        else:
            yield block.make_record("\n".join(header))


def _split_documents(file: BinaryIO, header: List[str]) -> Iterator[List[Line]]:
    """Yield the lines of each document. A blank line ends it, and so do the title of another document and a header."""
    lines: List[Line] = []
    for number, line, damage in iter_lines(file):
        # Files that were converted for Windows twice have two carriage returns.
        text = line.rstrip("\r\n")
        is_header = damage is None and _HEADER.fullmatch(text)
        text_line = _TEXT_LINE.match(text)
        is_other = bool(text_line and text_line[2] != "a" and lines and text_line[1] != _parse_id(lines[0][1]))
        if lines and (is_other or is_header or not text.strip()):
            yield lines
            lines = []
        if is_header:
            header.append(text)
        elif text.strip():
            lines.append((number, text, damage))
    if lines:
        yield lines


def _parse_id(line: str) -> str:
    text_line = _TEXT_LINE.match(line)
    return text_line[1] if text_line else line.split("\t")[0]


class _Block:
    """The lines of one document."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.length = -1  # of the text so far: a space stands before each passage but the first
        self.passages: List[Node] = []
        self.annotations: List[Node] = []
        self.relations: List[Node] = []

    def add_line(self, line: str) -> None:
        text_line = _TEXT_LINE.match(line)
        if not self.passages and not (text_line and text_line[2] != "a"):
            raise InputError("a document must start with its title (id|t|title)")
        identifier = _parse_id(line)
        if identifier != self.id:
            raise InputError(f"it belongs to document {identifier!r}")
        columns = line.split("\t")
        if text_line:
            self._add_text(text_line[2], text_line[3])
        elif len(columns) > 2 and _LIKE_OFFSET.match(columns[1]):
            self._add_annotation(columns)
        elif len(columns) in (4, 5):
            infons = {"entity1": columns[2], "entity2": columns[3], "type": columns[1]}
            if len(columns) == 5:
                infons["novel"] = columns[4]
            self.relations.append({"id": f"R{len(self.relations)}", "infons": infons, "nodes": []})
        else:
            raise InputError(f"neither text nor annotation nor relation ({len(columns)} columns)")

    def _add_text(self, kind: str, text: str) -> None:
        type = _TYPES.get(kind, kind)
        if kind in _TYPES and len(self.passages) != (kind == "a"):
            raise InputError(f"a second {type} of one document")
        passage: Node = {"infons": {"type": type}, "offset": self.length + 1, "text": text}
        self.passages.append({**passage, "sentences": [], "annotations": [], "relations": []})
        self.length += 1 + len(text)

    def _add_annotation(self, columns: List[str]) -> None:
        if len(columns) < 5:
            raise InputError("an annotation needs id, start, end, text and type")
        _, first, last, text, type, *others = columns
        if not _OFFSET.fullmatch(first) or not _OFFSET.fullmatch(last) or int(last) < int(first):
            raise InputError(f"offsets {first!r} and {last!r} are not a range")
        if int(last) > self.length:
            raise InputError(f"the annotation {first} to {last} lies outside the text ({self.length} characters)")
        infons = {"identifier": others[0]} if others else {}
        infons["type"] = type
        # BC5CDR has the names of the parts of a composite mention behind the identifier.
        infons.update((f"column{number}", name) for number, name in enumerate(others[1:], _FIRST_EXTRA_COLUMN))
        locations = [{"offset": int(first), "length": int(last) - int(first)}]
        id = str(len(self.annotations))
        self.annotations.append({"id": id, "infons": infons, "text": text, "locations": locations})

    def make_record(self, header: str) -> Record:
        if len(self.passages) == 2 and not self.passages[0]["text"]:
            # Some tools count the space after an empty title, others do not.
            text = self.passages[1]["text"]
            self.passages[1]["offset"] = int(self._count_fitting(f" {text}") >= self._count_fitting(text))
        for annotation in self.annotations:
            start = annotation["locations"][0]["offset"]
            owner = next(passage for passage in reversed(self.passages) if passage["offset"] <= start)
            owner["annotations"].append(annotation)
        document = {"id": self.id, "infons": {}, "passages": self.passages, "annotations": []}
        collection = {**_COLLECTION, "infons": {"header": header} if header else {}}
        return Record({**document, "relations": self.relations}, "pubtator", collection)

    def _count_fitting(self, text: str) -> int:
        places = ((annotation["locations"][0], annotation["text"]) for annotation in self.annotations)
        return sum(text[place["offset"] : place["offset"] + place["length"]] == own for place, own in places)


def make_envelope(record: Record) -> Envelope:
    """Make the envelope of a PubTator file: its header, and blank lines, also after the last document."""
    header = str(get_infons(record.collection).get("header", ""))
    return Envelope(f"{header}\n" if header.startswith("##") else "", "\n\n", "\n\n")


def format_document(record: Record, anomalies: Anomalies) -> str:
    """Make the lines of a document. Its first passage is the title; all others, joined by spaces, are the abstract."""
    if "|" in record.id or _BREAKS.search(record.id):
        raise InputError("PubTator cannot have a bar, tab or line break in an id", document=record.id)
    offsets = find_offsets(record.document)
    passages = get_list(record.document, "passages")
    # Sentences of a title are joined by spaces, too. An empty title moves the offsets of all else by one.
    end, shift = (offsets.passages[0][1], 0) if 0 in offsets.passages else (0, 1)
    texts = [("t", _BREAKS.sub(" ", offsets.text[:end])), ("a", _BREAKS.sub(" ", offsets.text[end + 1 - shift :]))]
    if record.format == "pubtator":
        # The lines are those that were there.
        types = [str(get_infons(passage).get("type")) for passage in passages]
        kinds = list(_TYPES) if types in (["title"], ["title", "abstract"]) else types
        texts = [(kind, passage.get("text") or "") for kind, passage in zip(kinds, passages)]
    lines = [f"{record.id}|{kind}|{text}" for kind, text in texts]
    lines.extend(_annotation_lines(record, offsets, shift, anomalies))
    lines.extend(_relation_lines(record, anomalies))
    return "\n".join(lines)


def _annotation_lines(record: Record, offsets: TextOffsets, shift: int, anomalies: Anomalies) -> Iterator[str]:
    is_own = record.format == "pubtator"
    annotations = list(iter_parts(record.document, "annotations"))
    if is_own:
        # The order of the file, which need not be that of the text.
        annotations.sort(key=lambda item: str(item[1].get("id")).zfill(12))
    for passage, annotation in annotations:
        infons = get_infons(annotation)
        if is_own:
            places = get_list(annotation, "locations")
            ranges = [(place["offset"], place["offset"] + place["length"]) for place in places]
        else:
            mentions = find_mentions(annotation, passage, offsets)
            ranges = [(mention.start + shift, mention.end + shift) for mention in mentions]
        if not ranges:
            anomalies.add(Anomalies.NOT_IN_PUBTATOR, record.id, f"annotation {annotation.get('id')} has no location")
        others = [str(infons.get("identifier", "")) if is_own else identifier_field(annotation)]
        while (value := infons.get(f"column{_FIRST_EXTRA_COLUMN + len(others) - 1}")) is not None:
            others.append(str(value))
        if others == [""] and "identifier" not in infons:
            others = []
        for start, end in ranges:
            # PubTator has no discontinuous mentions: each piece has a line.
            own = annotation.get("text") if len(ranges) == 1 else None
            text = _BREAKS.sub(" ", offsets.text[start - shift : end - shift] if own is None else own)
            yield _join(record, str(start), str(end), text, label_field(annotation), *others)


def _relation_lines(record: Record, anomalies: Anomalies) -> Iterator[str]:
    for relation, fields in read_relations(record.document):
        if record.format == "pubtator":
            infons = get_infons(relation)
            keys = ("type", "entity1", "entity2", "novel")
            yield _join(record, *(str(infons[key]) for key in keys if key in infons))
        elif fields is None or _LIKE_OFFSET.match(fields.type):
            anomalies.add(Anomalies.NOT_IN_PUBTATOR, record.id, f"relation {relation.get('id')} has no line")
        else:
            novelty = [] if fields.novelty is None else [fields.novelty]
            yield _join(record, fields.type, fields.source.field, fields.target.field, *novelty)


def _join(record: Record, *columns: str) -> str:
    for column in columns:
        if _BREAKS.search(column):
            raise InputError(f"PubTator cannot have a tab or line break in {column!r}", document=record.id)
    return "\t".join([record.id, *columns])
