"""The tokenizer: spaCy's English one, which also splits where names of genes, chemicals and variants meet."""

from typing import Callable, Iterable, List

from spacy.lang.en import English
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex
from spacy.vocab import Vocab

_INFIXES = [r"[-–—/+:;,|=<>()\[\]~*→↔]"]


def build_tokenizer(vocab: Vocab) -> Tokenizer:
    """A tokenizer for biomedical English.

    vocab (Vocab): The vocabulary that its documents share.
    RETURNS (Tokenizer): A spaCy tokenizer, so that it is saved and loaded as such.
    """
    defaults = English.Defaults
    return Tokenizer(
        vocab,
        rules=defaults.tokenizer_exceptions,
        prefix_search=compile_prefix_regex([*defaults.prefixes, *_INFIXES]).search,
        suffix_search=compile_suffix_regex([*defaults.suffixes, *_INFIXES]).search,
        infix_finditer=compile_infix_regex([*defaults.infixes, *_INFIXES]).finditer,
    )


def create_tokenizer() -> Callable[[Language], Tokenizer]:
    """The registered tokenizer `embre_spacy.Tokenizer.v1`.

    RETURNS (Callable[[Language], Tokenizer]): Makes the tokenizer of a pipeline.
    """
    return lambda nlp: build_tokenizer(nlp.vocab)


def tokenize_at(tokenizer: Tokenizer, text: str, boundaries: Iterable[int]) -> Doc:
    """Tokenize a text so that a token starts at each of the boundaries, whatever the tokenizer would do there.

    tokenizer (Tokenizer): The tokenizer.
    text (str): The text.
    boundaries (Iterable[int]): Offsets in characters.
    RETURNS (Doc): The document; its text is the text to the last character.
    """
    doc = tokenizer(text)
    missing = sorted(set(boundaries) - {token.idx for token in doc} - {token.idx + len(token) for token in doc})
    if not missing:
        return doc
    words: List[str] = []
    spaces: List[bool] = []
    cuts = iter([*missing, len(text) + 1])
    cut = next(cuts)
    for token in doc:
        start, end = token.idx, token.idx + len(token)
        while cut < end:
            if start < cut:
                words.append(text[start:cut])
                spaces.append(False)
                start = cut
            cut = next(cuts)
        words.append(text[start:end])
        spaces.append(bool(token.whitespace_))
    return Doc(tokenizer.vocab, words=words, spaces=spaces)
