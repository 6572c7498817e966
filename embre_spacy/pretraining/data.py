"""What is learned from: documents and their concepts, in words and in wordpieces, and the labels that are predicted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from transformers import PreTrainedTokenizerBase

from ..errors import EmbreError
from ..labels import ENTITY_TYPES, entity_type
from ..tokens import get_concepts, get_mentions, split_identifiers
from ..transformer import TaggedText, TagIds, Wordpieces, encode
from .config import PretrainingConfig

# One stream of random numbers for each thing that is drawn, so that none depends on how often another was.
TRAIN_STREAM, DEV_STREAM, ORDER_STREAM, SPLIT_STREAM = range(4)
# The class of what is not predicted.
NO_CLASS = -100
_ENCODED_AT_ONCE = 128


@dataclass
class MaskingConcept:
    """A concept that can be chosen.

    type (str): The entity type.
    identifier (Optional[str]): The normalized identifier; None for mentions without one.
    mentions (List[int]): The numbers of its mentions in the order of `get_mentions`.
    """

    type: str
    identifier: Optional[str]
    mentions: List[int]


@dataclass
class LabelCounts:
    """What is predicted of concepts, counted over the training documents: how many of them have each class.

    identifiers (Counter): The documents that each normalized identifier occurs in.
    types (Counter): The concepts that have each entity type.
    """

    identifiers: Counter = field(default_factory=Counter)
    types: Counter = field(default_factory=Counter)

    @classmethod
    def count(cls, targets: Iterable[Sequence[MaskingConcept]]) -> "LabelCounts":
        """Count the classes of documents.

        targets (Iterable[Sequence[MaskingConcept]]): The concepts of each document.
        RETURNS (LabelCounts): The classes.
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
class EncodedConcept:
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
class EncodedDocument:
    """A document ready to be masked.

    number (int): Its number in its corpus.
    wordpieces (Wordpieces): Its wordpieces, with tags around all mentions if there are tags.
    tagged (NDArray[bool]): Which mentions have tags; shape (mentions,).
    concepts (List[EncodedConcept]): The concepts that can be chosen.
    """

    number: int
    wordpieces: Wordpieces
    tagged: NDArray[numpy.bool_]
    concepts: List[EncodedConcept]


def make_rng(seed: int, *stream: int) -> numpy.random.Generator:
    """A generator of random numbers that depends on nothing but its arguments: a run that was interrupted draws what an
    uninterrupted one would, and so do all processes of a run on many devices.

    seed (int): The seed of the run.
    *stream (int): What the numbers are for: a stream, an epoch, the number of a document.
    RETURNS (Generator): The generator.
    """
    return numpy.random.default_rng([seed, *stream])


