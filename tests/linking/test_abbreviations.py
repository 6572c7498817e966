"""Abbreviations as documents define them."""

import pytest

from embre_spacy.linking.abbreviations import find_abbreviations


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Glass bone disease (GBD) is rare.", {"GBD": "Glass bone disease"}),
        ("The GBD (glass bone disease) is rare.", {"GBD": "glass bone disease"}),
        ("the 5-glass transporter (5-GT) of cells", {"5-GT": "5-glass transporter"}),
        ("Glass lung (GL; see below) and ice lung (IL, cold).", {"GL": "Glass lung", "IL": "ice lung"}),
        # The first definition counts, and what stands in another sentence does not.
        ("Glass lung (GL). Green lung (GL).", {"GL": "Glass lung"}),
        ("Glass was seen. Nobody (GS) knew.", {}),
        ("Patients (n = 12) of two centres (2010) were seen (see Table 1).", {}),
        ("Lungs (GL) (both) () (", {}),
    ],
)
def test_definitions(text, expected):
    assert find_abbreviations(text) == expected


def test_many_brackets_take_no_time():
    text = "glass " * 20_000 + "glass bone disease (GBD) (" * 2_000
    assert find_abbreviations(text)["GBD"] == "glass bone disease"
