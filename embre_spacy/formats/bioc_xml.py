"""BioC XML, and the objects of the library bioc.

bioc's readers are not used: they keep the whole file in memory, crash where an annotation has no id, overwrite repeated
infons, and lose what follows a comment in a text. Nor are its writers, which have no repeated infons and no doctype.
"""

import json
import re
from typing import Any, BinaryIO, Iterator, Union

from bioc import BioCCollection, BioCDocument
from bioc.biocjson.decoder import parse_doc
from bioc.biocjson.encoder import toJSON
from lxml import etree

from ..errors import InputError
from .record import Anomalies, Envelope, Node, Record

# The keys that BioC JSON has for each element of BioC XML. A list is named after its elements ("passages").
_KEYS = {
    "collection": ("source", "date", "key", "infons"),
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
_NUMBER = re.compile(r"\s*[0-9]{1,12}\s*")


def read_bioc_xml(file: BinaryIO, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a BioC XML collection; in place of one that is not BioC, its error."""
    # Entities are not expanded, and nothing is fetched: no DTD, no external entity.
    events = etree.iterparse(
        file, events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True, remove_pis=True
    )
    collection: Node = {"infons": {}}
    try:
        _, root = next(events)
        info = root.getroottree().docinfo
        if info.internalDTD is not None and any(True for _ in info.internalDTD.iterentities()):
            raise InputError("refused: the XML declares entities")
        if root.tag != "collection":
            raise InputError(f"neither BioC nor PubMed nor JATS: the root element is <{root.tag}>")
        for event, element in events:
            if event == "start" or element.getparent() is not root:
                continue
            if element.tag == "document":
                try:
                    record = Record(_parse(element), "bioc-xml", dict(collection), doctype=info.doctype or None)
                    for odd in _find_odd(element):
                        anomalies.add(Anomalies.NOT_BIOC, record.id, f"{odd} is not BioC")
                    yield record
                except InputError as error:
                    yield InputError(error.cause, document=error.document or element.findtext("id"))
                # What has been read would stay in memory until the end.
                element.clear()
                while element.getprevious() is not None:
                    del root[0]
            elif element.tag == "infon":
                _add_infon(collection["infons"], element)
            elif element.tag in _KEYS["collection"]:
                collection[element.tag] = _text(element)
            elif isinstance(element.tag, str):
                anomalies.add(Anomalies.NOT_BIOC, "-", f"<{element.tag}> inside <collection> is not BioC")
    except etree.XMLSyntaxError as error:
        raise InputError(f"not valid XML: {error.msg}") from error


def _parse(element: Any) -> Node:
    """Bring an element into the shape of BioC JSON."""
    tag = element.tag
    node: Node = {}
    for key in _KEYS[tag]:
        if key == "infons":
            node[key] = {}
            for child in element.iterchildren("infon"):
                _add_infon(node[key], child)
        elif key in _LISTS:
            node[key] = [_parse(child) for child in element.iterchildren(_LISTS[key])]
        elif key in _ATTRIBUTES.get(tag, ()):
            node[key] = element.get(key)
        else:
            child = element.find(key)
            # A passage has a text, though it be empty; an annotation need not.
            missing = "" if key == "text" and tag != "annotation" else None
            node[key] = missing if child is None else _text(child)
        # The check of the document refuses all other offsets.
        if key in ("offset", "length") and _NUMBER.fullmatch(node[key] or ""):
            node[key] = int(node[key])
    return node


def _find_odd(document: Any) -> Iterator[str]:
    """Find the attributes, elements and text of a document that BioC does not have."""
    for element in document.iter(etree.Element):
        tag = element.tag
        for name in element.attrib:
            if name not in _ATTRIBUTES.get(tag, ()):
                yield f"the attribute {name} of <{tag}>"
        if tag in _CHILDREN:
            # Comments and entities have no name.
            others = (child.tag for child in element if child.tag not in _CHILDREN[tag] and isinstance(child.tag, str))
            yield from (f"<{other}> inside <{tag}>" for other in others)
            if any(text and not text.isspace() for text in (element.text, *(child.tail for child in element))):
                yield f"text inside <{tag}>"


def _add_infon(infons: Node, element: Any) -> None:
    """Add an infon. The values of a repeated key become a list."""
    key, text = element.get("key", ""), _text(element)
    if key not in infons:
        infons[key] = text
    elif isinstance(infons[key], list):
        infons[key].append(text)
    else:
        infons[key] = [infons[key], text]


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
    head = format_document(record, Anomalies(), "collection").removesuffix("</collection>")
    doctype = f"{record.doctype}\n" if record.doctype else ""
    return Envelope(f"<?xml version='1.0' encoding='utf-8'?>\n{doctype}{head}\n", "\n", "\n</collection>")


def format_document(record: Record, anomalies: Anomalies, tag: str = "document") -> str:
    """Make the element `document` (or `collection`). Other keys than BioC's become infons."""
    complete = _complete(getattr(record, tag), tag, anomalies, record.id)
    try:
        return etree.tostring(_make_element(complete, tag), encoding="unicode")
    except ValueError as error:
        raise InputError(f"cannot be written as XML: {error}", document=record.id) from error


def _complete(node: Node, tag: str, anomalies: Anomalies, document: str) -> Node:
    """Give a node all keys of its element. Other keys become infons, as BioC has no other place for them."""
    complete: Node = {}
    for key in _KEYS[tag]:
        value = node.get(key)
        if key in _LISTS:
            complete[key] = [_complete(child, _LISTS[key], anomalies, document) for child in value or ()]
        elif key == "infons":
            complete[key] = dict(value or {})
        elif key in ("text", "offset", "length"):
            complete[key] = value
        else:
            complete[key] = "" if value is None else _as_text(value)
    infons = complete.get("infons")
    for key, value in node.items():
        # bioc's JSON has the kind of each part as "bioctype".
        if key in complete or key == "bioctype" or value in (None, "", [], {}):
            continue
        if infons is None or key in infons:
            anomalies.add(Anomalies.NOT_IN_XML, document, f"{key} of a {tag}")
        else:
            infons[key] = value
    return complete


def _make_element(node: Node, tag: str) -> Any:
    element = etree.Element(tag)
    # The text of an annotation comes after its locations.
    for key in sorted(node, key=lambda key: key == "text" and tag == "annotation"):
        if key == "infons":
            for name, value in node[key].items():
                is_repeated = isinstance(value, list) and len(value) > 1 and set(map(type, value)) == {str}
                for item in value if is_repeated else [value]:
                    etree.SubElement(element, "infon", key=name).text = _as_text(item)
        elif key in _LISTS:
            element.extend([_make_element(child, _LISTS[key]) for child in node[key]])
        elif key not in _ATTRIBUTES.get(tag, ()):
            if key != "text" or node[key]:
                etree.SubElement(element, key).text = str(node[key])
        elif node[key] != "":
            element.set(key, str(node[key]))
    return element


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def record_from_bioc(document: BioCDocument, collection: BioCCollection) -> Record:
    """Make a record of a document of the library bioc, and of what its collection says."""
    return Record(toJSON(document), "bioc-xml", {key: getattr(collection, key) for key in _KEYS["collection"]})


def bioc_from_record(record: Record, anomalies: Anomalies) -> BioCDocument:
    """Make a document of the library bioc of a record, whose nodes need not have all keys."""
    return parse_doc(_complete(record.document, "document", anomalies, record.id))


def collection_from_record(record: Record) -> BioCCollection:
    """Make a collection of the library bioc, without documents, of what a record says about its collection."""
    collection = BioCCollection()
    vars(collection).update(_complete(record.collection, "collection", Anomalies(), record.id))
    return collection
