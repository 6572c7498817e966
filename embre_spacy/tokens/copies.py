"""Copies of documents for a pipeline to work on."""

from spacy.tokens import Doc

from .mentions import get_mentions, set_mentions
from .user_data import get_document_id, get_passages, set_document_id, set_passages


def copy_mentions(reference: Doc) -> Doc:
    """Copy a document for a pipeline to work on: the same tokens, mentions, passages and id, but no relations."""
    words = [token.text for token in reference]
    predicted = Doc(reference.vocab, words=words, spaces=[bool(token.whitespace_) for token in reference])
    set_document_id(predicted, get_document_id(reference))
    set_passages(predicted, get_passages(reference))
    set_mentions(predicted, get_mentions(reference))
    return predicted
