"""From documents to what can be masked: wordpieces, concepts, and the classes that are predicted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..labels import ENTITY_TYPES, entity_type
from ..tokens import get_concepts, get_mentions, split_identifiers
from ..transformer import TaggedText, TagIds, Wordpieces, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The class of what is not predicted.
NO_CLASS = -100
_ENCODED_AT_ONCE = 128


@dataclass
class ConceptTarget:
    """A concept that can be chosen.

    type (str): The entity type.
    identifier (Optional[str]): The normalized identifier; None for mentions without one.
    mentions (List[int]): The numbers of its mentions in the order of `get_mentions`.
    """

    type: str
    identifier: Optional[str]
    mentions: List[int]


@dataclass
class Classes:
    """What is predicted of concepts, counted over the training documents: how many of them have each class.

    identifiers (Counter): The documents that each normalized identifier occurs in.
    types (Counter): The concepts that have each entity type.
    """

    identifiers: Counter = field(default_factory=Counter)
    types: Counter = field(default_factory=Counter)

    @classmethod
    def count(cls, targets: Iterable[Sequence[ConceptTarget]]) -> "Classes":
        """Count the classes of documents.

        targets (Iterable[Sequence[ConceptTarget]]): The concepts of each document.
        RETURNS (Classes): The classes.
        """
        classes = cls()
        for of_document in targets:
            classes.types.update(target.type for target in of_document if target.type)
            classes.identifiers.update({target.identifier for target in of_document if target.identifier is not None})
        # The order is that of the numbers of the classes, so it must not depend on the order of the documents.
        classes.identifiers = Counter(dict(sorted(classes.identifiers.items())))
        classes.types = Counter(dict(sorted(classes.types.items())))
        return classes

    def majority(self, kind: str) -> Optional[str]:
        """The most frequent class.

        kind (str): "identifier" or "type".
        RETURNS (Optional[str]): The class, the first in the alphabet if several are; None if there is none.
        """
        counts = self.identifiers if kind == "identifier" else self.types
        return max(counts, key=counts.__getitem__, default=None)


@dataclass
class MaskableConcept:
    """A concept in the wordpieces of its document.

    pieces (NDArray[int64]): The wordpieces of all its mentions, without their tags; shape (n,).
    type (int), identifier (int): Its classes, or NO_CLASS.
    has_identifier (bool): Whether it has an identifier at all. If so, NO_CLASS means that training has not seen it.
    """

    pieces: NDArray[numpy.int64]
    type: int
    identifier: int
    has_identifier: bool


@dataclass
class MaskableDocument:
    """A document ready to be masked.

    number (int): Its number in its corpus.
    wordpieces (Wordpieces): Its wordpieces, with tags around all mentions if there are tags.
    tagged (NDArray[bool]): Which mentions have tags; shape (mentions,).
    concepts (List[MaskableConcept]): The concepts that can be chosen.
    """

    number: int
    wordpieces: Wordpieces
    tagged: NDArray[numpy.bool_]
    concepts: List[MaskableConcept]


def find_targets(doc: Doc, *, unidentified: bool = False) -> List[ConceptTarget]:
    """The concepts of a document that can be chosen for masking.

    doc (Doc): The document.
    unidentified (bool): Whether mentions without an identifier are there too, those of the same type and lower-cased
        text as one.
    RETURNS (List[ConceptTarget]): The concepts.
    """
    mentions = get_mentions(doc)
    numbers: Dict[Tuple[int, int], List[int]] = {}
    for number, mention in enumerate(mentions):
        numbers.setdefault((mention.start_char, mention.end_char), []).append(number)
    targets = [
        ConceptTarget(
            concept.type,
            concept.key,
            sorted({number for start, end in concept.mentions for number in numbers[start, end]}),
        )
        for concept in get_concepts(doc)
    ]
    if unidentified:
        by_text: Dict[Tuple[str, str], List[int]] = {}
        for number, mention in enumerate(mentions):
            if not split_identifiers(mention.kb_id_):
                by_text.setdefault((mention.text.lower(), entity_type(mention.label_)), []).append(number)
        targets.extend(ConceptTarget(type, None, found) for (_, type), found in by_text.items())
    return targets


def find_entity_types(docs: Iterable[Doc]) -> List[str]:
    """The entity types of the mentions of documents.

    docs (Iterable[Doc]): The documents.
    RETURNS (List[str]): The types, BioRED's first and in its order.
    """
    found = {entity_type(mention.label_) for doc in docs for mention in get_mentions(doc)} - {""}
    return [name for name in ENTITY_TYPES if name in found] + sorted(found.difference(ENTITY_TYPES))


def make_documents(
    docs: Sequence[Doc],
    targets: Sequence[Sequence[ConceptTarget]],
    classes: Classes,
    tokenizer: "PreTrainedTokenizerBase",
    tag_ids: Optional[TagIds],
) -> List[MaskableDocument]:
    """Encode documents.

    docs (Sequence[Doc]): The documents.
    targets (Sequence[Sequence[ConceptTarget]]): Their concepts.
    classes (Classes): The classes.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    tag_ids (Optional[TagIds]): The tags of entity types, or None for text without tags.
    RETURNS (List[MaskableDocument]): The documents in the same order.
    """
    identifiers = {identifier: number for number, identifier in enumerate(classes.identifiers)}
    types = {type: number for number, type in enumerate(classes.types)}
    return [
        MaskableDocument(
            number,
            wordpieces,
            tagged,
            [
                MaskableConcept(
                    pieces,
                    types.get(target.type, NO_CLASS),
                    NO_CLASS if target.identifier is None else identifiers.get(target.identifier, NO_CLASS),
                    target.identifier is not None,
                )
                for target in targets[number]
                # A mention of characters that the tokenizer drops has no wordpieces, so there is nothing to mask.
                if len(pieces := _pieces_of(target, wordpieces))
            ],
        )
        for number, (wordpieces, tagged) in enumerate(_encode(docs, tokenizer, tag_ids))
    ]


def _encode(
    docs: Sequence[Doc], tokenizer: "PreTrainedTokenizerBase", tag_ids: Optional[TagIds]
) -> Iterator[Tuple[Wordpieces, NDArray[numpy.bool_]]]:
    for first in range(0, len(docs), _ENCODED_AT_ONCE):
        texts = []
        for doc in docs[first : first + _ENCODED_AT_ONCE]:
            mentions = get_mentions(doc)
            tags = [(tag_ids or {}).get(entity_type(mention.label_)) for mention in mentions]
            texts.append(TaggedText(doc.text, [(span.start_char, span.end_char) for span in mentions], tags))
        for text, wordpieces in zip(texts, encode(tokenizer, texts)):
            yield wordpieces, numpy.asarray([tag is not None for tag in text.tags or ()], dtype="bool")


def _pieces_of(target: ConceptTarget, wordpieces: Wordpieces) -> NDArray[numpy.int64]:
    inside = numpy.zeros(len(wordpieces), dtype="bool")
    for start, end in wordpieces.mentions[target.mentions]:
        inside[start:end] = True
    return numpy.flatnonzero(inside & ~wordpieces.is_tag)
