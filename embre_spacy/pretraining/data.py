"""From documents to wordpieces and the concepts in them that can be masked; the labels that are predicted."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.util import minibatch
from transformers import PreTrainedTokenizerBase

from ..errors import EmbreError
from ..labels import ENTITY_TYPES, entity_type
from ..tokens import get_concepts, get_document_id, get_mentions, split_identifiers
from ..transformer.text import TaggedText, TagIds, Wordpieces, cut_wordpieces, insert_tags, tag_text
from .config import TrainingConfig

# One stream of random numbers for each purpose, so that none depends on how much another has drawn.
TRAIN_STREAM, DEV_STREAM, ORDER_STREAM, SPLIT_STREAM = range(4)
ENCODED_AT_ONCE = 128


def make_rng(seed: int, *stream: int) -> numpy.random.Generator:
    """Make random numbers for a stream, an epoch, a document: a resumed run, and each process, draws the same."""
    return numpy.random.default_rng([seed, *stream])


class MaskingConcept(NamedTuple):
    """A concept that can be masked: its entity type, its normalized identifier (None for mentions without one), and the
    wordpieces of all its mentions in the document, without their tags; shape (n,)."""

    type: str
    identifier: Optional[str]
    pieces: NDArray[numpy.int64]


@dataclass
class EncodedDocument:
    """A document that can be masked, with tags around its mentions if there are tags."""

    index: int  # its position among its documents
    wordpieces: Wordpieces
    starts_word: NDArray[numpy.bool_]  # whether a word starts with a wordpiece, as with a tag; shape (n,)
    tagged: NDArray[numpy.int64]  # the first and the one-after-last wordpiece of each mention with tags; shape (t, 2)
    concepts: List[MaskingConcept]


def join_corpora(
    docs: Sequence[Doc], others: Iterable[Iterable[Doc]], dev_docs: Sequence[Doc]
) -> Tuple[List[Doc], List[str]]:
    """Add to a corpus what others have that is neither held out nor there already; return the documents, and a line for
    each reason to leave some out."""
    dev_ids = {get_document_id(doc) for doc in dev_docs}
    ids = {get_document_id(doc) for doc in docs}
    joined = list(docs)
    left_out: Counter = Counter()
    for doc in (doc for corpus in others for doc in corpus):
        document_id = get_document_id(doc)
        if document_id and document_id in dev_ids:
            left_out["they are among the held-out documents"] += 1
        elif document_id and document_id in ids:
            left_out["they are there already"] += 1
        else:
            joined.append(doc)
            ids.add(document_id)
    return joined, [f"{count} documents are left out: {reason}" for reason, count in sorted(left_out.items())]


def split_docs(
    docs: Sequence[Doc], dev_docs: Optional[Sequence[Doc]], config: TrainingConfig
) -> Tuple[Sequence[Doc], Sequence[Doc]]:
    """Give training and held-out documents, which are a share of the former if none are given."""
    if not len(docs):
        raise EmbreError("there are no documents")
    if dev_docs is not None or not config.dev_share:
        return docs, dev_docs or []
    if len(docs) < 2:
        raise EmbreError("one document cannot be split: give held-out documents, or set [training] dev_share to 0")
    n_dev = min(max(1, round(config.dev_share * len(docs))), len(docs) - 1)
    order = make_rng(config.seed, SPLIT_STREAM).permutation(len(docs))
    train, dev = ([docs[index] for index in sorted(part)] for part in (order[n_dev:], order[:n_dev]))
    return train, dev


def find_entity_types(docs: Iterable[Doc]) -> List[str]:
    """Find the entity types of the mentions of documents, BioRED's first and in its order."""
    types = {entity_type(mention.label) for doc in docs for mention in get_mentions(doc)} - {""}
    return [type for type in ENTITY_TYPES if type in types] + sorted(types.difference(ENTITY_TYPES))


