"""What a `Doc` offers: mentions, concepts, candidates, relations. Knows nothing of files or models."""

from .candidates import Candidate, CandidateFunction
from .concepts import Concept, ConceptIndex, Relation, get_concepts
from .copies import complete_examples, copy_mentions
from .extensions import register_extensions
from .identifiers import normalize_identifier, split_identifiers
from .mentions import MENTIONS_KEY, Mention, get_mentions, set_mentions
from .tokenizer import build_tokenizer, get_tokenizer, tokenize_at
from .user_data import (
    Passage,
    get_document_id,
    get_passages,
    get_relations,
    set_document_id,
    set_passages,
    set_relations,
)

register_extensions()
