"""Identifiers, types and relations in BioC's infons, in the forms that the corpora have for them."""

import json
import re
from dataclasses import dataclass
from itertools import product
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..labels import ENTITY_TYPES, entity_type
from ..tokens import normalize_identifier, split_identifiers
from .record import Node, TextOffsets, get_infons, get_list, iter_parts

# What corpora call the infon with the concept identifier, in lower case.
_IDENTIFIER_KEYS = ("identifier", "mesh", "ncbi gene", "ncbi taxonomy", "omim")
_TYPE_KEYS = ("type", "relation", "relation_type")
_NOVELTY_KEYS = ("novel", "novelty")


class MentionKey(NamedTuple):
    """What a mention is recognized by, on a `Doc` (as a span) and in a record (as a location of an annotation): where
    it lies in `doc.text`, and label and identifier field as in the file."""

    start: int
    end: int
    label: str
    identifier: str


def mention_keys(annotation: Node, passage: Optional[int], offsets: TextOffsets) -> List[MentionKey]:
    """Make a key for each location of an annotation that has a length; there are several if it is discontinuous."""
    label, identifier = label_field(annotation), identifier_field(annotation)
    return [
        MentionKey(*offsets.to_characters(passage, location["offset"], location["length"]), label, identifier)
        for location in get_list(annotation, "locations")
        if location["length"]
    ]


def label_field(annotation: Node) -> str:
    """The type of an annotation, as in the file; empty if it has none."""
    label = get_infons(annotation).get("type")
    return "" if label is None else str(label)


def identifier_field(annotation: Node) -> str:
    """The identifier field of an annotation, as in the file; empty if it has none."""
    infons = {key.lower(): value for key, value in get_infons(annotation).items()}
    for key in _IDENTIFIER_KEYS:
        value = infons.get(key)
        if isinstance(value, list):
            return ",".join(map(str, value))
        if value is not None:
            return str(value)
    return ""


def annotations_by_id(document: Node) -> Dict[str, Node]:
    """The annotations of a document that the nodes of a relation can name, by their ids."""
    return {
        str(annotation["id"]): annotation
        for _, annotation in iter_parts(document, "annotations")
        if annotation.get("id") is not None
    }


def is_same_text(own: Optional[str], pieces: List[str]) -> bool:
    """Whether the text of an annotation, if it has one, is the text at its locations. Resources differ in what joins
    several pieces, so that is not compared."""
    if not own or len(pieces) == 1:
        return not own or own == pieces[0]
    return re.sub(r"[\s.…]", "", own) == re.sub(r"[\s.…]", "", "".join(pieces))


@dataclass(frozen=True)
class Argument:
    """One of the two arguments of a relation: its identifier field, as in the file, which may name several; and the
    entity type that the file gives with it, by BioRED's name, if it gives one."""

    field: str
    type: str = ""

    @property
    def identifiers(self) -> List[str]:
        return split_identifiers(self.field)


@dataclass(frozen=True)
class RelationFields:
    """What a relation says."""

    source: Argument
    target: Argument
    type: str
    novelty: Optional[str]

    @property
    def pairs(self) -> Dict[Tuple[str, str], Tuple[str, str]]:
        """The pairs of single identifiers that it stands for, by what `Relation.pair` is for each: once whatever the
        direction."""
        pairs: Dict[Tuple[str, str], Tuple[str, str]] = {}
        for source, target in product(self.source.identifiers, self.target.identifiers):
            first, second = sorted((normalize_identifier(source), normalize_identifier(target)))
            pairs.setdefault((first, second), (source, target))
        return pairs


def relation_fields(relation: Node, annotations: Mapping[str, Node]) -> Optional[RelationFields]:
    """Understand a relation in the forms of BioRED, PubTator3, BC5CDR, and BioC's nodes; None if it is not a typed
    relation between two concepts."""
    infons = get_infons(relation)
    type = _first_value(infons, _TYPE_KEYS)
    arguments = _find_arguments(infons) or _arguments_of_nodes(relation, annotations)
    if not type or not arguments or not all(argument.identifiers for argument in arguments):
        return None
    return RelationFields(*arguments, type, _first_value(infons, _NOVELTY_KEYS) or None)


def _first_value(infons: Dict[str, Any], keys: Tuple[str, ...]) -> str:
    return next((str(infons[key]) for key in keys if infons.get(key) not in (None, "")), "")


def _find_arguments(infons: Dict[str, Any]) -> Optional[Tuple[Argument, Argument]]:
    for first, second in (("entity1", "entity2"), ("role1", "role2")):
        if first in infons and second in infons:
            return _parse_argument(infons[first]), _parse_argument(infons[second])
    # BC5CDR names the arguments after their types (Chemical, Disease), with a number if both have one type.
    typed = []
    for key, value in infons.items():
        type = entity_type(key.rstrip("0123456789"))
        if type in ENTITY_TYPES and isinstance(value, (str, int)):
            typed.append(Argument(str(value), type))
    return (typed[0], typed[1]) if len(typed) == 2 else None


def _parse_argument(value: Any) -> Argument:
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
        Argument(identifier_field(annotation), entity_type(label_field(annotation)))
        for annotation in named
        if annotation is not None
    )
    return first, second
