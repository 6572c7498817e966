"""Concepts and relations."""

from bisect import bisect_right
from collections import defaultdict
from operator import itemgetter
from typing import Any, DefaultDict, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from spacy.tokens import Doc, Span

from ..labels import entity_type
from .identifiers import name_the_same, normalize_identifier, read_names, split_identifiers
from .mentions import get_mentions
from .sentences import get_sentences


def _field(key: str, description: str) -> Any:
    """A property that gives a value of a dictionary."""
    return property(itemgetter(key), doc=description)


class Concept(dict):
    """One normalized identifier within one document, with its type and all its mentions: a dictionary with the keys
    below (so that it is JSON and MessagePack as it stands), readable as attributes, too."""

    __slots__ = ()

    id: str = _field("id", "The identifier, as in the file.")
    type: str = _field("type", "The entity type, BioRED's name where it has one.")
    name: str = _field("name", "The text of the first mention; empty if the document does not mention the concept.")
    mentions: List[List[int]] = _field("mentions", "Start and end of each, in characters and in the order of the text.")

    def __init__(self, id: str, type: str = "", name: str = "", mentions: Iterable[Iterable[int]] = ()) -> None:
        super().__init__(id=id, type=type, name=name, mentions=[list(offsets) for offsets in mentions])

    @property
    def key(self) -> str:
        """The identifier as every resource would write it; what identifiers are compared by."""
        return normalize_identifier(self.id)

    def spans(self, doc: Doc) -> List[Span]:
        """The mentions as spans of a document.

        doc (Doc): The document of the concept.
        RETURNS (List[Span]): A span for each mention. Where tokens were merged, it has the whole tokens.
        """
        names = {"label": self.type, "kb_id": self.id}
        return [doc.char_span(start, end, alignment_mode="expand", **names) for start, end in self.mentions]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})" if self.name else self.id

    def __repr__(self) -> str:
        return f"Concept({self.id!r}, {self.type!r}, {self.name!r}, {len(self.mentions)} mentions)"


class Relation(dict):
    """Two concepts of one document that are related, how, and whether the document reports it as novel: a dictionary
    with the keys below (so that it is JSON and MessagePack as it stands), readable as attributes, too.

    The pair is unordered; `source` and `target` only say in which order it was written or found. The probabilities are
    empty for relations that were not predicted. Those of types are less than 1 together by the probability that the two
    are not related; those of novelty labels are given that they are.
    """

    __slots__ = ()

    source: Concept = _field("source", "The one concept.")
    target: Concept = _field("target", "The other concept.")
    type: str = _field("type", "The relation type.")
    novelty: Optional[str] = _field("novelty", "The novelty label, or None if it is not known.")
    type_probabilities: Dict[str, float] = _field("type_probabilities", "The probability of each relation type.")
    novelty_probabilities: Dict[str, float] = _field("novelty_probabilities", "The probability of each novelty label.")

    def __init__(
        self,
        source: Union[Concept, Mapping[str, Any]],
        target: Union[Concept, Mapping[str, Any]],
        type: str,
        novelty: Optional[str] = None,
        type_probabilities: Optional[Mapping[str, float]] = None,
        novelty_probabilities: Optional[Mapping[str, float]] = None,
    ) -> None:
        super().__init__(
            source=source if isinstance(source, Concept) else Concept(**source),
            target=target if isinstance(target, Concept) else Concept(**target),
            type=type,
            novelty=novelty,
            type_probabilities=dict(type_probabilities or {}),
            novelty_probabilities=dict(novelty_probabilities or {}),
        )

    @property
    def pair(self) -> Tuple[str, str]:
        """The two normalized identifiers in alphabetical order: the same for both directions and all resources."""
        return find_pair((self.source, self.target))

    @property
    def pair_probability(self) -> Optional[float]:
        """The probability that the two are related at all, or None for relations that were not predicted."""
        return sum(self.type_probabilities.values()) if self.type_probabilities else None

    def evidence(self, doc: Doc, sentences: Optional[Sequence[Tuple[int, int]]] = None) -> List[Span]:
        """The sentences that it is read from: those with the mentions of its two concepts that are nearest to each
        other, in one sentence if any are.

        doc (Doc): The document of the relation.
        sentences (Optional[Sequence[Tuple[int, int]]]): What `get_sentences` gives of the document, to spare the time
            where it has many relations.
        RETURNS (List[Span]): One sentence, or two across sentences, in the order of the text; none if the document does
            not mention both concepts. Where tokens were merged, they have the whole tokens.
        """
        places = get_sentences(doc) if sentences is None else sentences
        # The two mentions of a concept that is related to itself are different ones, if it has several.
        is_own = self.source == self.target and len(self.source.mentions) > 1
        others = () if is_own else self.target.mentions
        sides = sorted([*((ends, 0) for ends in self.source.mentions), *((ends, 1) for ends in others)])
        # In the order of the text the nearest two are neighbours.
        pairs = [
            (one, other) for (one, side), (other, next_side) in zip(sides, sides[1:]) if is_own or side != next_side
        ]
        return [doc.char_span(*place, alignment_mode="expand") for place in _find_nearest(pairs, places)]

    def __str__(self) -> str:
        text = f"{self.source} -- {self.type} -- {self.target}"
        if self.novelty is not None:
            text += f" | novelty: {self.novelty}"
        types, novelties = self.type_probabilities, self.novelty_probabilities
        values = (self.pair_probability, types.get(self.type), novelties.get(self.novelty))
        named = zip(("related", "type", "novelty"), values)
        known = ", ".join(f"{name} {value:.2f}" for name, value in named if value is not None)
        return f"{text} | {known}" if known else text

    __repr__ = __str__


