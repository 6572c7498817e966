"""Copies of documents for a pipeline to work on."""

from typing import List, Sequence

from spacy.tokens import Doc
from spacy.training import Example

from .mentions import get_mentions, give_mentions
from .user_data import get_document_id, get_passages, set_document_id, set_passages


def copy_mentions(reference: Doc) -> Doc:
    """Copy a document for a pipeline to work on: the same tokens, passages, id, and the mentions for relations alone,
    so that a recognizer is told nothing. It has no relations."""
    words = [token.text for token in reference]
    copy = Doc(reference.vocab, words=words, spaces=[bool(token.whitespace_) for token in reference])
    return _complete(copy, reference)


def complete_examples(examples: Sequence[Example], *, keep_tokens: bool) -> List[Example]:
    """Give copies of examples the mentions of gold if no predicted document has one with an identifier, as spaCy's
    entity linker does. The copies have the tokens of gold, or (`keep_tokens`) all that is predicted of the own ones."""
    if any(mention.identifier for example in examples for mention in get_mentions(example.predicted)):
        return list(examples)
    return [
        Example(
            _complete(old.predicted.copy(), old.reference)
            if keep_tokens and old.text == old.reference.text
            else copy_mentions(old.reference),
            old.reference,
        )
        for old in examples
    ]


def _complete(copy: Doc, reference: Doc) -> Doc:
    set_document_id(copy, get_document_id(reference))
    set_passages(copy, get_passages(reference))
    give_mentions(copy, get_mentions(reference))
    return copy
