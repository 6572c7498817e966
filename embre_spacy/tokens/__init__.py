"""What a `Doc` offers: mentions, concepts, candidates, relations. Knows nothing of files or models."""

from .candidates import Candidate, CandidateFunction
from .concepts import (
    Concept,
    ConceptIndex,
    Passage,
    Relation,
    get_concepts,
    get_passages,
    set_passages,
)
from .extensions import copy_mentions, get_relations, register_extensions, set_relations
from .identifiers import normalize_identifier, split_identifiers
from .mentions import MENTIONS_KEY, Mention, get_mentions, set_mentions
from .tokenizer import build_tokenizer, get_tokenizer, tokenize_at

register_extensions()

__all__ = [
    "MENTIONS_KEY",
    "Candidate",
    "CandidateFunction",
    "Concept",
    "ConceptIndex",
    "Mention",
    "Passage",
    "Relation",
    "build_tokenizer",
    "copy_mentions",
    "get_concepts",
    "get_mentions",
    "get_passages",
    "get_relations",
    "get_tokenizer",
    "normalize_identifier",
    "register_extensions",
    "set_mentions",
    "set_passages",
    "set_relations",
    "split_identifiers",
    "tokenize_at",
]
