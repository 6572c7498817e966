"""Text with mentions to wordpieces: tags around mentions, special tokens, windows."""

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


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[TaggedText]) -> List[Wordpieces]:
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


def sort_borders(mentions: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """The order in which tags stand in the text. At one place what ends comes before what starts; inner mentions end
    first and start last.

    mentions (Sequence[Tuple[int, int]]): Start and end of each mention in characters. They may overlap.
    RETURNS (List[Tuple[int, int]]): The number of a mention and 0 for its start or 1 for its end; both of each mention.
    """

    def place(border: Tuple[int, int]) -> Tuple[int, int, int, int]:
        number, side = border
        start, end = mentions[number]
        return (end, 0, end - start, number) if side else (start, 1, start - end, -number)

    return sorted(((number, side) for number in range(len(mentions)) for side in (0, 1)), key=place)


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> Tuple[List[int], List[int]]:
    """The special tokens that a tokenizer puts around a text.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RETURNS (Tuple[List[int], List[int]]): The ids before the text ([CLS] for BERT) and after it ([SEP]).
    """
    probe = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else 0
    ids = tokenizer.build_inputs_with_special_tokens([probe])
    place = ids.index(probe)
    return ids[:place], ids[place + 1 :]


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


def tag_tokens(entity_type: str) -> Tuple[str, str]:
    """The opening and the closing tag of an entity type.

    entity_type (str): The entity type.
    RETURNS (Tuple[str, str]): The two special tokens.
    """
    return f"[{entity_type}]", f"[/{entity_type}]"


def get_tag_ids(tokenizer: PreTrainedTokenizerBase, entity_types: Sequence[str]) -> TagIds:
    """The ids of the tags that a tokenizer knows.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    entity_types (Sequence[str]): The entity types.
    RETURNS (TagIds): The ids for each entity type whose tags the tokenizer has.
    """
    vocabulary = tokenizer.get_added_vocab()
    found = {}
    for entity_type in entity_types:
        opening, closing = tag_tokens(entity_type)
        if opening in vocabulary and closing in vocabulary:
            found[entity_type] = (vocabulary[opening], vocabulary[closing])
    return found


def add_tags(transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, entity_types: Sequence[str]) -> TagIds:
    """Teach a tokenizer the tags of some entity types, and give the transformer a vector for each that is new: the
    mean of the vectors of the words that the type is named by, so that nothing here is drawn at random.

    transformer (PreTrainedModel): The transformer; its embeddings are resized in place.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer; changed in place.
    entity_types (Sequence[str]): The entity types.
    RETURNS (TagIds): The ids of the tags of all these types.
    """
    vocabulary = tokenizer.get_added_vocab()
    new: List[Tuple[str, str]] = [
        (token, entity_type)
        for entity_type in entity_types
        for token in tag_tokens(entity_type)
        if token not in vocabulary
    ]
    if new:
        tokenizer.add_special_tokens(
            {"additional_special_tokens": [token for token, _ in new]}, replace_additional_special_tokens=False
        )
        transformer.resize_token_embeddings(max(len(tokenizer), transformer.config.vocab_size), mean_resizing=False)
        embeddings = transformer.get_input_embeddings().weight
        with torch.no_grad():
            for token, entity_type in new:
                words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", entity_type)
                pieces = tokenizer(words, add_special_tokens=False)["input_ids"]
                # A type that no word is in: the mean of nothing would not be a number.
                of_name = embeddings[pieces] if pieces else embeddings
                embeddings[tokenizer.convert_tokens_to_ids(token)] = of_name.mean(dim=0)
    return get_tag_ids(tokenizer, entity_types)


def split_windows(length: int, size: int, overlap: int) -> List[Tuple[int, int]]:
    """Windows of about equal length that cover a sequence. Neighbours share at least `overlap` wordpieces, so that
    whatever is not longer than that lies whole in some window.

    length (int): The number of wordpieces.
    size (int): The most wordpieces that a window may have.
    overlap (int): The least number of wordpieces that neighbouring windows share.
    RETURNS (List[Tuple[int, int]]): The first and the one-after-last wordpiece of each window.
    RAISES (ValueError): If the overlap is not smaller than the size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"the overlap of windows ({overlap}) must be at least 0 and smaller than their size ({size})")
    if length <= size:
        return [(0, length)]
    count = -(-(length - overlap) // (size - overlap))
    width = -(-(length + (count - 1) * overlap) // count)
    last = length - width
    return [(start, start + width) for start in (last * i // (count - 1) for i in range(count))]
