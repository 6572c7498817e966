"""Masks in what the transformer reads in training, so that it does not learn by heart what names it has met."""

from typing import TYPE_CHECKING, Sequence

import numpy
from numpy.typing import NDArray

from ..errors import EmbreError
from ..transformer import Wordpieces
from .layout import Layout

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def mask_some(
    pieces: Sequence[Wordpieces],
    layout: Layout,
    tokenizer: "PreTrainedTokenizerBase",
    *,
    mention_dropout: float,
    word_dropout: float,
) -> NDArray[numpy.int64]:
    """The wordpieces of documents, some of them masked; tags never are. The random numbers are NumPy's, which
    `spacy train` seeds.

    pieces (Sequence[Wordpieces]): The documents, n wordpieces in all.
    layout (Layout): Their mentions and concepts.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    mention_dropout (float): The probability of a concept that all wordpieces of all its mentions are masked.
    word_dropout (float): The probability of any other wordpiece.
    RETURNS (NDArray[int64]): The ids; shape (n,).
    RAISES (EmbreError): If the tokenizer has no mask.
    """
    ids = numpy.concatenate([numpy.zeros(0, dtype="int64"), *(found.ids for found in pieces)])
    if not mention_dropout and not word_dropout:
        return ids
    if tokenizer.mask_token_id is None:
        raise EmbreError("`mention_dropout` and `word_dropout` need a tokenizer with a mask")
    is_masked = numpy.random.random(len(ids)) < word_dropout
    mentions = layout.concept_mentions[numpy.random.random(len(layout.concept_mentions)) < mention_dropout]
    for start, end in layout.mentions[numpy.unique(mentions[mentions >= 0])]:
        is_masked[start:end] = True
    is_tag = numpy.concatenate([numpy.zeros(0, dtype="bool"), *(found.is_tag for found in pieces)])
    ids[is_masked & ~is_tag] = tokenizer.mask_token_id
    return ids
