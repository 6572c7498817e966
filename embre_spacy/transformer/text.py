"""Text with mentions as wordpieces: tags around mentions, special tokens around texts, windows over long texts."""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..labels import entity_type

# The wordpiece ids of the opening and the closing tag of each entity type.
TagIds = Dict[str, Tuple[int, int]]
# oneDNN keeps the kernels of a thousand shapes of bfloat16, about a megabyte each. In training the lengths of batches
# are multiples of this, so that there are not so many.
LENGTH_STEP = 64


@dataclass
class TaggedText:
    """A text to encode."""

    text: str
    mentions: Sequence[Tuple[int, int]]  # start and end of each mention in characters; they may overlap
    # The ids of the tags before and after each mention; None for a mention without tags, or for no tags at all.
    tags: Optional[Sequence[Optional[Tuple[int, int]]]] = None


@dataclass
class Wordpieces:
    """An encoded text of n wordpieces and m mentions, without the special tokens of the transformer."""

    ids: NDArray[numpy.int64]  # shape (n,)
    # The first and the one-after-last wordpiece of each mention, its own tags included; shape (m, 2).
    mentions: NDArray[numpy.int64]
    is_tag: NDArray[numpy.bool_]  # shape (n,)

    def __len__(self) -> int:
        return len(self.ids)


def tag_text(text: str, mentions: Sequence[Any], tag_ids: TagIds) -> TaggedText:
    """A text with tags around those mentions, of a start, an end and a label each, whose entity types have tags."""
    tags = [tag_ids.get(entity_type(mention[2])) for mention in mentions]
    return TaggedText(text, [mention[:2] for mention in mentions], tags)


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[TaggedText]) -> List[Wordpieces]:
    """Encode texts of any length, each at once; see `cut_wordpieces`."""
    return [insert_tags(text, *pieces) for text, pieces in zip(texts, cut_wordpieces(tokenizer, texts))]


def cut_wordpieces(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[TaggedText]
) -> Iterator[Tuple[NDArray[numpy.int64], NDArray[numpy.int64]]]:
    """The ids of the wordpieces of texts, without tags, and where in the text each starts, but for white space. No
    wordpiece crosses the border of a mention: a word that a border cuts is two words."""
    backend = tokenizer.backend_tokenizer
    encodings = backend.encode_batch([text.text for text in texts], add_special_tokens=False)
    # Some models have the characters of special tokens among their wordpieces: in a text these are cut, too.
    special = re.compile("|".join(map(re.escape, tokenizer.all_special_tokens)) or "(?!)")
    for text, encoding in zip(texts, encodings):
        borders = {offset for mention in text.mentions for offset in mention}
        borders.update(match.start() + 1 for match in special.finditer(text.text))
        ids, starts = _cut_words(backend, text.text, sorted(borders), encoding)
        yield numpy.asarray(ids, dtype="int64"), numpy.asarray(starts, dtype="int64")


def _cut_words(
    backend: Tokenizer, characters: str, borders: Sequence[int], encoding: Encoding
) -> Tuple[List[int], List[int]]:
    """The ids of the wordpieces of a text, and where each starts, but for white space. Words that borders cut are
    encoded part by part."""
    ids, words, starts, ends = list(encoding.ids), encoding.word_ids, [], []
    for start, end in encoding.offsets:
        # Some tokenizers count the space before a word to it.
        while start < end and characters[start].isspace():
            start += 1
        starts.append(start)
        ends.append(end)
    cut: Dict[int, List[int]] = {}
    for border in borders:
        piece = bisect_left(starts, border) - 1
        if piece >= 0 and border < ends[bisect_right(words, words[piece]) - 1]:
            cut.setdefault(words[piece], []).append(border)
    # From the last, so that the places of those before do not change.
    for word, inside in sorted(cut.items(), reverse=True):
        first, last = bisect_left(words, word), bisect_right(words, word)
        parts = list(pairwise([starts[first], *inside, ends[last - 1]]))
        encoded = [_encode_part(backend, characters, *part) for part in parts]
        ids[first:last] = [id for of_part in encoded for id in of_part]
        starts[first:last] = [start for (start, _), of_part in zip(parts, encoded) for _ in of_part]
    return ids, starts


def _encode_part(backend: Tokenizer, characters: str, start: int, end: int) -> List[int]:
    """The ids of a part of a word, with the space before it and without one that the tokenizer adds to each text."""
    is_after_space = start > 0 and characters[start - 1].isspace()
    part = characters[start - is_after_space : end]
    part = part if backend.normalizer is None else backend.normalizer.normalize_str(part)
    pre_tokenizer = backend.pre_tokenizer
    words = [part] if pre_tokenizer is None else [word for word, _ in pre_tokenizer.pre_tokenize_str(part)]
    if words and start > 0 and not is_after_space:
        words[0] = words[0].removeprefix("\u2581").removeprefix("\u0120")
    return [piece.id for word in words for piece in backend.model.tokenize(word)]


