"""What an annotation says: its label, its identifiers, and where it lies."""

import re
from typing import Dict, List, NamedTuple, Optional

from .layout import Layout
from .record import Node, children, infons, owners

# What corpora call the infon with the concept identifier; compared in lower case.
_IDENTIFIER_KEYS = ("identifier", "mesh", "ncbi gene", "ncbi taxonomy", "omim")


class MentionKey(NamedTuple):
    """What a mention is recognized by: on a `Doc` (as a span) and in a record (as a location of an annotation).

    start (int), end (int): Where it lies in `doc.text`.
    label (str): Its label, as in the file.
    identifier (str): Its identifier field, as in the file.
    """

    start: int
    end: int
    label: str
    identifier: str


def mention_keys(annotation: Node, passage: Optional[int], layout: Layout) -> List[MentionKey]:
    """The mention of an annotation, or its fragments if it is discontinuous.

    annotation (Dict[str, Any]): The annotation in the shape of BioC JSON.
    passage (Optional[int]): The number of the passage that owns it; None if the document does.
    layout (Layout): The text of the document.
    RETURNS (List[MentionKey]): One for each location that has a length; empty if there is none.
    RAISES (InputError): If a location lies outside the text.
    """
    label = infons(annotation).get("type")
    identifier = identifier_field(annotation)
    keys = []
    for location in children(annotation, "locations"):
        if location["length"]:
            start, end, _ = layout.to_characters(passage, location["offset"], location["length"])
            keys.append(MentionKey(start, end, "" if label is None else str(label), identifier))
    return keys


def identifier_field(annotation: Node) -> str:
    """The identifier field of an annotation.

    annotation (Dict[str, Any]): The annotation.
    RETURNS (str): The field, as in the file; empty if it has none.
    """
    found = {key.lower(): value for key, value in infons(annotation).items()}
    for key in _IDENTIFIER_KEYS:
        value = found.get(key)
        if isinstance(value, list):
            return ",".join(map(str, value))
        if value is not None:
            return str(value)
    return ""


def annotations_by_id(document: Node) -> Dict[str, Node]:
    """The annotations that the nodes of a relation can name.

    document (Dict[str, Any]): The document.
    RETURNS (Dict[str, Dict[str, Any]]): The annotations by their ids.
    """
    return {
        str(annotation["id"]): annotation
        for _, owner in owners(document)
        for annotation in children(owner, "annotations")
        if annotation.get("id") is not None
    }


def same_text(own: Optional[str], pieces: List[str]) -> bool:
    """Whether the text that an annotation gives is that at its locations.

    own (Optional[str]): The annotation's text. It need not have one.
    pieces (List[str]): The characters at each of its locations.
    RETURNS (bool): Whether they are the same; for several pieces, but for what joins them, which resources differ in.
    """
    if not own or len(pieces) == 1:
        return not own or own == pieces[0]
    return re.sub(r"[\s.…]", "", own) == re.sub(r"[\s.…]", "", "".join(pieces))
