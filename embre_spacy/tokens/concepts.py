"""Mentions and concepts of a document."""

from typing import Dict, List, Optional, Tuple

from spacy.tokens import Doc, Span

from ..labels import entity_type
from .identifiers import normalize_identifier, split_identifiers

# The span group of the mentions that `doc.ents` cannot hold: overlapping, nested and discontinuous ones.
MENTIONS_KEY = "mentions"


class Concept(dict):
    """One normalized identifier within one document, with its type and all its mentions.

    A dictionary with the keys below (so that it is JSON and MessagePack as it stands), readable as attributes too.

    id (str): The identifier, as in the file.
    type (str): The entity type, BioRED's name where it has one.
    name (str): The text of the first mention; empty if the document does not mention the concept.
    mentions (List[List[int]]): Start and end of each mention in characters of `doc.text`, in the order of the text.
    """

    __slots__ = ()

    def __init__(self, id: str, type: str = "", name: str = "", mentions=()) -> None:
        super().__init__(id=id, type=type, name=name, mentions=[list(offsets) for offsets in mentions])

    def __reduce__(self):
        return Concept, (self.id, self.type, self.name, self.mentions)

    @property
    def id(self) -> str:
        return self["id"]

    @property
    def type(self) -> str:
        return self["type"]

    @property
    def name(self) -> str:
        return self["name"]

    @property
    def mentions(self) -> List[List[int]]:
        return self["mentions"]

    @property
    def key(self) -> str:
        """The identifier as every resource would write it; what identifiers are compared by."""
        return normalize_identifier(self.id)

    def spans(self, doc: Doc) -> List[Span]:
        """The mentions as spans.

        doc (Doc): The document of the concept.
        RETURNS (List[Span]): A span for each mention.
        """
        return [doc.char_span(start, end, label=self.type, kb_id=self.id) for start, end in self.mentions]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})" if self.name else self.id

    def __repr__(self) -> str:
        return f"Concept({self.id!r}, {self.type!r}, {self.name!r}, {len(self.mentions)} mentions)"


def get_mentions(doc: Doc) -> List[Span]:
    """All mentions of a document: its entities and those that only `doc.spans["mentions"]` can hold.

    doc (Doc): The document.
    RETURNS (List[Span]): The mentions in the order of the text, enclosing ones first.
    """
    mentions = list(doc.ents)
    if MENTIONS_KEY in doc.spans:
        mentions.extend(doc.spans[MENTIONS_KEY])
    return sorted(mentions, key=lambda span: (span.start, -span.end))


def get_concepts(doc: Doc) -> List[Concept]:
    """The concepts of a document. Mentions without an identifier belong to none; one with several belongs to each.

    doc (Doc): The document.
    RETURNS (List[Concept]): The concepts in the order of their first mentions.
    """
    concepts: Dict[Tuple[str, str], Concept] = {}
    for mention in get_mentions(doc):
        mention_type = entity_type(mention.label_)
        for identifier in split_identifiers(mention.kb_id_):
            # Numbers of genes and of taxa overlap, so the type is part of what a concept is.
            key = (normalize_identifier(identifier), mention_type)
            if key not in concepts:
                concepts[key] = Concept(identifier, mention_type, mention.text)
            offsets = [mention.start_char, mention.end_char]
            # An annotation may stand in a file twice; equal offsets follow each other.
            if concepts[key].mentions[-1:] != [offsets]:
                concepts[key].mentions.append(offsets)
    return list(concepts.values())


def find_concept(concepts: List[Concept], identifier: str, type: Optional[str] = None) -> Optional[Concept]:
    """The concept that an identifier names.

    concepts (List[Concept]): The concepts of a document.
    identifier (str): The identifier, with or without its database prefix.
    type (Optional[str]): The entity type, if it is known.
    RETURNS (Optional[Concept]): The first that fits, or None.
    """
    key = normalize_identifier(identifier)
    for concept in concepts:
        if concept.key == key and (not type or concept.type == type):
            return concept
    return None
