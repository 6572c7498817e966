"""What this package adds to `doc._`."""

import warnings
from typing import Any, Callable, Dict, List, Optional, Tuple

from spacy.tokens import Doc

from .candidates import Candidate, create_type_pair_candidates
from .concepts import get_concepts
from .user_data import get_document_id, get_passages, get_relations, set_document_id, set_relations

_get_type_pair_candidates = create_type_pair_candidates()


def get_candidates(doc: Doc) -> List[Candidate]:
    """The candidates of a document by BioRED's pairs of entity types. A pipeline whose component has other candidates
    gives them by `nlp.get_pipe("embre_relation").candidates(doc)`."""
    return _get_type_pair_candidates(doc)


_EXTENSIONS: Dict[str, Tuple[Callable[[Doc], Any], Optional[Callable[[Doc, Any], None]]]] = {
    "document_id": (get_document_id, set_document_id),
    "relations": (get_relations, set_relations),
    "concepts": (get_concepts, None),
    "candidates": (get_candidates, None),
    "passages": (get_passages, None),
}


def register_extensions() -> None:
    """Add `document_id`, `relations`, `concepts`, `candidates` and `passages` to `doc._`, unless they are there. Warns
    of those that another package has taken: what this package does does not depend on them, but what `doc._` says of
    them is not from it."""
    for name, (getter, setter) in _EXTENSIONS.items():
        if not Doc.has_extension(name):
            Doc.set_extension(name, getter=getter, setter=setter)
        elif Doc.get_extension(name)[2] is not getter:
            warnings.warn(
                f"doc._.{name} is not that of embre_spacy, because something else has added it",
                UserWarning,
                stacklevel=2,
            )
