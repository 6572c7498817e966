"""Identifiers, types and relations in BioC's infons, in the forms that the corpora have for them."""

import json
import re
from collections import defaultdict
from contextlib import suppress
from functools import lru_cache
from math import prod
from operator import itemgetter
from typing import Any, DefaultDict, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from ..labels import ENTITY_TYPES, entity_type
from ..tokens import Mention, split_identifiers
from .record import Node, TextOffsets, get_infons, get_list, iter_nodes

# What corpora and tools call the infon with the concept identifier, by the letters of its key: the surest first.
_IDENTIFIER_KEYS = (
    re.compile("identifiers?"),
    re.compile("(mesh|omim|umls|cui|ncbigene|entrez(gene)?|ncbitaxonomy|cellosaurus|dbsnp)(id(entifier)?s?)?"),
    re.compile("(normali[sz]ed|concept|kb|db|database|ontology|gene|tax(on)?|species|disease|chemical)id(entifier)?s?"),
    re.compile("ids?"),
)
# What looks like an identifier, and what is none all the same.
_LIKE_IDENTIFIER = re.compile(r"(?=.*\d)[A-Za-z][\w:.#/-]*")
_OTHER_KEY = re.compile(
    "(sub)?type|class|label|name|symbol|term|text|mention|annotator|note|comment|source|method|model|version|valid"
    "|(annotation|sentence|passage|document)[ _-]?id",
    re.IGNORECASE,
)
# A list that was made text, by JSON or by Python, and the quotes of its items. "[31A>C;47G>C]" is none.
_LIST = re.compile(r"\s*\[(\s*['\"].*['\"]\s*|[\w\s,.:|-]*)\]\s*", re.DOTALL)
_QUOTES = re.compile(r"(?<=[\[,\s])['\"]|['\"](?=\s*[\],])")
# What stands between the pieces of a mention in its text: "...", "[...]", "(…)", or spaces.
_JOINTS = re.compile(r"\[[\s.…]+\]|\([\s.…]+\)|[\s.…]")
# A line of some kilobytes can name hundreds of identifiers on either side.
_MOST_PAIRS = 10_000

# What annotations name, by their ids and where they stand: the number of a passage and a node of it, the number alone,
# or nothing for the whole document. Ids may start again in each passage or sentence.
_Scope = Tuple[Any, ...]
_NamedArguments = DefaultDict[Tuple[_Scope, str], Set["Argument"]]


def find_mentions(annotation: Node, passage: Optional[int], offsets: TextOffsets) -> List[Mention]:
    """The mention at each location of an annotation that has a length; there are several if it is discontinuous."""
    label, identifier = label_field(annotation), identifier_field(annotation)
    return [
        Mention(*offsets.to_characters(passage, location["offset"], location["length"]), label, identifier)
        for location in get_list(annotation, "locations")
        if location["length"]
    ]


def label_field(annotation: Node) -> str:
    """The type of an annotation, as in the file; empty if it has none."""
    label = get_infons(annotation).get("type")
    return "" if label is None else str(label)


def identifier_field(annotation: Node) -> str:
    """The identifier field of an annotation: the surest that has an identifier, or else the surest, or else nothing."""
    fields = _identifier_fields(annotation)
    return next(filter(split_identifiers, fields), fields[0]) if len(fields) > 1 else "".join(fields)


def find_unread_key(annotation: Node) -> Optional[str]:
    """The key of an infon that looks like an identifier, of an annotation whose infons have no known key for one."""
    if _identifier_fields(annotation):
        return None
    infons = ((key, value) for key, value in get_infons(annotation).items() if not _OTHER_KEY.fullmatch(key))
    return next((key for key, value in infons if _LIKE_IDENTIFIER.fullmatch(_join_items(value))), None)


def _identifier_fields(annotation: Node) -> List[str]:
    infons = [(_rank_key(key), value) for key, value in get_infons(annotation).items() if value is not None]
    ranked = [(rank, _join_items(value)) for rank, value in infons if rank < len(_IDENTIFIER_KEYS)]
    # Some tools repeat the id of the annotation.
    repeated = (len(_IDENTIFIER_KEYS) - 1, str(annotation.get("id")))
    return [field for rank, field in sorted(ranked, key=itemgetter(0)) if (rank, field) != repeated]


@lru_cache(maxsize=1024)
def _rank_key(key: str) -> int:
    letters = re.sub("[^a-z]", "", key.lower())
    ranks = (rank for rank, pattern in enumerate(_IDENTIFIER_KEYS) if pattern.fullmatch(letters))
    return next(ranks, len(_IDENTIFIER_KEYS))


