"""What the document encoder reads: documents as windows of wordpieces, with their candidates laid out as arrays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence

import numpy
from numpy.typing import NDArray

from ..labels import entity_type
from ..tokens import get_mentions
from ..transformer import TaggedText, TagIds, encode, special_tokens, split_windows
from .input_dropout import mask_some
from .instance import Instance
from .layout import Layout, make_layout
from .markers import place_markers, split_crowded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass
class DocumentBatch:
    """Documents of n wordpieces in all, one after the other.

    windows (List[NDArray[int64]]): The wordpiece ids of each window, special tokens included.
    places (List[NDArray[int64]]): For each window, where its wordpieces (without the special tokens) stand among the n.
    markers (List[NDArray[int64]]): The markers of each window; see `place_markers`. Empty without markers.
    n_before (int): How many special tokens stand before the text in each window.
    layout (Layout): Their mentions, concepts and candidates. A mention encloses its tags.
    """

    windows: List[NDArray[numpy.int64]]
    places: List[NDArray[numpy.int64]]
    markers: List[NDArray[numpy.int64]]
    n_before: int
    layout: Layout


def make_document_batch(
    instances: Sequence[Instance],
    tokenizer: "PreTrainedTokenizerBase",
    *,
    entity_types: Sequence[str],
    tag_ids: Optional[TagIds],
    markers: bool,
    window: int,
    overlap: int,
    mention_dropout: float = 0.0,
    word_dropout: float = 0.0,
) -> DocumentBatch:
    """Lay out documents with their candidates.

    instances (Sequence[Instance]): The documents. Those without candidates cost nothing.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    entity_types (Sequence[str]): The entity types that have a class of their own, in the order of the classes.
    tag_ids (Optional[TagIds]): The tags of the entity types, or None for text without tags.
    markers (bool): Whether each candidate gets levitated markers.
    window (int): The most wordpieces of text that a window may have.
    overlap (int): The least number of wordpieces that neighbouring windows share.
    mention_dropout (float): The share of concepts whose mentions are masked.
    word_dropout (float): The share of other wordpieces that are masked.
    RETURNS (DocumentBatch): The batch. Its candidates are in the order of the instances.
    """
    instances = [instance for instance in instances if instance.candidates]
    pieces = encode(tokenizer, [_tag_text(instance, tag_ids) for instance in instances])
    layout = make_layout(
        instances, [found.mentions for found in pieces], [len(found) for found in pieces], entity_types
    )
    ids = mask_some(pieces, layout, tokenizer, mention_dropout=mention_dropout, word_dropout=word_dropout)
    before, after = (numpy.asarray(some, dtype="int64") for some in special_tokens(tokenizer))
    n_before = len(before)
    windows, places, spans = [], [], []
    for found, (first, *_) in zip(pieces, layout.documents):
        of_document = split_windows(len(found), window, overlap)
        for start, end in of_document:
            windows.append(numpy.concatenate([before, ids[first + start : first + end], after]))
            places.append(numpy.arange(first + start, first + end))
        spans.append([(first + start, first + end) for start, end in of_document])
    if not markers:
        return DocumentBatch(windows, places, [], n_before, layout)
    marker_ids = _choose_marker_ids(tokenizer, entity_types, tag_ids or {})
    split = split_crowded(windows, places, place_markers(layout, spans, marker_ids, n_before))
    return DocumentBatch(*split, n_before, layout)


def _choose_marker_ids(
    tokenizer: "PreTrainedTokenizerBase", entity_types: Sequence[str], tag_ids: TagIds
) -> NDArray[numpy.int64]:
    """The opening tag of each entity type; the mask where there is none, and for the class of unknown types."""
    other = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.unk_token_id
    return numpy.asarray([other, *(tag_ids.get(name, (other, other))[0] for name in entity_types)], dtype="int64")


def _tag_text(instance: Instance, tag_ids: Optional[TagIds]) -> TaggedText:
    """The text of a document, with tags around its mentions unless there are no tags."""
    mentions = get_mentions(instance.doc)
    return TaggedText(
        instance.doc.text,
        [(mention.start_char, mention.end_char) for mention in mentions],
        None if tag_ids is None else [tag_ids.get(entity_type(mention.label_)) for mention in mentions],
    )