def encode_docs(
    docs: Iterable[Doc], tokenizer: PreTrainedTokenizerBase, tag_ids: Optional[TagIds], *, unidentified: bool
) -> Iterator[EncodedDocument]:
    """Encode documents, with tags around their mentions unless `tag_ids` is None. If `unidentified`, mentions without
    identifiers are concepts too, by type and text."""
    index = 0
    for batch in minibatch(docs, ENCODED_AT_ONCE):
        texts = [tag_text(doc.text, get_mentions(doc), tag_ids or {}) for doc in batch]
        for doc, text, (ids, starts) in zip(batch, texts, cut_wordpieces(tokenizer, texts)):
            wordpieces = insert_tags(text, ids, starts)
            starts_word = numpy.ones(len(wordpieces), dtype="bool")
            starts_word[~wordpieces.is_tag] = find_word_starts(text.text, starts)
            has_tags = numpy.asarray([tag is not None for tag in text.tags or ()], dtype="bool")
            concepts = _find_concepts(doc, text, wordpieces, unidentified)
            yield EncodedDocument(index, wordpieces, starts_word, wordpieces.mentions[has_tags], concepts)
            index += 1


def find_word_starts(text: str, starts: NDArray[numpy.int64]) -> NDArray[numpy.bool_]:
    """Say which wordpieces of a text start a word: all but those between two letters or digits."""
    is_inside = [start > 0 and text[start - 1].isalnum() and text[start].isalnum() for start in starts.tolist()]
    return ~numpy.asarray(is_inside, dtype="bool")


def _find_concepts(doc: Doc, text: TaggedText, wordpieces: Wordpieces, unidentified: bool) -> List[MaskingConcept]:
    """Find the concepts of a document that have wordpieces: the tokenizer may drop all characters of a mention."""
    found = [(concept.type, concept.key, list(map(tuple, concept.mentions))) for concept in get_concepts(doc)]
    if unidentified:
        by_text = defaultdict(list)
        for mention in get_mentions(doc):
            if not split_identifiers(mention.identifier):
                name = text.text[mention.start : mention.end].lower()
                by_text[name, entity_type(mention.label)].append(mention[:2])
        found += [(type, None, offsets) for (_, type), offsets in by_text.items()]
    # Mentions with the same offsets differ in nothing but their tags.
    spans = dict(zip(text.mentions, wordpieces.mentions))
    concepts = []
    for type, identifier, mentions in found:
        inside = numpy.zeros(len(wordpieces), dtype="bool")
        for start, end in (spans[mention] for mention in mentions):
            inside[start:end] = True
        pieces = numpy.flatnonzero(inside & ~wordpieces.is_tag)
        if len(pieces):
            concepts.append(MaskingConcept(type, identifier, pieces))
    return concepts


def check_usable(documents: Sequence[EncodedDocument]) -> None:
    """Refuse documents of which no concept can be masked."""
    if not any(len(document.wordpieces.mentions) for document in documents):
        raise EmbreError("the documents have no mentions, so there are no concepts to mask")
    if not any(document.concepts for document in documents):
        raise EmbreError(
            "the mentions have no identifiers, so there are no concepts to mask; "
            'set [masking] unidentified to true and [objective] objectives to ["type"] to mask mentions by their text'
        )
    if all(len(document.concepts) < 2 for document in documents):
        raise EmbreError("no document names two concepts, and at least one concept of a document must stay unmasked")


def count_labels(documents: Sequence[EncodedDocument]) -> Dict[str, Counter]:
    """Count for each objective what training documents show of each label: documents of an identifier, concepts of an
    entity type, and words of an id. The order of labels is that of the classes."""
    labels: Dict[str, Counter] = {"identifier": Counter(), "type": Counter(), "word": Counter()}
    for document in documents:
        labels["identifier"].update({concept.identifier for concept in document.concepts} - {None})
        labels["type"].update(concept.type for concept in document.concepts if concept.type)
        labels["word"].update(document.wordpieces.ids[~document.wordpieces.is_tag].tolist())
    # Sorted, so that the classes do not depend on the order of the documents.
    return {name: Counter(dict(sorted(counts.items()))) for name, counts in labels.items()}


def describe_documents(documents: Sequence[EncodedDocument]) -> Dict[str, Any]:
    """Give the sizes that the report has."""
    counts = [len(document.concepts) for document in documents]
    return {
        "documents": len(documents),
        "mentions": sum(len(document.wordpieces.mentions) for document in documents),
        "concepts": sum(counts),
        "concepts_per_document": round(float(numpy.mean(counts)), 1),
        # At least one concept of a document stays unmasked, so these teach nothing but words.
        "documents_with_fewer_than_two_concepts": sum(count < 2 for count in counts),
    }
