"""Documents with their concepts, in characters and in wordpieces, and the labels that are predicted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from transformers import PreTrainedTokenizerBase

from ..errors import EmbreError
from ..labels import ENTITY_TYPES, entity_type
from ..tokens import get_concepts, get_document_id, get_mentions, split_identifiers
from ..transformer import TaggedText, TagIds, Wordpieces, encode
from .config import PretrainingConfig

# One stream of random numbers for each purpose, so that none depends on how much another has drawn.
TRAIN_STREAM, DEV_STREAM, ORDER_STREAM, SPLIT_STREAM = range(4)
# The label of what is not predicted.
NO_LABEL = -100
_ENCODED_AT_ONCE = 128


def make_rng(seed: int, *stream: int) -> numpy.random.Generator:
    """Make random numbers for a stream, an epoch, a document: a resumed run, and each process, draws the same."""
    return numpy.random.default_rng([seed, *stream])


@dataclass
class MaskingConcept:
    """A concept that can be masked: its entity type, its normalized identifier (None for mentions without one), and the
    positions of its mentions in `get_mentions`."""

    type: str
    identifier: Optional[str]
    mentions: List[int]


@dataclass
class PretrainingDocs:
    """Documents, with the concepts of each that can be masked."""

    docs: List[Doc]
    concepts: List[List[MaskingConcept]]

    @property
    def n_concepts(self) -> int:
        return sum(map(len, self.concepts))

    def describe(self) -> Dict[str, Any]:
        """Give the sizes that the report has."""
        counts = list(map(len, self.concepts))
        return {
            "documents": len(self.docs),
            "mentions": sum(len(get_mentions(doc)) for doc in self.docs),
            "concepts": self.n_concepts,
            "concepts_per_document": round(float(numpy.mean(counts)), 1),
            # At least one concept of a document stays unmasked, so these teach nothing but words.
            "documents_with_fewer_than_two_concepts": sum(count < 2 for count in counts),
        }


@dataclass
class LabelCounts:
    """The number of training documents for each normalized identifier, and of concepts for each entity type. The order
    of both is that of the classes."""

    identifiers: Counter = field(default_factory=Counter)
    types: Counter = field(default_factory=Counter)

    @classmethod
    def count(cls, concepts: Iterable[Sequence[MaskingConcept]]) -> "LabelCounts":
        """Count the labels of the concepts of each document."""
        types: Counter = Counter()
        identifiers: Counter = Counter()
        for doc_concepts in concepts:
            types.update(concept.type for concept in doc_concepts if concept.type)
            identifiers.update({concept.identifier for concept in doc_concepts} - {None})
        # Sorted, so that the classes do not depend on the order of the documents.
        return cls(Counter(dict(sorted(identifiers.items()))), Counter(dict(sorted(types.items()))))


@dataclass
class EncodedConcept:
    """A concept in the wordpieces of its document.

    pieces (NDArray[int64]): The wordpieces of all its mentions, without their tags; shape (n,).
    type (int), identifier (int): Its classes, or NO_LABEL.
    has_identifier (bool): Whether it has an identifier. If so, NO_LABEL means that no training document has it.
    """

    pieces: NDArray[numpy.int64]
    type: int
    identifier: int
    has_identifier: bool


@dataclass
class EncodedDocument:
    """A document that can be masked.

    index (int): Its position among its documents.
    wordpieces (Wordpieces): Its wordpieces, with tags around the mentions if there are tags.
    tagged (NDArray[bool]): Which mentions have tags; shape (mentions,).
    concepts (List[EncodedConcept]): The concepts that can be masked.
    """

    index: int
    wordpieces: Wordpieces
    tagged: NDArray[numpy.bool_]
    concepts: List[EncodedConcept]


def join_corpora(
    docs: Sequence[Doc], others: Iterable[Iterable[Doc]], dev_docs: Sequence[Doc]
) -> Tuple[List[Doc], List[str]]:
    """Add to a corpus what others have that is neither held out nor there already; return the documents, and a line for
    each reason to leave some out."""
    dev_ids = {get_document_id(doc) for doc in dev_docs}
    ids = {get_document_id(doc) for doc in docs}
    joined = list(docs)
    n_held_out = n_repeated = 0
    for doc in (doc for corpus in others for doc in corpus):
        document_id = get_document_id(doc)
        if document_id and document_id in dev_ids:
            n_held_out += 1
        elif document_id and document_id in ids:
            n_repeated += 1
        else:
            joined.append(doc)
            ids.add(document_id)
    reasons = {"they are among the held-out documents": n_held_out, "they are there already": n_repeated}
    return joined, [f"{count} documents are left out: {reason}" for reason, count in reasons.items() if count]


def find_concepts(docs: Sequence[Doc], config: PretrainingConfig) -> PretrainingDocs:
    """Find the concepts that can be masked."""
    return PretrainingDocs(list(docs), [_find_concepts(doc, config.masking.unidentified) for doc in docs])


def split_docs(
    docs: Sequence[Doc], dev_docs: Optional[Sequence[Doc]], config: PretrainingConfig
) -> Tuple[PretrainingDocs, Optional[PretrainingDocs]]:
    """Find the concepts of training and held-out documents, which are a share of the former if there are none."""
    train = find_concepts(docs, config)
    _check_usable(train, config)
    if dev_docs is not None:
        if not len(dev_docs):
            raise EmbreError("there are no held-out documents")
        return train, find_concepts(dev_docs, config)
    share = config.training.dev_share
    if not share:
        return train, None
    if len(docs) < 2:
        raise EmbreError("one document cannot be split: give held-out documents, or set [training] dev_share to 0")
    n_dev = min(max(1, round(share * len(docs))), len(docs) - 1)
    order = make_rng(config.training.seed, SPLIT_STREAM).permutation(len(docs))
    train, dev = (
        PretrainingDocs([train.docs[index] for index in indices], [train.concepts[index] for index in indices])
        for indices in (sorted(order[n_dev:]), sorted(order[:n_dev]))
    )
    _check_usable(train, config)
    return train, dev


def _check_usable(train: PretrainingDocs, config: PretrainingConfig) -> None:
    """Refuse documents that nothing can be learned from."""
    if not train.docs:
        raise EmbreError("there are no documents")
    if not config.masking.concept_rate:
        return
    if not any(get_mentions(doc) for doc in train.docs):
        raise EmbreError("the documents have no mentions, so there are no concepts to mask")
    if not any(train.concepts):
        raise EmbreError(
            "the mentions have no identifiers, so there are no concepts to mask; "
            'set [masking] unidentified to true and [objective] objectives to ["type"] to mask mentions by their text'
        )
    if all(len(concepts) < 2 for concepts in train.concepts):
        raise EmbreError("no document names two concepts, and at least one concept of a document must stay unmasked")


def _find_concepts(doc: Doc, unidentified: bool) -> List[MaskingConcept]:
    """Find the concepts of a document; if `unidentified`, mentions without identifier too, by type and text."""
    mentions = get_mentions(doc)
    positions: Dict[Tuple[int, int], List[int]] = {}
    for position, mention in enumerate(mentions):
        positions.setdefault(mention[:2], []).append(position)
    concepts = [
        MaskingConcept(
            concept.type,
            concept.key,
            sorted({position for start, end in concept.mentions for position in positions[start, end]}),
        )
        for concept in get_concepts(doc)
    ]
    if unidentified:
        text = doc.text
        by_text: Dict[Tuple[str, str], List[int]] = {}
        for position, mention in enumerate(mentions):
            if not split_identifiers(mention.identifier):
                name = text[mention.start : mention.end].lower()
                by_text.setdefault((name, entity_type(mention.label)), []).append(position)
        concepts.extend(MaskingConcept(type, None, positions) for (_, type), positions in by_text.items())
    return concepts


def find_entity_types(docs: Iterable[Doc]) -> List[str]:
    """Find the entity types of the mentions of documents, BioRED's first and in its order."""
    types = {entity_type(mention.label) for doc in docs for mention in get_mentions(doc)} - {""}
    return [type for type in ENTITY_TYPES if type in types] + sorted(types.difference(ENTITY_TYPES))


