"""Text with mentions to wordpieces, cut exactly at the mentions, with tags around those that have one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass
class TaggedText:
    """A text to encode.

    text (str): The text.
    mentions (Sequence[Tuple[int, int]]): Start and end of each mention in characters. They may overlap.
    tags (Optional[Sequence[Optional[Tuple[int, int]]]]): The ids of the tags before and after each mention; None for a
        mention without tags, or for no tags at all.
    """

    text: str
    mentions: Sequence[Tuple[int, int]]
    tags: Optional[Sequence[Optional[Tuple[int, int]]]] = None


@dataclass
class Wordpieces:
    """An encoded text of n wordpieces and m mentions, without the special tokens that the transformer wants around it.

    ids (NDArray[int64]): The ids; shape (n,).
    mentions (NDArray[int64]): The first and the one-after-last wordpiece of each mention, its own tags included;
        shape (m, 2).
    is_tag (NDArray[bool]): Which wordpieces are tags; shape (n,).
    """

    ids: NDArray[numpy.int64]
    mentions: NDArray[numpy.int64]
    is_tag: NDArray[numpy.bool_]

    def __len__(self) -> int:
        return len(self.ids)


def encode(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[TaggedText]) -> List[Wordpieces]:
    """Encode texts, however long. No wordpiece crosses the border of a mention.

    tokenizer (PreTrainedTokenizerBase): A fast tokenizer.
    texts (Sequence[TaggedText]): The texts.
    RETURNS (List[Wordpieces]): The wordpieces of each text.
    """
    cuts = [sorted({0, len(text.text), *(offset for mention in text.mentions for offset in mention)}) for text in texts]
    segments = [
        text.text[start:end] for text, offsets in zip(texts, cuts) for start, end in zip(offsets[:-1], offsets[1:])
    ]
    pieces = iter(
        tokenizer(
            segments,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        if segments
        else ()
    )
    return [_lay_out(text, offsets, pieces) for text, offsets in zip(texts, cuts)]


def _lay_out(text: TaggedText, cuts: Sequence[int], pieces) -> Wordpieces:
    tags = text.tags if text.tags is not None else [None] * len(text.mentions)
    # At one place what ends comes before what starts; inner mentions end first and start last.
    by_length = sorted(range(len(text.mentions)), key=lambda i: text.mentions[i][1] - text.mentions[i][0])
    closing, opening = {}, {}
    for i in by_length:
        closing.setdefault(text.mentions[i][1], []).append(i)
        opening.setdefault(text.mentions[i][0], []).insert(0, i)
    ids: List[int] = []
    is_tag: List[bool] = []
    spans = numpy.zeros((len(text.mentions), 2), dtype="int64")

    def add_tag(mention: int, side: int) -> None:
        if tags[mention] is not None:
            ids.append(tags[mention][side])
            is_tag.append(True)

    for position, cut in enumerate(cuts):
        for mention in closing.get(cut, ()):
            add_tag(mention, 1)
            spans[mention, 1] = len(ids)
        for mention in opening.get(cut, ()):
            spans[mention, 0] = len(ids)
            add_tag(mention, 0)
        if position < len(cuts) - 1:
            segment = next(pieces)
            ids.extend(segment)
            is_tag.extend([False] * len(segment))
    return Wordpieces(numpy.asarray(ids, dtype="int64"), spans, numpy.asarray(is_tag, dtype="bool"))
