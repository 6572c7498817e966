"""BioC XML, and the objects of the library bioc.

bioc's own readers are not used: both keep the whole file in memory, crash where an annotation has no id, overwrite a
repeated infon, and lose what follows a comment or an entity inside a text. For writing its data classes and encoder are
used, after what they lack: infons that are not text, or repeated, and ids and texts that are missing. Its streaming
writer is not, for it leaves out the document type declaration.
"""

import json
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Tuple, Union

from bioc import BioCCollection, BioCDocument
from bioc.biocjson.decoder import parse_doc
from bioc.biocjson.encoder import toJSON
from bioc.biocxml.encoder import encode_collection, encode_document
from lxml import etree

from ..errors import InputError
from .record import NOT_BIOC, NOT_IN_XML, Anomalies, Envelope, Node, Record, get_infons

# The keys that BioC JSON has for each element of BioC XML. A list is named after its elements ("passages").
_KEYS = {
    "document": ("id", "infons", "passages", "annotations", "relations"),
    "passage": ("infons", "offset", "text", "sentences", "annotations", "relations"),
    "sentence": ("infons", "offset", "text", "annotations", "relations"),
    "annotation": ("id", "infons", "text", "locations"),
    "location": ("offset", "length"),
    "relation": ("id", "infons", "nodes"),
    "node": ("refid", "role"),
}
# Those of them that are attributes; the others are child elements.
_ATTRIBUTES = {
    "infon": ("key",),
    "annotation": ("id",),
    "location": ("offset", "length"),
    "relation": ("id",),
    "node": ("refid", "role"),
}
_LISTS = {f"{tag}s": tag for tag in _KEYS}
_CHILDREN = {
    tag: {key.removesuffix("s") for key in keys if key not in _ATTRIBUTES.get(tag, ())} for tag, keys in _KEYS.items()
}
_COLLECTION_KEYS = ("source", "date", "key")


def read_bioc_xml(file: BinaryIO, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a BioC XML collection; in place of one that is not BioC, its error."""
    # Entities are not expanded, and nothing is fetched: no DTD, no external entity.
    events = etree.iterparse(
        file, events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True, remove_pis=True
    )
    try:
        yield from _read_documents(events, anomalies)
    except etree.XMLSyntaxError as error:
        raise InputError(f"not valid XML: {error.msg}") from error


def _read_documents(events: Any, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
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
            parser = _Parser(anomalies)
            try:
                yield Record(parser.parse_document(element), "bioc-xml", dict(collection), doctype=doctype)
            except InputError as error:
                yield InputError(error.cause, document=error.document or parser.id)
            # What has been read would stay in memory until the end.
            element.clear()
            while element.getprevious() is not None:
                del root[0]
        elif element.tag == "infon":
            _add_infon(collection["infons"], element)
        elif element.tag in _COLLECTION_KEYS:
            collection[element.tag] = _text(element)
        elif isinstance(element.tag, str):
            anomalies.add(NOT_BIOC, "-", f"<{element.tag}> inside <collection> is not BioC")


def _check_root(root: Any) -> Optional[str]:
    """The document type declaration of a collection, if it has one."""
    info = root.getroottree().docinfo
    if info.internalDTD is not None and any(True for _ in info.internalDTD.iterentities()):
        raise InputError("refused: the XML declares entities")
    if root.tag != "collection":
        raise InputError(f"not BioC: the root element is <{root.tag}>, not <collection>")
    return info.doctype or None


class _Parser:
    """Turns the elements of one document into the shape of BioC JSON."""

    def __init__(self, anomalies: Anomalies) -> None:
        self.anomalies = anomalies
        self.id: Optional[str] = None

    def parse_document(self, element: Any) -> Node:
        self.id = _child_text(element, "id") or None
        for part in element.iter(etree.Element):
            for attribute in part.attrib:
                if attribute not in _ATTRIBUTES.get(part.tag, ()):
                    self._add_anomaly(f"the attribute {attribute} of <{part.tag}> is not BioC")
        return self._parse(element)

    def _parse(self, element: Any) -> Node:
        self._check_children(element)
        tag = element.tag
        node: Node = {}
        for key in _KEYS[tag]:
            if key == "infons":
                node[key] = {}
                for child in element.iterchildren("infon"):
                    _add_infon(node[key], child)
            elif key == "nodes":
                node[key] = [{key: child.get(key) for key in _KEYS["node"]} for child in element.iterchildren("node")]
            elif key == "locations":
                node[key] = [self._parse_location(child, node["id"]) for child in element.iterchildren("location")]
            elif key in _LISTS:
                node[key] = [self._parse(child) for child in element.iterchildren(_LISTS[key])]
            else:
                text = element.get(key) if key in _ATTRIBUTES.get(tag, ()) else _child_text(element, key)
                if key == "offset":
                    node[key] = self._parse_number(text, f"offset of a {tag}")
                else:
                    # A passage has a text, though it be empty; an annotation need not.
                    node[key] = "" if text is None and key == "text" and tag != "annotation" else text
        return node

    def _parse_location(self, element: Any, id: Optional[str]) -> Node:
        name = f"a location of annotation {id}"
        return {key: self._parse_number(element.get(key), f"{key} of {name}") for key in _KEYS["location"]}

    def _parse_number(self, text: Optional[str], name: str) -> int:
        stripped = (text or "").strip()
        if not stripped.isascii() or not stripped.isdigit() or len(stripped) > 12:
            raise InputError(f"not BioC: the {name} is {text!r}")
        return int(stripped)

    def _check_children(self, element: Any) -> None:
        known = _CHILDREN[element.tag]
        texts = [element.text]
        for child in element:
            # Comments and entities have no name.
            if child.tag not in known and isinstance(child.tag, str):
                self._add_anomaly(f"<{child.tag}> inside <{element.tag}> is not BioC")
            texts.append(child.tail)
        if any(text and not text.isspace() for text in texts):
            self._add_anomaly(f"text inside <{element.tag}> is not BioC")

    def _add_anomaly(self, detail: str) -> None:
        self.anomalies.add(NOT_BIOC, self.id or "without an id", detail)


def _add_infon(infons: Node, element: Any) -> None:
    """Add an infon. The values of a repeated key become a list."""
    key, text = element.get("key", ""), _text(element)
    if key not in infons:
        infons[key] = text
    elif isinstance(infons[key], list):
        infons[key].append(text)
    else:
        infons[key] = [infons[key], text]


def _child_text(element: Any, tag: str) -> Optional[str]:
    child = element.find(tag)
    return None if child is None else _text(child)


def _text(element: Any) -> str:
    """The text of an element without comments. lxml's `text` ends at the first of them."""
    parts = [element.text or ""]
    for child in element:
        if child.tag is etree.Entity:
            raise InputError(f"not valid XML: the entity {child.text} is not declared")
        if isinstance(child.tag, str):
            raise InputError(f"not BioC: <{child.tag}> inside <{element.tag}>")
        parts.append(child.tail or "")
    return "".join(parts)


def make_envelope(record: Record) -> Envelope:
    """Make the envelope of a BioC XML collection, with what the first document says about its collection."""
    collection = collection_from_record(record)
    collection.infons = _InfonPairs(collection.infons)
    try:
        head = encode_collection(collection)
    except ValueError as error:
        raise InputError(f"the collection of document {record.id} cannot be written as XML: {error}") from error
    doctype = f"{record.doctype}\n" if record.doctype else ""
    start = f"<?xml version='1.0' encoding='utf-8'?>\n{doctype}<collection>{''.join(map(_serialize, head))}\n"
    return Envelope(start, "\n", "\n</collection>")


def format_document(record: Record, anomalies: Anomalies) -> str:
    """Make the element `document`. Other keys than BioC's become infons."""
    try:
        element = encode_document(bioc_from_record(record, anomalies, _InfonPairs))
    except ValueError as error:
        raise InputError(f"cannot be written as XML: {error}", document=record.id) from error
    for child in element.iter("annotation", "relation", "node"):
        for key, value in child.items():
            if not value:
                del child.attrib[key]
    for annotation in element.iter("annotation"):
        text = annotation.find("text")
        if not text.text:
            annotation.remove(text)
    return _serialize(element)


def _serialize(element: Any) -> str:
    return etree.tostring(element, encoding="utf-8", xml_declaration=False).decode("utf-8")


class _InfonPairs(List[Tuple[str, str]]):
    """Infons as text, in which a key may come twice. All that bioc's encoder asks of infons is `items`."""

    def __init__(self, infons: Dict[str, Any]) -> None:
        for key, value in infons.items():
            repeated = isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value)
            self += [(key, _as_text(item)) for item in value] if repeated else [(key, _as_text(value))]

    def items(self) -> "_InfonPairs":
        return self