def _join_items(value: Any) -> str:
    """A field as text. The items of a list, or of a list that was made text, are joined by commas."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    text = "" if value is None else str(value)
    return _QUOTES.sub("", text).strip()[1:-1] if "[" in text and _LIST.fullmatch(text) else text


def is_same_text(own: Optional[str], pieces: List[str]) -> bool:
    """Whether the text of an annotation is that at its locations. What joins pieces differs and is not compared."""
    if not own or len(pieces) == 1:
        return not own or own == pieces[0]
    return _JOINTS.sub("", own) == _JOINTS.sub("", "".join(pieces))


class Argument(NamedTuple):
    """One of the two arguments of a relation."""

    field: str  # as in the file; it may name several identifiers
    type: str = ""  # that the file gives with it, by BioRED's name, if it gives one


class RelationFields(NamedTuple):
    """What a relation says."""

    source: Argument
    target: Argument
    type: str
    novelty: Optional[str]


def read_relations(document: Node) -> List[Tuple[Node, Optional[RelationFields]]]:
    """The relations of a document, as `iter_parts` yields them, and what each says: None if that is not understood."""
    named: _NamedArguments = defaultdict(set)
    relations = list(_iter_with_scopes(document, "relations"))
    if any(get_list(relation, "nodes") for _, relation in relations):
        for scopes, annotation in _iter_with_scopes(document, "annotations"):
            argument = Argument(identifier_field(annotation), entity_type(label_field(annotation)))
            for scope in () if annotation.get("id") is None else scopes:
                named[scope, str(annotation["id"])].add(argument)
    return [(relation, _relation_fields(relation, scopes, named)) for scopes, relation in relations]


def _iter_with_scopes(document: Node, key: str) -> Iterator[Tuple[List[_Scope], Node]]:
    """Yield what `iter_parts` yields with its sentence or passage, the passage with its sentences, and the document."""
    for passage, node in iter_nodes(document):
        for part in get_list(node, key):
            yield [(passage, id(node)), (passage,), ()], part


def _relation_fields(relation: Node, scopes: List[_Scope], named: _NamedArguments) -> Optional[RelationFields]:
    """Understand a relation in the forms of BioRED, PubTator3, BC5CDR, and BioC's nodes."""
    infons = get_infons(relation)
    type = _first_value(infons, "type", "relation", "relation_type")
    arguments = _find_arguments(infons) or _arguments_of_nodes(relation, scopes, named)
    n_pairs = prod(len(split_identifiers(argument.field)) for argument in arguments)
    if not type or len(arguments) != 2 or not 0 < n_pairs <= _MOST_PAIRS:
        return None
    return RelationFields(*arguments, type, _first_value(infons, "novel", "novelty") or None)


def _first_value(infons: Dict[str, Any], *keys: str) -> str:
    return next((str(infons[key]) for key in keys if infons.get(key) not in (None, "")), "")


def _find_arguments(infons: Dict[str, Any]) -> List[Argument]:
    for first, second in (("entity1", "entity2"), ("role1", "role2")):
        if first in infons and second in infons:
            return [_parse_argument(infons[first]), _parse_argument(infons[second])]
    # BC5CDR names the arguments after their types (Chemical, Disease), with a number if both have one type.
    typed: List[Argument] = []
    for key, value in infons.items():
        type = entity_type(key.rstrip("0123456789"))
        if type in ENTITY_TYPES and isinstance(value, (str, int)):
            typed.append(Argument(str(value), type))
    return typed if len(typed) == 2 else []


def _parse_argument(value: Any) -> Argument:
    if isinstance(value, str) and value.startswith("{"):
        # PubTator3's roles after a conversion to BioC XML, whose infons are text.
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, dict):
        return Argument(_join_items(value.get("identifier")), entity_type(str(value.get("type") or "")))
    text = _join_items(value)
    # PubTator3 writes "Disease|MESH:D010024" where a role must be text.
    prefix, bar, rest = text.partition("|")
    type = entity_type(prefix)
    return Argument(rest, type) if bar and type in ENTITY_TYPES else Argument(text)


def _arguments_of_nodes(relation: Node, scopes: List[_Scope], named: _NamedArguments) -> List[Argument]:
    """The arguments that nodes name, each in the nearest of the scopes; none if an id stands for several there."""
    found: List[Argument] = []
    for node in get_list(relation, "nodes"):
        keys = ((scope, str(node.get("refid"))) for scope in scopes)
        arguments = next((named[key] for key in keys if key in named), set())
        if len(arguments) != 1:
            return []
        found.extend(arguments)
    return found
