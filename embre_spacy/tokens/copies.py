"""Copies of documents for a pipeline to work on."""

from typing import List, Sequence

from spacy.tokens import Doc
from spacy.training import Example

from .mentions import get_mentions, give_mentions, set_mentions
from .user_data import get_document_id, get_passages, set_document_id, set_passages


def copy_mentions(reference: Doc) -> Doc:
    """Copy a document for a pipeline to work on: the same tokens, mentions, passages and id, but no relations."""
    copy = _complete(_copy_tokens(reference), reference)
    set_mentions(copy, get_mentions(reference))
    return copy


def make_example(reference: Doc) -> Example:
    """Make an example whose predicted document has the tokens, passages and id of gold, and no entities. Its mentions
    are given for relations alone, so that a recognizer beside is told nothing."""
    copy = _complete(_copy_tokens(reference), reference)
    give_mentions(copy, get_mentions(reference))
    return Example(copy, reference)


def complete_examples(examples: Sequence[Example], *, keep_tokens: bool) -> List[Example]:
    """Give copies of examples the mentions of gold if no predicted document has one with an identifier, as spaCy's
    entity linker does. The copies have the tokens of gold, or (`keep_tokens`) all that is predicted of the own ones."""
    if any(mention.identifier for example in examples for mention in get_mentions(example.predicted)):
        return list(examples)
    completed = [make_example(example.reference) for example in examples]
    for old, new in zip(examples, completed):
        if keep_tokens and old.text == new.text:
            mentions = get_mentions(new.predicted)
            new.predicted = _complete(old.predicted.copy(), old.reference)
            give_mentions(new.predicted, mentions)
    return completed


def _copy_tokens(doc: Doc) -> Doc:
    return Doc(doc.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])


def _complete(copy: Doc, reference: Doc) -> Doc:
    set_document_id(copy, get_document_id(reference))
    set_passages(copy, get_passages(reference))
    return copy
