"""Records to BioC XML, by bioc's data classes and encoder.

Before and after them stands what they lack: infons that are not text, or repeated, and ids and texts that are missing.
bioc's streaming writer is not used, for it leaves out the document type declaration.
"""

import json
from typing import Any, BinaryIO, Dict, Iterator, List, Tuple

from bioc.biocjson.decoder import parse_doc
from bioc.biocxml.encoder import encode_document, encode_infons
from lxml import etree

from ..errors import InputError
from .record import Node, Record, children, infons

_COLLECTION_KEYS = ("source", "date", "key")
_DOCUMENT_KEYS = ("id", "passages", "annotations", "relations")


class _Infons(List[Tuple[str, str]]):
    """Infons in which a key may come twice. All that bioc's encoder asks of infons is `items`."""

    def items(self) -> "_Infons":
        return self


def write_bioc_xml(records: Iterator[Record], file: BinaryIO) -> None:
    """Write a BioC XML collection. What the first record says about its collection holds for all.

    records (Iterator[Record]): The documents.
    file (BinaryIO): The file.
    RAISES (InputError): If a document has characters that XML cannot have.
    """
    first = next(records)
    try:
        with etree.xmlfile(file, encoding="utf-8") as xml:
            xml.write_declaration()
            if first.doctype:
                xml.write_doctype(first.doctype)
            with xml.element("collection"):
                _write_collection(first, xml)
                record = first
                while record is not None:
                    xml.write("\n")
                    xml.write(_element(record))
                    record = next(records, None)
                xml.write("\n")
    except etree.LxmlError as error:
        raise InputError(f"cannot be written as XML: {error}") from error


def _write_collection(record: Record, xml: Any) -> None:
    head = etree.Element("collection")
    try:
        for key in _COLLECTION_KEYS:
            etree.SubElement(head, key).text = _as_text(record.collection.get(key) or "")
        encode_infons(head, _infons(record.collection, _COLLECTION_KEYS))
    except ValueError as error:
        raise InputError(f"the collection of document {record.id} cannot be written as XML: {error}") from error
    for child in head:
        xml.write(child)


def _element(record: Record) -> Any:
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
    return element


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
