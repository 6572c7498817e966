"""What annotations and relations say, in the forms that the corpora have for it."""

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..labels import ENTITY_TYPES, entity_type
from ..tokens import normalize_identifier, split_identifiers
from .record import Node, TextOffsets, get_infons, get_list, iter_nodes

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


def mention_keys(annotation: Node, passage: Optional[int], offsets: TextOffsets) -> List[MentionKey]:
    """The mention of an annotation, or its fragments if it is discontinuous.

    annotation (Dict[str, Any]): The annotation in the shape of BioC JSON.
    passage (Optional[int]): The number of the passage that owns it; None if the document does.
    offsets (TextOffsets): The text of the document.
    RETURNS (List[MentionKey]): One for each location that has a length; empty if there is none.
    RAISES (InputError): If a location lies outside the text.
    """
    label = get_infons(annotation).get("type")
    identifier = identifier_field(annotation)
    keys = []
    for location in get_list(annotation, "locations"):
        if location["length"]:
            start, end, _ = offsets.to_characters(passage, location["offset"], location["length"])
            keys.append(MentionKey(start, end, "" if label is None else str(label), identifier))
    return keys


def identifier_field(annotation: Node) -> str:
    """The identifier field of an annotation.

    annotation (Dict[str, Any]): The annotation.
    RETURNS (str): The field, as in the file; empty if it has none.
    """
    found = {key.lower(): value for key, value in get_infons(annotation).items()}
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
        for _, owner in iter_nodes(document)
        for annotation in get_list(owner, "annotations")
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


RelationKey = Tuple[Tuple[str, str], str, Optional[str]]

_TYPE_KEYS = ("type", "relation", "relation_type")
_NOVELTY_KEYS = ("novel", "novelty")


@dataclass(frozen=True)
class Argument:
    """One side of a relation.

    field (str): Its identifier field, as in the file; it may name several.
    type (str): The entity type that the file gives with it, as BioRED calls it; empty if it gives none.
    """

    field: str
    type: str = ""

    @property
    def identifiers(self) -> List[str]:
        return split_identifiers(self.field)


@dataclass(frozen=True)
class RelationFields:
    """What a relation says.

    source (Argument), target (Argument): Its sides.
    type (str): The relation type.
    novelty (Optional[str]): The novelty label.
    """

    source: Argument
    target: Argument
    type: str
    novelty: Optional[str]

    @property
    def pairs(self) -> List[Tuple[str, str]]:
        """The pairs of single identifiers that it stands for, each once whatever the direction."""
        found = {}
        for source in self.source.identifiers:
            for target in self.target.identifiers:
                found.setdefault(pair_key(source, target), (source, target))
        return list(found.values())

    @property
    def keys(self) -> List[RelationKey]:
        """What each pair of it is compared by."""
        return [(pair_key(source, target), self.type, self.novelty) for source, target in self.pairs]


def pair_key(source: str, target: str) -> Tuple[str, str]:
    """Two identifiers as `Relation.pair` has them.

    source (str), target (str): The identifiers.
    RETURNS (Tuple[str, str]): Their normalized forms in alphabetical order.
    """
    first, second = sorted((normalize_identifier(source), normalize_identifier(target)))
    return first, second


def relation_fields(relation: Node, annotations: Mapping[str, Node]) -> Optional[RelationFields]:
    """Understand a relation.

    relation (Dict[str, Any]): The relation in the shape of BioC JSON.
    annotations (Mapping[str, Dict[str, Any]]): The annotations of the document by their ids.
    RETURNS (Optional[RelationFields]): What it says, or None if it is not a typed relation between two concepts.
    """
    found = get_infons(relation)
    type = _first(found, _TYPE_KEYS)
    sides = _arguments(found) or _arguments_of_nodes(relation, annotations)
    if not type or not sides or not all(side.identifiers for side in sides):
        return None
    return RelationFields(*sides, type, _first(found, _NOVELTY_KEYS) or None)


def _arguments(found: Dict[str, Any]) -> Optional[Tuple[Argument, Argument]]:
    for first, second in (("entity1", "entity2"), ("role1", "role2")):
        if first in found and second in found:
            return _argument(found[first]), _argument(found[second])
    # BC5CDR: the sides are named after their types (Chemical and Disease), numbered where they are of one type.
    typed = []
    for key, value in found.items():
        type = entity_type(key.rstrip("0123456789"))
        if type in ENTITY_TYPES and isinstance(value, (str, int)):
            typed.append(Argument(str(value), type))
    return (typed[0], typed[1]) if len(typed) == 2 else None


def _argument(value: Any) -> Argument:
    if isinstance(value, str) and value.startswith("{"):
        # PubTator3's roles after a conversion to BioC XML, whose infons are text.
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return Argument(str(value))
    if isinstance(value, dict):
        identifier, type = value.get("identifier"), value.get("type")
        return Argument("" if identifier is None else str(identifier), entity_type(str(type)) if type else "")
    text = "" if value is None else str(value)
    # PubTator3 writes "Disease|MESH:D010024" where a role must be text.
    prefix, bar, rest = text.partition("|")
    if bar and entity_type(prefix) in ENTITY_TYPES:
        return Argument(rest, entity_type(prefix))
    return Argument(text)


def _arguments_of_nodes(relation: Node, annotations: Mapping[str, Node]) -> Optional[Tuple[Argument, Argument]]:
    named = [annotations.get(str(node.get("refid"))) for node in get_list(relation, "nodes")]
    if len(named) != 2 or None in named:
        return None
    first, second = (
        Argument(identifier_field(annotation), entity_type(str(get_infons(annotation).get("type", ""))))
        for annotation in named
        if annotation is not None
    )
    return first, second


def _first(found: Dict[str, Any], keys: Tuple[str, ...]) -> str:
    return next((str(found[key]) for key in keys if found.get(key) not in (None, "")), "")
