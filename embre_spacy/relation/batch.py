"""What the relation model reads: documents with their candidates, laid out as arrays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..labels import entity_type
from ..tokens import Candidate, Concept, get_mentions
from ..transformer import TaggedText, TagIds, encode, special_tokens, split_windows
from .proximity import CLOSE_BOUNDS, COUNT_BOUNDS, DISTANCE_BOUNDS, Proximity, find_gaps, find_proximity, to_places

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass
class Instance:
    """A document and its candidates.

    doc (Doc): The document.
    candidates (List[Candidate]): The pairs of its concepts to classify.
    """

    doc: Doc
    candidates: List[Candidate]


@dataclass
class DocumentBatch:
    """Documents of n wordpieces, m mentions, c concepts and p candidates in all, one after the other.

    windows (List[NDArray[int64]]): The wordpiece ids of each window, special tokens included.
    places (List[NDArray[int64]]): For each window, where its wordpieces (without the special tokens) stand among the n.
    mentions (NDArray[int64]): The first and the one-after-last wordpiece of each mention; shape (m, 2).
    concept_mentions (NDArray[int64]): The mentions of each concept, padded with -1; shape (c, most mentions).
    concept_types (NDArray[int64]): The class of the entity type of each concept, 0 if it is unknown; shape (c,).
    candidates (NDArray[int64]): The two concepts of each candidate; shape (p, 2).
    distances (NDArray[int64]): The class of the least distance between the mentions of each candidate; shape (p,).
    closeness (NDArray[int64]): The class of the number of pairs of mentions that are close; shape (p,).
    nearest (NDArray[int64]): In which part of the document the nearest mentions of each candidate stand; shape (p,).
    firsts (NDArray[int64]): In which part of the document each concept is mentioned first; shape (c,).
    counts (NDArray[int64]): The class of the number of mentions of each concept; shape (c,).
    documents (List[Tuple[int, int, int, int, int, int]]): For each document the first and one-after-last wordpiece,
        concept and candidate.
    n_before (int): How many special tokens stand before the text in each window.
    """

    windows: List[NDArray[numpy.int64]]
    places: List[NDArray[numpy.int64]]
    mentions: NDArray[numpy.int64]
    concept_mentions: NDArray[numpy.int64]
    concept_types: NDArray[numpy.int64]
    candidates: NDArray[numpy.int64]
    distances: NDArray[numpy.int64]
    closeness: NDArray[numpy.int64]
    nearest: NDArray[numpy.int64]
    firsts: NDArray[numpy.int64]
    counts: NDArray[numpy.int64]
    documents: List[Tuple[int, int, int, int, int, int]]
    n_before: int

    @property
    def n_wordpieces(self) -> int:
        return self.documents[-1][1] if self.documents else 0


def make_document_batch(
    instances: Sequence[Instance],
    tokenizer: "PreTrainedTokenizerBase",
    *,
    entity_types: Sequence[str],
    tag_ids: Optional[TagIds],
    window: int,
    overlap: int,
) -> DocumentBatch:
    """Lay out documents with their candidates.

    instances (Sequence[Instance]): The documents. Those without candidates cost nothing.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    entity_types (Sequence[str]): The entity types that have a class of their own, in the order of the classes.
    tag_ids (Optional[TagIds]): The tags of the entity types, or None for text without tags.
    window (int): The most wordpieces of text that a window may have.
    overlap (int): The least number of wordpieces that neighbouring windows share.
    RETURNS (DocumentBatch): The batch. Its candidates are in the order of the instances.
    """
    instances = [instance for instance in instances if instance.candidates]
    mentions = [get_mentions(instance.doc) for instance in instances]
    offsets = [[(span.start_char, span.end_char) for span in spans] for spans in mentions]
    texts = [
        TaggedText(
            instance.doc.text,
            spans,
            None if tag_ids is None else [tag_ids.get(entity_type(mention.label_)) for mention in doc_mentions],
        )
        for instance, spans, doc_mentions in zip(instances, offsets, mentions)
    ]
    classes = {name: number for number, name in enumerate(entity_types, start=1)}
    windows, places, spans, candidates, documents = [], [], [], [], []
    proximities: List[Proximity] = []
    firsts: List[float] = []
    concept_mentions: List[List[int]] = []
    concept_types: List[int] = []
    first_piece = first_mention = first_candidate = 0
    for instance, doc_offsets, pieces in zip(instances, offsets, encode(tokenizer, texts)):
        for start, end in split_windows(len(pieces), window, overlap):
            windows.append(
                numpy.asarray(tokenizer.build_inputs_with_special_tokens(pieces.ids[start:end].tolist()), dtype="int64")
            )
            places.append(numpy.arange(first_piece + start, first_piece + end))
        spans.append(pieces.mentions + first_piece)
        first_concept = len(concept_types)
        numbers = {offset: first_mention + i for i, offset in enumerate(doc_offsets)}
        concepts: Dict[Tuple[str, str], int] = {}
        for candidate in instance.candidates:
            for concept in candidate:
                if (concept.id, concept.type) not in concepts:
                    concepts[concept.id, concept.type] = len(concept_types)
                    concept_types.append(classes.get(concept.type, 0))
                    concept_mentions.append(_mention_numbers(concept, numbers))
            candidates.append([concepts[concept.id, concept.type] for concept in candidate])
        documents.append(
            (
                first_piece,
                first_piece + len(pieces),
                first_concept,
                len(concept_types),
                first_candidate,
                len(candidates),
            )
        )
        gaps = find_gaps(pieces.mentions)
        for first, second in candidates[first_candidate:]:
            numbers_of_pair = [[i - first_mention for i in concept_mentions[concept]] for concept in (first, second)]
            proximities.append(find_proximity(pieces.mentions, gaps, *numbers_of_pair, len(pieces)))
        starts = pieces.mentions[:, 0]
        firsts.extend(
            min(starts[i - first_mention] for i in found) / len(pieces) for found in concept_mentions[first_concept:]
        )
        first_piece += len(pieces)
        first_mention += len(doc_offsets)
        first_candidate = len(candidates)
    all_spans = numpy.concatenate(spans) if spans else numpy.zeros((0, 2), dtype="int64")
    padded = numpy.full((len(concept_mentions), max(map(len, concept_mentions), default=0)), -1, dtype="int64")
    for row, numbers_of_concept in zip(padded, concept_mentions):
        row[: len(numbers_of_concept)] = numbers_of_concept
    pairs = numpy.asarray(candidates, dtype="int64").reshape(-1, 2)
    return DocumentBatch(
        windows=windows,
        places=places,
        mentions=all_spans,
        concept_mentions=padded,
        concept_types=numpy.asarray(concept_types, dtype="int64"),
        candidates=pairs,
        distances=numpy.searchsorted(DISTANCE_BOUNDS, [found.distance for found in proximities]).astype("int64"),
        closeness=numpy.searchsorted(CLOSE_BOUNDS, [found.n_close for found in proximities]).astype("int64"),
        nearest=to_places([found.place for found in proximities]),
        firsts=to_places(firsts),
        counts=numpy.searchsorted(COUNT_BOUNDS, [len(found) for found in concept_mentions]).astype("int64"),
        documents=documents,
        n_before=len(special_tokens(tokenizer)[0]),
    )


def _mention_numbers(concept: Concept, numbers: Dict[Tuple[int, int], int]) -> List[int]:
    return [numbers[start, end] for start, end in concept.mentions]