def _find_nearest(
    pairs: Iterable[Tuple[List[int], List[int]]], sentences: Sequence[Tuple[int, int]]
) -> Sequence[Tuple[int, int]]:
    """The sentences with the nearest of some pairs of mentions."""
    starts = [start for start, _ in sentences]
    best: Tuple[Any, ...] = ()
    for (start, end), (next_start, next_end) in pairs:
        places = (start, end - 1, next_start, next_end - 1)
        numbers = sorted({max(bisect_right(starts, place) - 1, 0) for place in places})
        rank = (len(numbers) > 1, next_start - end, numbers)
        best = min(best or rank, rank)
    return [sentences[number] for number in best[-1]] if best and sentences else []


def find_pair(concepts: Iterable[Concept]) -> Tuple[str, str]:
    """What two concepts are compared by, whatever their order; see `Relation.pair`."""
    first, second = sorted(concept.key for concept in concepts)
    return first, second


class ConceptIndex:
    """The concepts of a document, in the order of their first mentions, and which of them an identifier names. Mentions
    without an identifier belong to none; one with several belongs to each. Numbers of genes and of taxa overlap, so the
    type is part of what a concept is."""

    def __init__(self, doc: Doc) -> None:
        self.concepts: List[Concept] = []
        # What is known of each concept by each of its names.
        self._by_name: DefaultDict[str, List[Tuple[Dict[str, str], Concept]]] = defaultdict(list)
        text = doc.text
        found = [
            (mention, (identifier, entity_type(mention.label)))
            for mention in get_mentions(doc)
            for identifier in split_identifiers(mention.identifier)
        ]
        names = {key: read_names(key[0]) for _, key in found}
        # What says most of a variant comes first, so that what says less finds it wherever it stands in the text.
        by_key = {key: self._add(*key, names[key]) for key in sorted(names, key=lambda key: -len(names[key]))}
        for mention, key in found:
            concept = by_key[key]
            if not concept.mentions:
                concept.update(id=key[0], name=text[mention.start : mention.end])
                self.concepts.append(concept)
            offsets = [mention.start, mention.end]
            # An annotation may stand in a file twice; equal offsets follow each other.
            if concept.mentions[-1:] != [offsets]:
                concept.mentions.append(offsets)

    def _add(self, identifier: str, type: str, names: Dict[str, str]) -> Concept:
        same = (entry for entry in self._find(names) if entry[1].type == type)
        known, concept = next(same, None) or ({}, Concept(identifier, type))
        for kind, name in names.items():
            if kind not in known:
                known[kind] = name
                self._by_name[name].append((known, concept))
        return concept

    def _find(self, names: Dict[str, str]) -> List[Tuple[Dict[str, str], Concept]]:
        entries = (entry for name in names.values() for entry in self._by_name.get(name, ()))
        return [entry for entry in entries if name_the_same(entry[0], names)]

    def find(self, identifier: str) -> List[Concept]:
        """The concepts, one of each type, that an identifier with or without its database prefix names."""
        return list({id(concept): concept for _, concept in self._find(read_names(identifier))}.values())


def get_concepts(doc: Doc) -> List[Concept]:
    """The concepts of a document, in the order of their first mentions."""
    return ConceptIndex(doc).concepts