def encode_docs(
    docs: PretrainingDocs, labels: LabelCounts, tokenizer: PreTrainedTokenizerBase, tag_ids: Optional[TagIds]
) -> List[EncodedDocument]:
    """Encode documents, with tags around their mentions unless `tag_ids` is None."""
    identifiers = {identifier: index for index, identifier in enumerate(labels.identifiers)}
    types = {type: index for index, type in enumerate(labels.types)}
    return [
        EncodedDocument(
            index,
            wordpieces,
            tagged,
            [
                EncodedConcept(
                    pieces,
                    types.get(concept.type, NO_LABEL),
                    NO_LABEL if concept.identifier is None else identifiers.get(concept.identifier, NO_LABEL),
                    concept.identifier is not None,
                )
                for concept in docs.concepts[index]
                # A mention of characters that the tokenizer drops has no wordpieces, so there is nothing to mask.
                if len(pieces := _find_pieces(concept, wordpieces))
            ],
        )
        for index, (wordpieces, tagged) in enumerate(_encode_texts(docs.docs, tokenizer, tag_ids))
    ]


def _encode_texts(
    docs: Sequence[Doc], tokenizer: PreTrainedTokenizerBase, tag_ids: Optional[TagIds]
) -> Iterator[Tuple[Wordpieces, NDArray[numpy.bool_]]]:
    """Encode texts; yield the wordpieces of each, and which of its mentions have tags."""
    for start in range(0, len(docs), _ENCODED_AT_ONCE):
        texts = []
        for doc in docs[start : start + _ENCODED_AT_ONCE]:
            mentions = get_mentions(doc)
            tags = [(tag_ids or {}).get(entity_type(mention.label)) for mention in mentions]
            texts.append(TaggedText(doc.text, [mention[:2] for mention in mentions], tags))
        for text, wordpieces in zip(texts, encode(tokenizer, texts)):
            yield wordpieces, numpy.asarray([tag is not None for tag in text.tags or ()], dtype="bool")


def _find_pieces(concept: MaskingConcept, wordpieces: Wordpieces) -> NDArray[numpy.int64]:
    """Find the wordpieces of all mentions of a concept, without their tags."""
    inside = numpy.zeros(len(wordpieces), dtype="bool")
    for start, end in wordpieces.mentions[concept.mentions]:
        inside[start:end] = True
    return numpy.flatnonzero(inside & ~wordpieces.is_tag)
