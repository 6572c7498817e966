"""BioC XML to records.

bioc's own readers are not used: both keep the whole file in memory, crash where an annotation has no id, overwrite a
repeated infon, and lose what follows a comment or an entity inside a text.
"""

import json
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Tuple, Union

from bioc.biocjson.decoder import parse_doc
from bioc.biocxml.encoder import encode_document, encode_infons
from lxml import etree

from ..errors import InputError
from .record import NOT_BIOC, Anomalies, Envelope, Node, Record, get_infons, get_list

_DOCUMENT_PARTS = frozenset({"id", "infon", "passage", "annotation", "relation"})
_PASSAGE_PARTS = frozenset({"infon", "offset", "text", "sentence", "annotation", "relation"})
_SENTENCE_PARTS = _PASSAGE_PARTS - {"sentence"}
_ANNOTATION_PARTS = frozenset({"infon", "location", "text"})
_RELATION_PARTS = frozenset({"infon", "node"})
_ATTRIBUTES = {
    "infon": ("key",),
    "annotation": ("id",),
    "location": ("offset", "length"),
    "relation": ("id",),
    "node": ("refid", "role"),
}


def read_bioc_xml(file: BinaryIO, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
    """Read a BioC XML collection, one document at a time.

    file (BinaryIO): The file.
    anomalies (Anomalies): Where to report elements that BioC does not have.
    YIELDS (Union[Record, InputError]): Its documents, and for one that is not BioC what is wrong.
    RAISES (InputError): If the file is not valid XML, declares entities, or is not BioC.
    """
    # Neither entities are expanded nor anything is fetched: not the DTD, not an external entity.
    events = etree.iterparse(
        file, events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True, remove_pis=True
    )
    try:
        yield from _documents(events, anomalies)
    except etree.XMLSyntaxError as error:
        raise InputError(f"not valid XML: {error.msg}") from error


def _documents(events: Any, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
    root = None
    collection: Node = {"infons": {}}
    doctype: Optional[str] = None
    for event, element in events:
        if root is None:
            root = element
            doctype = _check_root(root)
        if event == "start" or element.getparent() is not root:
            continue
        if element.tag == "document":
            document = _document(element, anomalies)
            if isinstance(document, InputError):
                yield document
            else:
                yield Record(document, "bioc-xml", dict(collection), doctype=doctype)
            # What has been read would stay in memory until the end.
            element.clear()
            while element.getprevious() is not None:
                del root[0]
        elif element.tag == "infon":
            _add_infon(collection["infons"], element)
        elif element.tag in ("source", "date", "key"):
            collection[element.tag] = _text(element)
        elif isinstance(element.tag, str):
            anomalies.add(NOT_BIOC, "-", f"<{element.tag}> inside <collection> is not BioC")


def _check_root(root: Any) -> Optional[str]:
    info = root.getroottree().docinfo
    if info.internalDTD is not None and any(True for _ in info.internalDTD.iterentities()):
        raise InputError("refused: the XML declares entities")
    if root.tag != "collection":
        raise InputError(f"not BioC: the root element is <{root.tag}>, not <collection>")
    return info.doctype or None


def _document(element: Any, anomalies: Anomalies) -> Union[Node, InputError]:
    parser = _Parser(anomalies)
    try:
        return parser.document(element)
    except InputError as error:
        return InputError(error.cause, document=error.document or parser.id)


class _Parser:
    """Turns the elements of one document into the shape of BioC JSON."""

    def __init__(self, anomalies: Anomalies) -> None:
        self.anomalies = anomalies
        self.id: Optional[str] = None

    def document(self, element: Any) -> Node:
        self.id = _child_text(element, "id") or None
        self._check_parts(element, _DOCUMENT_PARTS)
        for part in element.iter(etree.Element):
            for attribute in part.attrib:
                if attribute not in _ATTRIBUTES.get(part.tag, ()):
                    self._add_odd(f"the attribute {attribute} of <{part.tag}> is not BioC")
        return {
            "id": _child_text(element, "id"),
            "infons": _infons(element),
            "passages": [self._passage(child) for child in element.iterchildren("passage")],
            **self._owned(element),
        }

    def _passage(self, element: Any) -> Node:
        self._check_parts(element, _PASSAGE_PARTS)
        return {
            "infons": _infons(element),
            "offset": self._number(_child_text(element, "offset"), "offset of a passage"),
            "text": _child_text(element, "text") or "",
            "sentences": [self._sentence(child) for child in element.iterchildren("sentence")],
            **self._owned(element),
        }

    def _sentence(self, element: Any) -> Node:
        self._check_parts(element, _SENTENCE_PARTS)
        return {
            "infons": _infons(element),
            "offset": self._number(_child_text(element, "offset"), "offset of a sentence"),
            "text": _child_text(element, "text") or "",
            **self._owned(element),
        }

    def _owned(self, element: Any) -> Dict[str, Any]:
        return {
            "annotations": [self._annotation(child) for child in element.iterchildren("annotation")],
            "relations": [self._relation(child) for child in element.iterchildren("relation")],
        }

    def _annotation(self, element: Any) -> Node:
        self._check_parts(element, _ANNOTATION_PARTS)
        name = f"a location of annotation {element.get('id')}"
        return {
            "id": element.get("id"),
            "infons": _infons(element),
            "text": _child_text(element, "text"),
            "locations": [
                {key: self._number(location.get(key), f"{key} of {name}") for key in ("offset", "length")}
                for location in element.iterchildren("location")
            ],
        }

    def _relation(self, element: Any) -> Node:
        self._check_parts(element, _RELATION_PARTS)
        return {
            "id": element.get("id"),
            "infons": _infons(element),
            "nodes": [{"refid": node.get("refid"), "role": node.get("role")} for node in element.iterchildren("node")],
        }

    def _number(self, text: Optional[str], name: str) -> int:
        stripped = (text or "").strip()
        if not stripped.isascii() or not stripped.isdigit() or len(stripped) > 12:
            raise InputError(f"not BioC: the {name} is {text!r}")
        return int(stripped)

    def _check_parts(self, element: Any, known: "frozenset[str]") -> None:
        for child in element.iterchildren(tag=etree.Element):
            if child.tag not in known:
                self._add_odd(f"<{child.tag}> inside <{element.tag}> is not BioC")
        stray = [element.text, *(child.tail for child in element)]
        if any(text and not text.isspace() for text in stray):
            self._add_odd(f"text inside <{element.tag}> is not BioC")

    def _add_odd(self, detail: str) -> None:
        self.anomalies.add(NOT_BIOC, self.id or "without an id", detail)


def _infons(element: Any) -> Node:
    found: Node = {}
    for child in element.iterchildren("infon"):
        _add_infon(found, child)
    return found


def _add_infon(found: Node, element: Any) -> None:
    key, text = element.get("key", ""), _text(element)
    if key not in found:
        found[key] = text
    elif isinstance(found[key], list):
        found[key].append(text)
    else:
        found[key] = [found[key], text]


def _child_text(element: Any, tag: str) -> Optional[str]:
    child = element.find(tag)
    return None if child is None else _text(child)


def _text(element: Any) -> str:
    """The text of an element, comments left out. lxml's `text` ends at the first of them."""
    parts = [element.text or ""]
    for child in element:
        if child.tag is etree.Entity:
            raise InputError(f"not valid XML: the entity {child.text} is not declared")
        if isinstance(child.tag, str):
            raise InputError(f"not BioC: <{child.tag}> inside <{element.tag}>")
        parts.append(child.tail or "")
    return "".join(parts)


_COLLECTION_KEYS = ("source", "date", "key")
_DOCUMENT_KEYS = ("id", "passages", "annotations", "relations")


class _Infons(List[Tuple[str, str]]):
    """Infons in which a key may come twice. All that bioc's encoder asks of infons is `items`."""

    def items(self) -> "_Infons":
        return self


def make_envelope(record: Record) -> Envelope:
    """What stands around the documents of a BioC XML collection.

    record (Record): The first document. What it says about its collection holds for all.
    RETURNS (Envelope): The envelope.
    RAISES (InputError): If that has characters that XML cannot have.
    """
    head = etree.Element("collection")
    try:
        for key in _COLLECTION_KEYS:
            etree.SubElement(head, key).text = _as_text(record.collection.get(key) or "")
        encode_infons(head, _infon_pairs(record.collection, _COLLECTION_KEYS))
    except ValueError as error:
        raise InputError(f"the collection of document {record.id} cannot be written as XML: {error}") from error
    start = ["<?xml version='1.0' encoding='utf-8'?>\n"]
    if record.doctype:
        start.append(f"{record.doctype}\n")
    start += ["<collection>", *map(_serialize, head), "\n"]
    return Envelope("".join(start), "\n", "\n</collection>")


def format_document(record: Record, anomalies: Anomalies) -> str:
    """A document as BioC XML.

    record (Record): The document.
    anomalies (Anomalies): Where to report what BioC XML cannot express: nothing.
    RETURNS (str): The element `document`.
    RAISES (InputError): If it has characters that XML cannot have.
    """
    try:
        element = encode_document(parse_doc(_bioc_document(record.document)))
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


def _bioc_document(document: Node) -> Node:
    return {
        "id": str(document["id"]),
        # BioC XML has no other place for what PubTator3 says about a document (journal, authors ...).
        "infons": _infon_pairs(document, _DOCUMENT_KEYS),
        "passages": [
            {
                **_bioc_passage(passage),
                "sentences": [_bioc_passage(sentence) for sentence in get_list(passage, "sentences")],
            }
            for passage in get_list(document, "passages")
        ],
        "annotations": [_bioc_annotation(annotation) for annotation in get_list(document, "annotations")],
        "relations": [_bioc_relation(relation) for relation in get_list(document, "relations")],
    }


def _bioc_passage(node: Node) -> Node:
    return {
        "infons": _infon_pairs(node),
        "offset": node["offset"],
        "text": node.get("text"),
        "annotations": [_bioc_annotation(annotation) for annotation in get_list(node, "annotations")],
        "relations": [_bioc_relation(relation) for relation in get_list(node, "relations")],
    }


def _bioc_annotation(annotation: Node) -> Node:
    return {
        "id": _attribute(annotation, "id"),
        "infons": _infon_pairs(annotation),
        "text": annotation.get("text"),
        "locations": get_list(annotation, "locations"),
    }


def _bioc_relation(relation: Node) -> Node:
    return {
        "id": _attribute(relation, "id"),
        "infons": _infon_pairs(relation),
        "nodes": [
            {"refid": _attribute(node, "refid"), "role": _attribute(node, "role")}
            for node in get_list(relation, "nodes")
        ],
    }


def _attribute(node: Node, key: str) -> str:
    value = node.get(key)
    return "" if value is None else _as_text(value)


def _infon_pairs(node: Node, known: Tuple[str, ...] = ()) -> _Infons:
    """Infons as text. With `known`, other keys of the node are infons too, as far as they say anything."""
    found: Dict[str, Any] = get_infons(node)
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
