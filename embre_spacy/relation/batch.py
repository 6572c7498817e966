"""What the document encoder reads: documents as windows of wordpieces, with their candidates laid out as arrays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence

import numpy
from numpy.typing import NDArray

from ..labels import entity_type
from ..tokens import get_mentions
from ..transformer import TaggedText, TagIds, encode, special_tokens, split_windows
from .instance import Instance
from .layout import Layout, make_layout

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass
class DocumentBatch:
    """Documents of n wordpieces in all, one after the other.

    windows (List[NDArray[int64]]): The wordpiece ids of each window, special tokens included.
    places (List[NDArray[int64]]): For each window, where its wordpieces (without the special tokens) stand among the n.
    n_before (int): How many special tokens stand before the text in each window.
    layout (Layout): Their mentions, concepts and candidates. A mention encloses its tags.
    """

    windows: List[NDArray[numpy.int64]]
    places: List[NDArray[numpy.int64]]
    n_before: int
    layout: Layout


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
    pieces = encode(tokenizer, [_tag_text(instance, tag_ids) for instance in instances])
    layout = make_layout(
        instances, [found.mentions for found in pieces], [len(found) for found in pieces], entity_types
    )
    windows, places = [], []
    for found, (first, *_) in zip(pieces, layout.documents):
        for start, end in split_windows(len(found), window, overlap):
            ids = tokenizer.build_inputs_with_special_tokens(found.ids[start:end].tolist())
            windows.append(numpy.asarray(ids, dtype="int64"))
            places.append(numpy.arange(first + start, first + end))
    return DocumentBatch(windows, places, n_before=len(special_tokens(tokenizer)[0]), layout=layout)


def _tag_text(instance: Instance, tag_ids: Optional[TagIds]) -> TaggedText:
    """The text of a document, with tags around its mentions unless there are no tags."""
    mentions = get_mentions(instance.doc)
    return TaggedText(
        instance.doc.text,
        [(mention.start_char, mention.end_char) for mention in mentions],
        None if tag_ids is None else [tag_ids.get(entity_type(mention.label_)) for mention in mentions],
    )
