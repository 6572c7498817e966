"""The tokenizer: spaCy's English one, which also splits where names of genes, chemicals and variants meet."""

import re
from typing import Callable, Iterable

from spacy.lang.en import English
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex
from spacy.vocab import Vocab

_INFIXES = [r"[-–—/+:;,|=<>()\[\]~*→↔]"]
# What is longer without a space is one token. spaCy takes a stretch apart mark by mark and looks through the rest of it
# for each, so that time would grow with the square of its length; no word, name of a chemical or address is as long.
_LONG = re.compile(r".{500}", re.DOTALL)
# Where a vocabulary keeps its tokenizer. `vocab.cfg` is neither saved nor pickled.
_CACHE_KEY = "embre_tokenizer"


def build_tokenizer(vocab: Vocab) -> Tokenizer:
    """Make a tokenizer for biomedical English: spaCy's with other rules, so that it is saved and loaded as such."""
    defaults = English.Defaults
    return Tokenizer(
        vocab,
        rules=defaults.tokenizer_exceptions,
        prefix_search=compile_prefix_regex([*defaults.prefixes, *_INFIXES]).search,
        suffix_search=compile_suffix_regex([*defaults.suffixes, *_INFIXES]).search,
        infix_finditer=compile_infix_regex([*defaults.infixes, *_INFIXES]).finditer,
        token_match=_LONG.match,
    )


def get_tokenizer(vocab: Vocab) -> Tokenizer:
    """Give the tokenizer of `build_tokenizer` that is kept with a vocabulary; in a memory zone, a new one."""
    if _CACHE_KEY not in vocab.cfg:
        tokenizer = build_tokenizer(vocab)
        if vocab.in_memory_zone:
            # What is built in a zone ends with the zone.
            return tokenizer
        # To build one takes 0.2 seconds and leaves 640 kB in the vocabulary for good.
        vocab.cfg[_CACHE_KEY] = tokenizer
    return vocab.cfg[_CACHE_KEY]


def create_tokenizer() -> Callable[[Language], Tokenizer]:
    """The registered tokenizer `embre_spacy.Tokenizer.v1`.

    RETURNS (Callable[[Language], Tokenizer]): Makes the tokenizer of a pipeline.
    """
    return lambda nlp: build_tokenizer(nlp.vocab)


def tokenize_at(tokenizer: Tokenizer, text: str, boundaries: Iterable[int], *, spaces: Iterable[int] = ()) -> Doc:
    """Tokenize a text so that tokens meet at each of the boundaries, whatever the tokenizer would do there. Those of
    `spaces` are tokens of their own, because a span starts or ends with them."""
    doc = tokenizer(text)
    alone = set(spaces)
    ends = [(token.idx + len(token), token.whitespace_) for token in doc]
    # Where a space is that belongs to the token before it.
    gaps = {end for end, space in ends if space} - alone
    present = {len(text), *(token.idx for token in doc), *(end for end, _ in ends)}
    cuts = sorted(present.union(boundaries, alone, (space + 1 for space in alone)))
    if len(cuts) == len(present) and not alone:
        return doc
    places = [(start, end) for start, end in zip(cuts, cuts[1:]) if start not in gaps]
    words = [text[start:end] for start, end in places]
    return Doc(tokenizer.vocab, words=words, spaces=[end in gaps for _, end in places])