def bioc_from_record(
    record: Record, anomalies: Anomalies, make_infons: Callable[[Dict[str, Any]], Any] = dict
) -> BioCDocument:
    """Make a document of the library bioc of a record, whose nodes need not have all keys."""

    def build(node: Node, tag: str) -> Node:
        keys = _KEYS[tag]
        if tag == "location" and len(node) == len(keys):
            return node
        built: Node = {}
        for key in keys:
            value = node.get(key)
            if key in _LISTS:
                built[key] = [build(child, _LISTS[key]) for child in value or ()]
            elif key in ("id", "refid", "role"):
                built[key] = "" if value is None else _as_text(value)
            else:
                built[key] = value
        others = _other_keys(node, keys)
        if "infons" in keys:
            built["infons"] = make_infons(_all_infons(node, others))
            others = [key for key in others if key in get_infons(node)]
        for key in others:
            anomalies.add(NOT_IN_XML, record.id, f"{key} of a {tag}")
        return built

    return parse_doc(build(record.document, "document"))


def _all_infons(node: Node, others: List[str]) -> Dict[str, Any]:
    """The infons of a node and, as BioC has no other place for them, its other keys."""
    infons = get_infons(node)
    return {**infons, **{key: node[key] for key in others if key not in infons}} if others else infons


def _other_keys(node: Node, keys: Tuple[str, ...]) -> List[str]:
    """The keys of a node that are not BioC's and say something. bioc's JSON has the kind of each part as "bioctype"."""
    others = node.keys() - {*keys, "infons", "bioctype"}
    return [key for key in node if key in others and node[key] not in (None, "", [], {})] if others else []


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def record_from_bioc(document: BioCDocument, collection: BioCCollection) -> Record:
    """Make a record of a document of the library bioc, and of what its collection says."""
    head = {key: getattr(collection, key) for key in (*_COLLECTION_KEYS, "infons")}
    return Record(toJSON(document), "bioc-xml", head)


def collection_from_record(record: Record) -> BioCCollection:
    """Make a collection of the library bioc, without documents, of what a record says about its collection."""
    collection = BioCCollection()
    for key in _COLLECTION_KEYS:
        setattr(collection, key, _as_text(record.collection.get(key) or ""))
    collection.infons = _all_infons(record.collection, _other_keys(record.collection, _COLLECTION_KEYS))
    return collection
