"""What the infons of a relation say, in the forms that BioRED, PubTator3, BC5CDR and BioC's nodes have for it."""

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..labels import ENTITY_TYPES, entity_type
from ..tokens import normalize_identifier, split_identifiers
from .mention_fields import identifier_field
from .record import Node, children, infons

RelationKey = Tuple[Tuple[str, str], str, Optional[str]]

_TYPE_KEYS = ("type", "relation", "relation_type")
_NOVELTY_KEYS = ("novel", "novelty")


@dataclass(frozen=True)
class Side:
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

    source (Side), target (Side): Its sides.
    type (str): The relation type.
    novelty (Optional[str]): The novelty label.
    """

    source: Side
    target: Side
    type: str
    novelty: Optional[str]

    @property
    def pairs(self) -> List[Tuple[str, str]]:
        """The pairs of single identifiers that it stands for, each once whatever the direction."""
        found = {}
        for source in self.source.identifiers:
            for target in self.target.identifiers:
                found.setdefault(unordered(source, target), (source, target))
        return list(found.values())

    @property
    def keys(self) -> List[RelationKey]:
        """What each pair of it is compared by."""
        return [(unordered(source, target), self.type, self.novelty) for source, target in self.pairs]


def unordered(source: str, target: str) -> Tuple[str, str]:
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
    found = infons(relation)
    type = _first(found, _TYPE_KEYS)
    sides = _sides(found) or _sides_of_nodes(relation, annotations)
    if not type or not sides or not all(side.identifiers for side in sides):
        return None
    return RelationFields(*sides, type, _first(found, _NOVELTY_KEYS) or None)


def _sides(found: Dict[str, Any]) -> Optional[Tuple[Side, Side]]:
    for first, second in (("entity1", "entity2"), ("role1", "role2")):
        if first in found and second in found:
            return _side(found[first]), _side(found[second])
    # BC5CDR: the sides are named after their types (Chemical and Disease), numbered where they are of one type.
    typed = []
    for key, value in found.items():
        type = entity_type(key.rstrip("0123456789"))
        if type in ENTITY_TYPES and isinstance(value, (str, int)):
            typed.append(Side(str(value), type))
    return (typed[0], typed[1]) if len(typed) == 2 else None


def _side(value: Any) -> Side:
    if isinstance(value, str) and value.startswith("{"):
        # PubTator3's roles after a conversion to BioC XML, whose infons are text.
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return Side(str(value))
    if isinstance(value, dict):
        identifier, type = value.get("identifier"), value.get("type")
        return Side("" if identifier is None else str(identifier), entity_type(str(type)) if type else "")
    text = "" if value is None else str(value)
    # PubTator3 writes "Disease|MESH:D010024" where a role must be text.
    prefix, bar, rest = text.partition("|")
    if bar and entity_type(prefix) in ENTITY_TYPES:
        return Side(rest, entity_type(prefix))
    return Side(text)


def _sides_of_nodes(relation: Node, annotations: Mapping[str, Node]) -> Optional[Tuple[Side, Side]]:
    named = [annotations.get(str(node.get("refid"))) for node in children(relation, "nodes")]
    if len(named) != 2 or None in named:
        return None
    first, second = (
        Side(identifier_field(annotation), entity_type(str(infons(annotation).get("type", ""))))
        for annotation in named
        if annotation is not None
    )
    return first, second


def _first(found: Dict[str, Any], keys: Tuple[str, ...]) -> str:
    return next((str(found[key]) for key in keys if found.get(key) not in (None, "")), "")
