"""Text with mentions as wordpieces: tags around mentions, special tokens around texts, windows over long texts."""

import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The wordpiece ids of the opening and the closing tag of each entity type.
TagIds = Dict[str, Tuple[int, int]]


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
    """An encoded text of n wordpieces and m mentions, without the special tokens of the transformer.

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


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[TaggedText]) -> List[Wordpieces]:
    """Encode texts of any length. No wordpiece crosses the border of a mention."""
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
            # No warning of texts that are longer than a window.
            verbose=False,
        )["input_ids"]
        if segments
        else ()
    )
    return [_lay_out(text, offsets, pieces) for text, offsets in zip(texts, cuts)]


def _lay_out(text: TaggedText, cuts: Sequence[int], pieces: Iterator[List[int]]) -> Wordpieces:
    tags = text.tags if text.tags is not None else [None] * len(text.mentions)
    ids: List[int] = []
    is_tag: List[bool] = []
    spans = numpy.zeros((len(text.mentions), 2), dtype="int64")
    position = 0

    def add_text(until: int) -> None:
        nonlocal position
        while cuts[position] < until:
            position += 1
            segment = next(pieces)
            ids.extend(segment)
            is_tag.extend([False] * len(segment))

    for mention, side in sort_borders(text.mentions):
        add_text(text.mentions[mention][side])
        # A mention encloses its own tags.
        if not side:
            spans[mention, side] = len(ids)
        if tags[mention] is not None:
            ids.append(tags[mention][side])
            is_tag.append(True)
        if side:
            spans[mention, side] = len(ids)
    add_text(cuts[-1])
    return Wordpieces(numpy.asarray(ids, dtype="int64"), spans, numpy.asarray(is_tag, dtype="bool"))


def sort_borders(mentions: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Sort the borders of mentions into the order of their tags in the text. A border is the index of a mention, and 0
    for its start or 1 for its end. At the same offset, ends come before starts; inner mentions start last and end
    first."""

    def key(border: Tuple[int, int]) -> Tuple[int, int, int, int]:
        mention, side = border
        start, end = mentions[mention]
        return (end, 0, end - start, mention) if side else (start, 1, start - end, -mention)

    return sorted(((mention, side) for mention in range(len(mentions)) for side in (0, 1)), key=key)


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> Tuple[List[int], List[int]]:
    """The ids of the special tokens that a tokenizer puts before a text ([CLS] for BERT) and after it ([SEP]).

    They are read off an encoded text, since only its post-processor knows what a fast tokenizer adds:
    `build_inputs_with_special_tokens` of a plain `PreTrainedTokenizerFast`, which ModernBERT has, adds nothing.
    """
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, is_special = encoded["input_ids"], encoded["special_tokens_mask"]
    n_before = is_special.index(0)
    n_after = is_special[::-1].index(0)
    return ids[:n_before], ids[len(ids) - n_after :]


def tag_tokens(entity_type: str) -> Tuple[str, str]:
    """The opening and the closing tag of an entity type: tokens that name it before and after a mention (section 3.3 of
    the paper)."""
    return f"[{entity_type}]", f"[/{entity_type}]"


def get_tag_ids(tokenizer: PreTrainedTokenizerBase, entity_types: Sequence[str]) -> TagIds:
    """The ids of the tags of those entity types whose tags a tokenizer has."""
    vocabulary = tokenizer.get_added_vocab()
    tags = {entity_type: tag_tokens(entity_type) for entity_type in entity_types}
    return {
        entity_type: (vocabulary[opening], vocabulary[closing])
        for entity_type, (opening, closing) in tags.items()
        if opening in vocabulary and closing in vocabulary
    }


def add_tags(transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, entity_types: Sequence[str]) -> TagIds:
    """Add the tags of entity types to a tokenizer, and a vector for each new one to its transformer: the mean of the
    vectors of the words that name its type, so that nothing is drawn at random."""
    vocabulary = tokenizer.get_added_vocab()
    new = {
        token: entity_type
        for entity_type in entity_types
        for token in tag_tokens(entity_type)
        if token not in vocabulary
    }
    if new:
        tokenizer.add_special_tokens({"additional_special_tokens": list(new)}, replace_additional_special_tokens=False)
        transformer.resize_token_embeddings(max(len(tokenizer), transformer.config.vocab_size), mean_resizing=False)
        embeddings = transformer.get_input_embeddings().weight
        with torch.no_grad():
            for token, entity_type in new.items():
                words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", entity_type)
                pieces = tokenizer(words, add_special_tokens=False)["input_ids"]
                # A name may have no wordpieces, and the mean of nothing is no number.
                of_name = embeddings[pieces] if pieces else embeddings
                embeddings[tokenizer.convert_tokens_to_ids(token)] = of_name.mean(dim=0)
    return get_tag_ids(tokenizer, entity_types)


def split_windows(length: int, size: int, overlap: int) -> List[Tuple[int, int]]:
    """Cover a sequence with windows of about equal length, at most `size`. A window is its first and its one-after-last
    wordpiece. Neighbours share at least `overlap`, so what is not longer than that lies whole in some window."""
    if not 0 <= overlap < size:
        raise ValueError(f"the overlap of windows ({overlap}) must be at least 0 and smaller than their size ({size})")
    if length <= size:
        return [(0, length)]
    count = -(-(length - overlap) // (size - overlap))
    width = -(-(length + (count - 1) * overlap) // count)
    last = length - width
    return [(start, start + width) for start in (last * i // (count - 1) for i in range(count))]
