"""A name that is found once is found everywhere."""

import pytest
import spacy
from spacy.tokens import Span

from embre_spacy.recognition.occurrences import find_occurrences
from embre_spacy.tokens import build_tokenizer


@pytest.mark.parametrize(
    "text, found, others",
    [
        ("QRX1 and QRX1-like", [(0, 1, "Gene")], [("QRX1", 2, "Gene")]),
        # Upper and lower case differ, and so do parts of words.
        ("Zonatol, zonatol, zonatols", [(0, 1, "Chemical")], []),
        # The longest name first, and what is found already stays.
        ("belden fever fever belden fever belden", [(0, 2, "A"), (2, 3, "B")], [("belden fever", 3, "A")]),
        # The label that the name has most often.
        ("AB1 AB1 AB1 AB1", [(0, 1, "A"), (1, 2, "B"), (2, 3, "B")], [("AB1", 3, "B")]),
        # Two letters may mean anything.
        ("Mg and Mg", [(0, 1, "Chemical")], []),
        ("nothing nothing", [], []),
    ],
)
def test_names_are_found_where_they_stand_again(text, found, others):
    doc = build_tokenizer(spacy.blank("en").vocab)(text)
    doc.ents = [Span(doc, *place) for place in found]
    assert [(span.text, span.start, span.label_) for span in find_occurrences(doc, doc.ents)] == others
