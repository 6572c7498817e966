"""Predicted relations in a record: their probabilities, and those that its file did not have, written in its way."""

from typing import Any, Dict, List, Set

from spacy.tokens import Doc

from ..labels import entity_type
from ..tokens import Concept, Relation, get_mentions, normalize_identifier, split_identifiers
from .record import Node, Record, children, infons, owners

_SCORES = ("score", "type_score", "novelty_score")


def add_relations(record: Record, doc: Doc, relations: List[Relation], used_ids: Set[str]) -> None:
    """Add relations to the document of a record, with ids that its file did not have.

    record (Record): The record; changed in place.
    doc (Doc): Its `Doc`.
    relations (List[Relation]): The relations. The probabilities of predicted ones become infons: "score" (that the
        two are related at all), "type_score" and "novelty_score".
    used_ids (Set[str]): The ids of the relations of the file, whether they are still there or not.
    """
    if not relations:
        return
    document = record.document
    existing = [relation for _, owner in owners(document) for relation in children(owner, "relations")]
    roles = [infons(relation)["role1"] for relation in existing if "role1" in infons(relation)]
    has_roles = bool(roles) or record.shape == "PubTator3" or "relations_display" in document
    added: List[Node] = []
    number = len(used_ids)
    for relation in relations:
        while f"R{number}" in used_ids:
            number += 1
        sides: Dict[str, Any]
        if has_roles:
            as_text = record.format == "bioc-xml"
            sides = {"role1": _role(relation.source, doc, as_text), "role2": _role(relation.target, doc, as_text)}
        else:
            sides = {"entity1": relation.source.id, "entity2": relation.target.id}
        novelty = {} if relation.novelty is None else {"novel": relation.novelty}
        found = {**sides, "type": relation.type, **novelty, **_scores(relation)}
        added.append({"id": f"R{number}", "infons": found, "nodes": []})
        number += 1
    document["relations"] = [*children(document, "relations"), *added]


def replace_scores(node: Node, relation: Relation) -> Node:
    """A relation of a file with the probabilities that it has been predicted with, in place of any that it had.

    node (Dict[str, Any]): The relation of the file.
    relation (Relation): The predicted one.
    RETURNS (Dict[str, Any]): The relation, otherwise as it is.
    """
    others = {key: value for key, value in infons(node).items() if key not in _SCORES}
    return {**node, "infons": {**others, **_scores(relation)}}


def _role(concept: Concept, doc: Doc, as_text: bool) -> Any:
    """A role as PubTator3 has it, with its own name of the type, which the mentions still have."""
    type = concept.type
    for mention in get_mentions(doc):
        keys = map(normalize_identifier, split_identifiers(mention.kb_id_))
        if concept.key in keys and entity_type(mention.label_) == concept.type:
            type = mention.label_
            break
    return f"{type}|{concept.id}" if as_text else {"identifier": concept.id, "type": type}


def _scores(relation: Relation) -> Dict[str, str]:
    found: Dict[str, float] = {}
    if relation.pair_probability is not None:
        found["score"] = relation.pair_probability
    if relation.type in relation.type_probabilities:
        found["type_score"] = relation.type_probabilities[relation.type]
    if relation.novelty in relation.novelty_probabilities:
        found["novelty_score"] = relation.novelty_probabilities[relation.novelty]
    # Text, as PubTator3 has its scores.
    return {key: f"{value:.4f}" for key, value in found.items()}
