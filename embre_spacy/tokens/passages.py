"""Passages: the parts of a document that its file tells apart."""

from typing import Iterable, List, NamedTuple

from spacy.tokens import Doc

_PASSAGES_KEY = "embre_passages"


class Passage(NamedTuple):
    """A part of a document: a title, an abstract, a paragraph, the caption of a figure.

    start (int), end (int): Where it starts and ends, in characters of `doc.text`.
    section (str): What its file says it is: "title", "abstract", "INTRO", "RESULTS" ...; empty if it does not.
    """

    start: int
    end: int
    section: str


def get_passages(doc: Doc) -> List[Passage]:
    """The passages of a document.

    doc (Doc): The document.
    RETURNS (List[Passage]): The passages in the order of the text; the whole text if the document has none.
    """
    # Documents that come from bytes bring tuples.
    passages = [Passage(*passage) for passage in doc.user_data.get(_PASSAGES_KEY, ())]
    return passages or [Passage(0, len(doc.text), "")]


def set_passages(doc: Doc, passages: Iterable[Passage]) -> None:
    """Say what the passages of a document are.

    doc (Doc): The document.
    passages (Iterable[Passage]): The passages in the order of the text. They do not overlap.
    """
    doc.user_data[_PASSAGES_KEY] = [list(passage) for passage in passages]
