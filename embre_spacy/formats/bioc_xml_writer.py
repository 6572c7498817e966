"""Records to BioC XML, by bioc's data classes and encoder.

Before and after them stands what they lack: infons that are not text, or repeated, and ids and texts that are missing.
bioc's streaming writer is not used, for it leaves out the document type declaration.
"""

import json
from typing import Any, Dict, List, Tuple

from bioc.biocjson.decoder import parse_doc
from bioc.biocxml.encoder import encode_document, encode_infons
from lxml import etree

from ..errors import InputError
from .anomalies import Anomalies
from .frame import Frame
from .record import Node, Record, children, infons

_COLLECTION_KEYS = ("source", "date", "key")
_DOCUMENT_KEYS = ("id", "passages", "annotations", "relations")


class _Infons(List[Tuple[str, str]]):
    """Infons in which a key may come twice. All that bioc's encoder asks of infons is `items`."""

    def items(self) -> "_Infons":
        return self


def xml_frame(record: Record) -> Frame:
    """What stands around the documents of a BioC XML collection.

    record (Record): The first document. What it says about its collection holds for all.
    RETURNS (Frame): The frame.
    RAISES (InputError): If that has characters that XML cannot have.
    """
    head = etree.Element("collection")
    try:
        for key in _COLLECTION_KEYS:
            etree.SubElement(head, key).text = _as_text(record.collection.get(key) or "")
        encode_infons(head, _infons(record.collection, _COLLECTION_KEYS))
    except ValueError as error:
        raise InputError(f"the collection of document {record.id} cannot be written as XML: {error}") from error
    start = ["<?xml version='1.0' encoding='utf-8'?>\n"]
    if record.doctype:
        start.append(f"{record.doctype}\n")
    start += ["<collection>", *map(_serialize, head), "\n"]
    return Frame("".join(start), "\n", "\n</collection>")


def xml_fragment(record: Record, anomalies: Anomalies) -> str:
    """A document as BioC XML.

    record (Record): The document.
    anomalies (Anomalies): Where to report what BioC XML cannot express: nothing.
    RETURNS (str): The element `document`.
    RAISES (InputError): If it has characters that XML cannot have.
    """
    try:
        element = encode_document(parse_doc(_document(record.document)))
    except ValueError as error:
        raise InputError(f"cannot be written as XML: {error}", document=record.id) from error
    for child in element.iter("annotation", "relation", "node"):
        for key, value in child.items():
            if not value:
                del child.attrib[key]
        text = child.find("text")
        if text is not None and not text.text:
            child.remove(text)
    return _serialize(element)


def _serialize(element: Any) -> str:
    return etree.tostring(element, encoding="utf-8", xml_declaration=False).decode("utf-8")


def _document(document: Node) -> Node:
    return {
        "id": str(document["id"]),
        # BioC XML has no other place for what PubTator3 says about a document (journal, authors ...).
        "infons": _infons(document, _DOCUMENT_KEYS),
        "passages": [
            {**_owner(passage), "sentences": [_owner(sentence) for sentence in children(passage, "sentences")]}
            for passage in children(document, "passages")
        ],
        "annotations": [_annotation(annotation) for annotation in children(document, "annotations")],
        "relations": [_relation(relation) for relation in children(document, "relations")],
    }


def _owner(node: Node) -> Node:
    return {
        "infons": _infons(node),
        "offset": node["offset"],
        "text": node.get("text"),
        "annotations": [_annotation(annotation) for annotation in children(node, "annotations")],
        "relations": [_relation(relation) for relation in children(node, "relations")],
    }


def _annotation(annotation: Node) -> Node:
    return {
        "id": _attribute(annotation, "id"),
        "infons": _infons(annotation),
        "text": annotation.get("text"),
        "locations": children(annotation, "locations"),
    }


def _relation(relation: Node) -> Node:
    return {
        "id": _attribute(relation, "id"),
        "infons": _infons(relation),
        "nodes": [
            {"refid": _attribute(node, "refid"), "role": _attribute(node, "role")}
            for node in children(relation, "nodes")
        ],
    }


def _attribute(node: Node, key: str) -> str:
    value = node.get(key)
    return "" if value is None else _as_text(value)


def _infons(node: Node, known: Tuple[str, ...] = ()) -> _Infons:
    """Infons as text. With `known`, other keys of the node are infons too, as far as they say anything."""
    found: Dict[str, Any] = infons(node)
    if known:
        skipped = (*known, "infons", "bioctype", *found)
        found = {**found, **{key: value for key, value in node.items() if key not in skipped and value}}
    pairs = _Infons()
    for key, value in found.items():
        repeated = isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value)
        pairs.extend((key, _as_text(item)) for item in (value if repeated else [value]))
    return pairs


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
