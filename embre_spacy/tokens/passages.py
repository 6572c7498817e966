"""The id of a document and its passages, which it carries in `doc.user_data`, where everybody can change them."""

import warnings
from typing import Annotated, Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from pydantic import AfterValidator, Field, StrictStr, TypeAdapter, ValidationError
from pydantic import ValidationInfo as Info
from spacy.tokens import Doc

from ..errors import InputError
from ..util import describe_validation_error

RELATIONS_KEY = "embre_relations"
JUDGED_KEY = "embre_judged"
_DOCUMENT_ID_KEY = "embre_document_id"
_PASSAGES_KEY = "embre_passages"
# How long the text is that relations, judged pairs and passages belong to.
_LENGTH_KEY = "embre_length"


def _check_ends(value: Tuple[Any, ...], info: Info) -> Tuple[Any, ...]:
    if not value[0] < value[1] <= info.context["length"]:
        raise ValueError(f"not from one character to a later one of {info.context['length']}")
    return value


_Offset = Annotated[int, Field(strict=True, ge=0)]
Ends = Annotated[Tuple[_Offset, _Offset], AfterValidator(_check_ends)]


class Passage(NamedTuple):
    """A part of a document that its file tells apart: a title, an abstract, a paragraph, the caption of a figure."""

    start: _Offset  # in characters of `doc.text`
    end: _Offset
    section: StrictStr  # what its file says it is: "title", "abstract", "INTRO", "RESULTS" ...; empty if it does not


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


def get_passages(doc: Doc) -> List[Passage]:
    """The passages of a document, in the order of the text; the whole text if the document has none."""
    passages = check_data(_PASSAGES, own_data(doc).get(_PASSAGES_KEY, ()), "damaged passages", doc)
    return sorted(passages) or [Passage(0, _text_length(doc), "")]


def set_passages(doc: Doc, passages: Iterable[Passage]) -> None:
    """Replace the passages of a document. They are in the order of the text and do not overlap."""
    own_data(doc)[_PASSAGES_KEY] = [list(passage) for passage in passages]


def check_data(schema: TypeAdapter, value: Any, problem: str, doc: Doc, **context: Any) -> Any:
    """What a schema makes of a value. RAISES (InputError): If the value is not what it asks for."""
    try:
        return schema.validate_python(value, context={"length": _text_length(doc), **context})
    except ValidationError as error:
        raise InputError(f"{problem}: {describe_validation_error(error)}", document=get_document_id(doc)) from error


def own_data(doc: Doc) -> Dict[Any, Any]:
    """The user data of a document, without the relations and passages of another text (`Span.as_doc` copies them)."""
    length = _text_length(doc)
    if doc.user_data.setdefault(_LENGTH_KEY, length) != length:
        doc.user_data[_LENGTH_KEY] = length
        for key in (_PASSAGES_KEY, JUDGED_KEY):
            doc.user_data.pop(key, None)
        if doc.user_data.pop(RELATIONS_KEY, None):
            name = doc.user_data.get(_DOCUMENT_ID_KEY) or "without id"
            warnings.warn(f"relations of another text are left out of document {name}", UserWarning, stacklevel=3)
    return doc.user_data


def _text_length(doc: Doc) -> int:
    # `doc.text` is made anew each time, which takes as long as reading the rest of a document.
    return doc[-1].idx + len(doc[-1].text_with_ws) if len(doc) else 0
