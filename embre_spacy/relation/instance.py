"""What is classified: the candidates of a document."""

from dataclasses import dataclass
from typing import List

from spacy.tokens import Doc

from ..tokens import Candidate


@dataclass
class Instance:
    """A document and its candidates.

    doc (Doc): The document.
    candidates (List[Candidate]): The pairs of its concepts to classify.
    """

    doc: Doc
    candidates: List[Candidate]
