"""What a `Doc` offers: mentions, concepts, candidates, relations. Knows nothing of files or models."""

import warnings
from typing import Any, Callable, Dict, Optional, Tuple

from spacy.tokens import Doc

from .candidates import Candidate, CandidateFunction, create_type_pair_candidates
from .concepts import Concept, ConceptIndex, Relation, find_pair, get_concepts
from .identifiers import LOCAL_PREFIX, hide_local, is_local, normalize_identifier, split_identifiers
from .mentions import MENTIONS_KEY, Mention, find_free, get_mentions, get_own_spans, identify_mentions, set_mentions
from .passages import Passage, get_document_id, get_passages, set_document_id, set_passages
from .sentences import get_sentences
from .tokenizer import build_tokenizer, get_tokenizer, tokenize_at
from .user_data import complete_examples, copy_mentions, get_judged, get_relations, set_judged, set_relations

_EXTENSIONS: Dict[str, Tuple[Callable[[Doc], Any], Optional[Callable[[Doc, Any], None]]]] = {
    "document_id": (get_document_id, set_document_id),
    "relations": (get_relations, set_relations),
    "concepts": (get_concepts, None),
    # Those of a pipeline are `nlp.get_pipe("embre_relation").candidates(doc)`.
    "candidates": (create_type_pair_candidates(), None),
    "passages": (get_passages, None),
}


def register_extensions() -> None:
    """Add what is in _EXTENSIONS to `doc._`, unless it is there. Warns of names that another package has taken: what
    this package does does not depend on them, but what `doc._` says of them is not from it."""
    for name, (getter, setter) in _EXTENSIONS.items():
        if not Doc.has_extension(name):
            Doc.set_extension(name, getter=getter, setter=setter)
        elif Doc.get_extension(name)[2] is not getter:
            message = f"doc._.{name} is not that of embre_spacy, because something else has added it"
            warnings.warn(message, UserWarning, stacklevel=2)


register_extensions()
