"""The relations of a document, which it carries in `doc.user_data`, where everybody can change them; copies that
carry less."""

from functools import cache, partial
from typing import Annotated, Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from pydantic import BeforeValidator, ConfigDict, Field, StrictStr, TypeAdapter
from pydantic import ValidationInfo as Info
from spacy.tokens import Doc
from spacy.training import Example
from typing_extensions import NotRequired, Required, TypedDict

from .concepts import Concept, ConceptIndex, Relation
from .mentions import get_mentions, give_mentions
from .passages import (
    JUDGED_KEY,
    RELATIONS_KEY,
    Ends,
    check_data,
    get_document_id,
    get_passages,
    own_data,
    set_document_id,
    set_passages,
)


def _find_named(value: Any, info: Info) -> Any:
    """A concept that is given by its identifier alone."""
    return next(iter(info.context["index"]().find(value)), Concept(value)) if isinstance(value, str) else value


_Probabilities = Dict[StrictStr, Annotated[float, Field(strict=True, ge=0.0, le=1.001)]]


class _ConceptFields(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    id: Required[StrictStr]
    type: StrictStr
    name: StrictStr
    mentions: List[Ends]


class _RelationFields(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    source: Annotated[_ConceptFields, BeforeValidator(_find_named)]
    target: Annotated[_ConceptFields, BeforeValidator(_find_named)]
    type: StrictStr
    novelty: NotRequired[Optional[StrictStr]]
    type_probabilities: NotRequired[Optional[_Probabilities]]
    novelty_probabilities: NotRequired[Optional[_Probabilities]]


_RELATION: TypeAdapter[Any] = TypeAdapter(_RelationFields)


def get_relations(doc: Doc) -> List[Relation]:
    """The relations of a document: a list that belongs to the document, so that it can be changed in place."""
    relations = own_data(doc).setdefault(RELATIONS_KEY, [])
    if not isinstance(relations, list) or any(type(relation) is not Relation for relation in relations):
        # Documents that come from bytes bring tuples and plain dictionaries.
        set_relations(doc, relations if isinstance(relations, (list, tuple)) else [relations])
    return doc.user_data[RELATIONS_KEY]


def set_relations(doc: Doc, relations: Iterable[Union[Relation, Mapping[str, Any]]]) -> None:
    """Replace the relations of a document.

    doc (Doc): The document.
    relations (Iterable[Union[Relation, Mapping[str, Any]]]): Relations, or dictionaries with their keys, in which
        `source` and `target` may be identifiers of concepts of the document.
    RAISES (InputError): If a relation lacks a key, has one that relations do not have, or a value that cannot be.
    """
    index = cache(partial(ConceptIndex, doc))
    checked: List[Relation] = []
    for relation in relations:
        if not isinstance(relation, Relation):
            relation = Relation(**check_data(_RELATION, relation, "not a relation", doc, index=index))
        checked.append(relation)
    own_data(doc)[RELATIONS_KEY] = checked


def get_judged(doc: Doc) -> Optional[Dict[Tuple[str, str], float]]:
    """The pairs (`Relation.pair`) of which the annotation of a document says whether they are related, each with how
    much that counts, from 0 to 1; None if it says so of all."""
    judged = own_data(doc).get(JUDGED_KEY)
    return None if judged is None else {(first, second): weight for first, second, weight in judged}


def set_judged(doc: Doc, judged: Mapping[Tuple[str, str], float]) -> None:
    """Say which pairs the annotation of a document judges; see `get_judged`."""
    own_data(doc)[JUDGED_KEY] = [[*pair, weight] for pair, weight in judged.items()]


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
    completed: List[Example] = []
    for old in examples:
        is_kept = keep_tokens and old.text == old.reference.text
        copy = _complete(old.predicted.copy(), old.reference) if is_kept else copy_mentions(old.reference)
        completed.append(Example(copy, old.reference))
    return completed


def _complete(copy: Doc, reference: Doc) -> Doc:
    set_document_id(copy, get_document_id(reference))
    set_passages(copy, get_passages(reference))
    give_mentions(copy, get_mentions(reference))
    return copy
