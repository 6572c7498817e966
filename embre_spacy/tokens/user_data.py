"""What a document carries in `doc.user_data`, where everybody can change it, and copies that carry less."""

import warnings
from functools import cache, partial
from typing import Annotated, Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictStr, TypeAdapter, ValidationError
from pydantic import ValidationInfo as Info
from spacy.tokens import Doc
from spacy.training import Example
from typing_extensions import NotRequired, Required, TypedDict

from ..errors import InputError
from ..util import describe_validation_error
from .concepts import Concept, ConceptIndex, Relation
from .mentions import get_mentions, give_mentions

_RELATIONS_KEY = "embre_relations"
_DOCUMENT_ID_KEY = "embre_document_id"
_PASSAGES_KEY = "embre_passages"
_JUDGED_KEY = "embre_judged"
# How long the text is that relations and passages belong to.
_LENGTH_KEY = "embre_length"


def _check_ends(value: Tuple[Any, ...], info: Info) -> Tuple[Any, ...]:
    if not value[0] < value[1] <= info.context["length"]:
        raise ValueError(f"not from one character to a later one of {info.context['length']}")
    return value


def _find_named(value: Any, info: Info) -> Any:
    """A concept that is given by its identifier alone."""
    return next(iter(info.context["index"]().find(value)), Concept(value)) if isinstance(value, str) else value


_Offset = Annotated[int, Field(strict=True, ge=0)]
_Ends = Annotated[Tuple[_Offset, _Offset], AfterValidator(_check_ends)]
_Probabilities = Dict[StrictStr, Annotated[float, Field(strict=True, ge=0.0, le=1.001)]]


class _ConceptFields(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    id: Required[StrictStr]
    type: StrictStr
    name: StrictStr
    mentions: List[_Ends]


class _RelationFields(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    source: Annotated[_ConceptFields, BeforeValidator(_find_named)]
    target: Annotated[_ConceptFields, BeforeValidator(_find_named)]
    type: StrictStr
    novelty: NotRequired[Optional[StrictStr]]
    type_probabilities: NotRequired[Optional[_Probabilities]]
    novelty_probabilities: NotRequired[Optional[_Probabilities]]


class Passage(NamedTuple):
    """A part of a document that its file tells apart: a title, an abstract, a paragraph, the caption of a figure."""

    start: _Offset  # in characters of `doc.text`
    end: _Offset
    section: StrictStr  # what its file says it is: "title", "abstract", "INTRO", "RESULTS" ...; empty if it does not


_RELATION: TypeAdapter[Any] = TypeAdapter(_RelationFields)
_PASSAGES: TypeAdapter[Any] = TypeAdapter(List[Annotated[Passage, AfterValidator(_check_ends)]])


def get_document_id(doc: Doc) -> str:
    """The id of a document, as in its file; empty if it has none."""
    identifier = doc.user_data.get(_DOCUMENT_ID_KEY, "")
    if not isinstance(identifier, str):
        raise InputError(f"the id of a document is {identifier!r:.200}, and not text")
    return identifier


def set_document_id(doc: Doc, identifier: Optional[str]) -> None:
    """Give a document an id, or none."""
    doc.user_data[_DOCUMENT_ID_KEY] = "" if identifier is None else str(identifier)


def get_relations(doc: Doc) -> List[Relation]:
    """The relations of a document: a list that belongs to the document, so that it can be changed in place."""
    relations = _own_data(doc).setdefault(_RELATIONS_KEY, [])
    if not isinstance(relations, list) or any(type(relation) is not Relation for relation in relations):
        # Documents that come from bytes bring tuples and plain dictionaries.
        set_relations(doc, relations if isinstance(relations, (list, tuple)) else [relations])
    return doc.user_data[_RELATIONS_KEY]


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
            relation = Relation(**_check(_RELATION, relation, "not a relation", doc, index=index))
        checked.append(relation)
    _own_data(doc)[_RELATIONS_KEY] = checked


def _check(schema: TypeAdapter, value: Any, problem: str, doc: Doc, **context: Any) -> Any:
    try:
        return schema.validate_python(value, context={"length": _text_length(doc), **context})
    except ValidationError as error:
        raise InputError(f"{problem}: {describe_validation_error(error)}", document=get_document_id(doc)) from error


def get_passages(doc: Doc) -> List[Passage]:
    """The passages of a document, in the order of the text; the whole text if the document has none."""
    passages = _check(_PASSAGES, _own_data(doc).get(_PASSAGES_KEY, ()), "damaged passages", doc)
    return sorted(passages) or [Passage(0, _text_length(doc), "")]


def set_passages(doc: Doc, passages: Iterable[Passage]) -> None:
    """Replace the passages of a document. They are in the order of the text and do not overlap."""
    _own_data(doc)[_PASSAGES_KEY] = [list(passage) for passage in passages]


def get_judged(doc: Doc) -> Optional[Dict[Tuple[str, str], float]]:
    """The pairs (`Relation.pair`) of which the annotation of a document says whether they are related, each with how
    much that counts, from 0 to 1; None if it says so of all."""
    judged = _own_data(doc).get(_JUDGED_KEY)
    return None if judged is None else {(first, second): weight for first, second, weight in judged}


def set_judged(doc: Doc, judged: Mapping[Tuple[str, str], float]) -> None:
    """Say which pairs the annotation of a document judges; see `get_judged`."""
    _own_data(doc)[_JUDGED_KEY] = [[*pair, weight] for pair, weight in judged.items()]


def _own_data(doc: Doc) -> Dict[Any, Any]:
    """The user data of a document, without the relations and passages of another text (`Span.as_doc` copies them)."""
    length = _text_length(doc)
    if doc.user_data.setdefault(_LENGTH_KEY, length) != length:
        doc.user_data[_LENGTH_KEY] = length
        for key in (_PASSAGES_KEY, _JUDGED_KEY):
            doc.user_data.pop(key, None)
        if doc.user_data.pop(_RELATIONS_KEY, None):
            name = doc.user_data.get(_DOCUMENT_ID_KEY) or "without id"
            warnings.warn(f"relations of another text are left out of document {name}", UserWarning, stacklevel=3)
    return doc.user_data


def _text_length(doc: Doc) -> int:
    # `doc.text` is made anew each time, which takes as long as reading the rest of a document.
    return doc[-1].idx + len(doc[-1].text_with_ws) if len(doc) else 0


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
