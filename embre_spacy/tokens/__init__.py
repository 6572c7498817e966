"""What a `Doc` offers: mentions, concepts, candidates, relations. Knows nothing of files or models."""

from .candidates import Candidate, CandidateFunction
from .concepts import MENTIONS_KEY, Concept, find_concept, get_concepts, get_mentions
from .extensions import copy_mentions, get_relations, register_extensions, set_relations
from .identifiers import normalize_identifier, split_identifiers
from .passages import Passage, get_passages, set_passages
from .relation import Relation
from .tokenizer import build_tokenizer, tokenize_at

register_extensions()

__all__ = [
    "MENTIONS_KEY",
    "Candidate",
    "CandidateFunction",
    "Concept",
    "Passage",
    "Relation",
    "build_tokenizer",
    "copy_mentions",
    "find_concept",
    "get_concepts",
    "get_mentions",
    "get_passages",
    "get_relations",
    "normalize_identifier",
    "register_extensions",
    "set_passages",
    "set_relations",
    "split_identifiers",
    "tokenize_at",
]