def insert_tags(text: TaggedText, ids: NDArray[numpy.int64], starts: NDArray[numpy.int64]) -> Wordpieces:
    """Put tags among wordpieces, of which `cut_wordpieces` gave the ids and starts. A mention encloses its own."""
    tags = text.tags if text.tags is not None else [None] * len(text.mentions)
    borders = sort_borders(text.mentions)
    places = numpy.searchsorted(starts, [text.mentions[mention][side] for mention, side in borders])
    of_borders = [None if tags[mention] is None else tags[mention][side] for mention, side in borders]
    is_tagged = numpy.asarray([tag is not None for tag in of_borders], dtype="bool")
    new = [tag for tag in of_borders if tag is not None]
    spans = numpy.zeros((len(text.mentions), 2), dtype="int64")
    n_before = numpy.cumsum(is_tagged) - is_tagged
    for (mention, side), place, before, is_own in zip(borders, places, n_before, is_tagged):
        spans[mention, side] = place + before + (is_own and side)
    return Wordpieces(
        numpy.insert(ids, places[is_tagged], new),
        spans,
        numpy.insert(numpy.zeros(len(ids), dtype="bool"), places[is_tagged], True),
    )


def sort_borders(mentions: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Sort the borders of mentions into the order of their tags in the text. A border is the index of a mention, and 0
    for its start or 1 for its end. At the same offset, ends come before starts; inner mentions start last and end
    first."""
    keys = []
    for number, (start, end) in enumerate(mentions):
        keys += [(start, 1, start - end, -number, (number, 0)), (end, 0, end - start, number, (number, 1))]
    return [border for *_, border in sorted(keys)]


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer that encodes texts as they are: whole, and without special tokens where a text happens to have their
    characters. Nothing of it changes when it is used, so that several threads can use it."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return tokenizer


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> Tuple[List[int], List[int]]:
    """The ids of the special tokens that a tokenizer puts before a text ([CLS] for BERT) and after it ([SEP])."""
    # Only its post-processor knows what a fast tokenizer adds: `build_inputs_with_special_tokens` of a plain
    # `PreTrainedTokenizerFast`, which ModernBERT has, adds nothing.
    encoding = tokenizer.backend_tokenizer.encode("a")
    ids, is_special = encoding.ids, encoding.special_tokens_mask
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
    tags = {entity_type: tuple(map(vocabulary.get, tag_tokens(entity_type))) for entity_type in entity_types}
    return {entity_type: ids for entity_type, ids in tags.items() if None not in ids}


def add_tags(transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, entity_types: Sequence[str]) -> TagIds:
    """Add the tags of entity types to a tokenizer, and a vector for each new one to its transformer: the mean of the
    vectors of the words that name its type, so that nothing is drawn at random."""
    tags = {token: entity_type for entity_type in entity_types for token in tag_tokens(entity_type)}
    new = {token: tags[token] for token in tags if token not in tokenizer.get_added_vocab()}
    if new:
        tokenizer.add_special_tokens({"additional_special_tokens": list(new)}, replace_additional_special_tokens=False)
        transformer.resize_token_embeddings(max(len(tokenizer), transformer.config.vocab_size), mean_resizing=False)
        embeddings = transformer.get_input_embeddings().weight
        with torch.no_grad():
            for token, entity_type in new.items():
                words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", entity_type)
                pieces = tokenizer.backend_tokenizer.encode(words, add_special_tokens=False).ids
                # A name may have no wordpieces, and the mean of nothing is no number.
                of_name = embeddings[pieces] if pieces else embeddings
                embeddings[tokenizer.convert_tokens_to_ids(token)] = of_name.mean(dim=0)
    return get_tag_ids(tokenizer, entity_types)


def round_up(length: int, most: Optional[int] = None) -> int:
    """The next multiple of `LENGTH_STEP`, or `most` if that is less, to pad what is learned from to a few lengths."""
    rounded = -(-length // LENGTH_STEP) * LENGTH_STEP
    return rounded if most is None else max(min(rounded, most), length)


def split_windows(length: int, size: int, overlap: int) -> List[Tuple[int, int]]:
    """Cover a sequence with windows of about equal length, at most `size`. A window is its first and its one-after-last
    wordpiece. Neighbours share at least `overlap`, so what is not longer than that lies whole in some window. See
    `choose_window` for what `size` and `overlap` may be."""
    if length <= size:
        return [(0, length)]
    count = -(-(length - overlap) // (size - overlap))
    width = -(-(length + (count - 1) * overlap) // count)
    last = length - width
    return [(start, start + width) for start in (last * i // (count - 1) for i in range(count))]
