"""What this package adds to `doc._`."""

import warnings
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from spacy.tokens import Doc

from ..errors import InputError
from .candidates import Candidate, create_type_pair_candidates
from .concepts import Concept, ConceptIndex, Relation, get_concepts, get_passages, set_passages
from .mentions import get_mentions, set_mentions

_RELATIONS_KEY = "embre_relations"
_DOCUMENT_ID_KEY = "embre_document_id"

_get_type_pair_candidates = create_type_pair_candidates()


def get_document_id(doc: Doc) -> str:
    """The id of a document, as in its file; empty if it has none."""
    return doc.user_data.get(_DOCUMENT_ID_KEY, "")


def set_document_id(doc: Doc, identifier: Optional[str]) -> None:
    """Give a document an id, or none."""
    doc.user_data[_DOCUMENT_ID_KEY] = "" if identifier is None else str(identifier)


def get_relations(doc: Doc) -> List[Relation]:
    """The relations of a document: a list that belongs to the document, so that it can be changed in place."""
    relations = doc.user_data.get(_RELATIONS_KEY)
    if not isinstance(relations, list) or any(type(relation) is not Relation for relation in relations):
        # Documents that come from bytes bring tuples and plain dictionaries.
        relations = [Relation(**relation) for relation in relations or ()]
        doc.user_data[_RELATIONS_KEY] = relations
    return relations


def set_relations(doc: Doc, relations: Iterable[Union[Relation, Mapping[str, Any]]]) -> None:
    """Replace the relations of a document.

    doc (Doc): The document.
    relations (Iterable[Union[Relation, Mapping[str, Any]]]): Relations, or dictionaries with their keys, in which
        `source` and `target` may be identifiers of concepts of the document.
    RAISES (InputError): If a relation lacks a key or has one that relations do not have.
    """
    given = list(relations)
    # Predicted relations bring their concepts.
    concepts = None if all(isinstance(relation, Relation) for relation in given) else ConceptIndex(doc)
    doc.user_data[_RELATIONS_KEY] = [_as_relation(relation, concepts) for relation in given]


def _as_relation(relation: Union[Relation, Mapping[str, Any]], concepts: Optional[ConceptIndex]) -> Relation:
    if concepts is None or isinstance(relation, Relation):
        return relation
    try:
        fields = dict(relation)
        for side in ("source", "target"):
            if isinstance(fields[side], str):
                fields[side] = next(iter(concepts.find(fields[side])), Concept(fields[side]))
        return Relation(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a relation: {relation!r} ({error})") from error


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
    of those that another package has added."""
    for name, (getter, setter) in _EXTENSIONS.items():
        if not Doc.has_extension(name):
            Doc.set_extension(name, getter=getter, setter=setter)
        elif Doc.get_extension(name)[2] is not getter:
            warnings.warn(
                f"doc._.{name} is not that of embre_spacy, because something else has added it before",
                UserWarning,
                stacklevel=2,
            )


def copy_mentions(reference: Doc) -> Doc:
    """Copy a document for a pipeline to work on: the same tokens, mentions, passages and id, but no relations."""
    words = [token.text for token in reference]
    predicted = Doc(reference.vocab, words=words, spaces=[bool(token.whitespace_) for token in reference])
    set_document_id(predicted, get_document_id(reference))
    set_passages(predicted, get_passages(reference))
    set_mentions(predicted, get_mentions(reference))
    return predicted