def find_concepts(doc: Doc, *, unidentified: bool = False) -> List[MaskingConcept]:
    """The concepts of a document that can be chosen for masking.

    doc (Doc): The document.
    unidentified (bool): Whether mentions without an identifier are there too, those of the same type and lower-cased
        text as one.
    RETURNS (List[MaskingConcept]): The concepts.
    """
    mentions = get_mentions(doc)
    numbers: Dict[Tuple[int, int], List[int]] = {}
    for number, mention in enumerate(mentions):
        numbers.setdefault((mention.start_char, mention.end_char), []).append(number)
    targets = [
        MaskingConcept(
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
        targets.extend(MaskingConcept(type, None, found) for (_, type), found in by_text.items())
    return targets


def find_entity_types(docs: Iterable[Doc]) -> List[str]:
    """The entity types of the mentions of documents.

    docs (Iterable[Doc]): The documents.
    RETURNS (List[str]): The types, BioRED's first and in its order.
    """
    found = {entity_type(mention.label_) for doc in docs for mention in get_mentions(doc)} - {""}
    return [name for name in ENTITY_TYPES if name in found] + sorted(found.difference(ENTITY_TYPES))


def encode_docs(
    docs: Sequence[Doc],
    targets: Sequence[Sequence[MaskingConcept]],
    classes: LabelCounts,
    tokenizer: PreTrainedTokenizerBase,
    tag_ids: Optional[TagIds],
) -> List[EncodedDocument]:
    """Encode documents.

    docs (Sequence[Doc]): The documents.
    targets (Sequence[Sequence[MaskingConcept]]): Their concepts.
    classes (LabelCounts): The classes.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    tag_ids (Optional[TagIds]): The tags of entity types, or None for text without tags.
    RETURNS (List[EncodedDocument]): The documents in the same order.
    """
    identifiers = {identifier: number for number, identifier in enumerate(classes.identifiers)}
    types = {type: number for number, type in enumerate(classes.types)}
    return [
        EncodedDocument(
            number,
            wordpieces,
            tagged,
            [
                EncodedConcept(
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
    docs: Sequence[Doc], tokenizer: PreTrainedTokenizerBase, tag_ids: Optional[TagIds]
) -> Iterator[Tuple[Wordpieces, NDArray[numpy.bool_]]]:
    for first in range(0, len(docs), _ENCODED_AT_ONCE):
        texts = []
        for doc in docs[first : first + _ENCODED_AT_ONCE]:
            mentions = get_mentions(doc)
            tags = [(tag_ids or {}).get(entity_type(mention.label_)) for mention in mentions]
            texts.append(TaggedText(doc.text, [(span.start_char, span.end_char) for span in mentions], tags))
        for text, wordpieces in zip(texts, encode(tokenizer, texts)):
            yield wordpieces, numpy.asarray([tag is not None for tag in text.tags or ()], dtype="bool")


def _pieces_of(target: MaskingConcept, wordpieces: Wordpieces) -> NDArray[numpy.int64]:
    inside = numpy.zeros(len(wordpieces), dtype="bool")
    for start, end in wordpieces.mentions[target.mentions]:
        inside[start:end] = True
    return numpy.flatnonzero(inside & ~wordpieces.is_tag)


@dataclass
class PretrainingDocs:
    """The documents of one side, with what can be masked in them.

    docs (List[Doc]): The documents.
    targets (List[List[MaskingConcept]]): The concepts of each.
    """

    docs: List[Doc]
    targets: List[List[MaskingConcept]]

    @property
    def n_concepts(self) -> int:
        return sum(map(len, self.targets))

    def describe(self) -> Dict[str, Any]:
        """The sizes of the corpus.

        RETURNS (Dict[str, Any]): Numbers by name.
        """
        concepts = [len(found) for found in self.targets]
        return {
            "documents": len(self.docs),
            "mentions": sum(len(get_mentions(doc)) for doc in self.docs),
            "concepts": sum(concepts),
            "concepts_per_document": round(float(numpy.mean(concepts)), 1),
            # Never all concepts of a document are masked, so these teach nothing but words.
            "documents_with_fewer_than_two_concepts": sum(count < 2 for count in concepts),
        }


def join_corpora(
    docs: Sequence[Doc], others: Iterable[Iterable[Doc]], dev_docs: Sequence[Doc]
) -> Tuple[List[Doc], List[str]]:
    """Put corpora together. No document comes twice, and none that is held out.

    docs (Sequence[Doc]): The documents of the first corpus, all kept.
    others (Iterable[Iterable[Doc]]): Those of the other corpora.
    dev_docs (Sequence[Doc]): The held-out documents.
    RETURNS (Tuple[List[Doc], List[str]]): The documents, and a line for each reason to leave some out.
    """
    held_out = {doc._.document_id for doc in dev_docs}
    found = {doc._.document_id for doc in docs}
    joined = list(docs)
    in_dev = twice = 0
    for corpus in others:
        for doc in corpus:
            name = doc._.document_id
            if name and name in held_out:
                in_dev += 1
            elif name and name in found:
                twice += 1
            else:
                joined.append(doc)
                found.add(name)
    lines = []
    if in_dev:
        lines.append(f"{in_dev} documents are left out: they are among the held-out documents")
    if twice:
        lines.append(f"{twice} documents are left out: they are there already")
    return joined, lines


def split_docs(
    docs: Sequence[Doc], dev_docs: Optional[Sequence[Doc]], config: PretrainingConfig
) -> Tuple[PretrainingDocs, Optional[PretrainingDocs]]:
    """Find out what can be masked, and hold documents out if none are given.

    docs (Sequence[Doc]): The training documents.
    dev_docs (Optional[Sequence[Doc]]): The held-out documents; a share of the training documents if None.
    config (PretrainingConfig): The settings.
    RETURNS (Tuple[PretrainingDocs, Optional[PretrainingDocs]]): Training and held-out documents; None for the latter if
        the share to hold out is 0.
    RAISES (EmbreError): If nothing can be learned from the training documents.
    """
    train = _read(docs, config)
    _refuse_unusable(train, config)
    if dev_docs is not None:
        if not len(dev_docs):
            raise EmbreError("there are no held-out documents")
        return train, _read(dev_docs, config)
    share = config.training.dev_share
    if not share:
        return train, None
    if len(docs) < 2:
        raise EmbreError("one document cannot be split: give held-out documents, or set [training] dev_share to 0")
    count = min(max(1, round(share * len(docs))), len(docs) - 1)
    held_out = set(make_rng(config.training.seed, SPLIT_STREAM).permutation(len(docs))[:count].tolist())
    rest, dev = PretrainingDocs([], []), PretrainingDocs([], [])
    for number, (doc, targets) in enumerate(zip(train.docs, train.targets)):
        part = dev if number in held_out else rest
        part.docs.append(doc)
        part.targets.append(targets)
    _refuse_unusable(rest, config)
    return rest, dev


def _read(docs: Sequence[Doc], config: PretrainingConfig) -> PretrainingDocs:
    return PretrainingDocs(list(docs), [find_concepts(doc, unidentified=config.masking.unidentified) for doc in docs])


def _refuse_unusable(train: PretrainingDocs, config: PretrainingConfig) -> None:
    if not train.docs:
        raise EmbreError("there are no documents")
    if not config.masking.concept_rate:
        return
    if not any(get_mentions(doc) for doc in train.docs):
        raise EmbreError("the documents have no mentions, so there are no concepts to mask")
    if not any(train.targets):
        raise EmbreError(
            "the mentions have no identifiers, so there are no concepts to mask; "
            'set [masking] unidentified to true and [objective] objectives to ["type"] to mask mentions by their text'
        )
    if all(len(found) < 2 for found in train.targets):
        raise EmbreError("no document names two concepts, and never all of a document may be masked")
