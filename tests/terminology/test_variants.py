"""Variants say what they are."""

import pytest

from embre_spacy.terminology import find_variants, identify_variant


@pytest.mark.parametrize(
    "name, identifier",
    [
        ("rs900000001", "rs900000001"),
        ("(RS 900000001)", "rs900000001"),
        ("V600E", "p|SUB|V|600|E"),
        ("p.Val600Glu", "p|SUB|V|600|E"),
        ("p.(Val600Glu)", "p|SUB|V|600|E"),
        ("Trp10-to-Arg", "p|SUB|W|10|R"),
        ("arginine to tryptophan substitution at codon 198", "p|SUB|R|198|W"),
        ("W515*", "p|SUB|W|515|X"),
        ("p.V311fs", "p|FS|V|311||"),
        ("p.Ser119LysfsX7", "p|FS|S|119|K|7"),
        ("c.76A>T", "c|SUB|A|76|T"),
        ("677 C-->T", "c|SUB|C|677|T"),
        ("C677T", "c|SUB|C|677|T"),
        ("G-308A", "c|SUB|G|-308|A"),
        ("g.3395C>T", "g|SUB|C|3395|T"),
        ("IVS3 + 1G>A", "c|SUB|G|IVS3+1|A"),
        ("cytosine to guanine transversion at nucleotide 1451", "c|SUB|C|1451|G"),
        ("c.35delG", "c|DEL|35|G"),
        ("c.2113_2114delGG", "c|DEL|2113_2114|GG"),
        ("p.V239del", "p|DEL|239|V"),
        ("del642T", "c|DEL|642|T"),
        ("32-bp deletion", "c|DEL||32"),
        ("deletion of C at nucleotide 888", "c|DEL|888|C"),
        ("912delTA", "c|DEL|912|TA"),
        ("dup33bp", "c|DUP||33|"),
        ("111G", "c|Allele|G|111"),
        ("p.Thr26", "p|Allele|T|26"),
        ("p|SUB|V|600|E", "p|SUB|V|600|E"),
        ("the long allele", None),
        ("", None),
        ("exon 4", None),
    ],
)
def test_names_of_variants(name, identifier):
    assert identify_variant(name) == identifier


def test_long_names_take_no_time():
    assert identify_variant("deletion of " + "a to b at " * 2_000) is None
    assert identify_variant("A" * 20_000) is None


def test_names_that_follow_a_notation_are_found_in_text():
    names = [
        "rs900000001",
        "c.76A>T",
        "677 C-->T",
        "-308G>A",
        "IVS3+1G>A",
        "c.35delG",
        "912delTA",
        "c.2113_2114delinsAT",
    ]
    names += [
        "c.G1714C",
        "p.V600E",
        "p.Val600Glu",
        "p.(Val600Glu)",
        "Trp10-Arg",
        "Pro75 Ala",
        "p.Arg58fs",
        "Arg58fsX19",
    ]
    text = f"Of {'; '.join(names)} and others"
    assert [text[start:end] for start, end in find_variants(text)] == names
    # What is something else, or may be.
    for other in (
        "T98G cells",
        "H2O",
        "S100A8",
        "5 > 3",
        "a 3-del",
        "(rs)",
        "in 10 C",
        "Ala and Gly 12",
        "p. 12",
        "IL2RA",
    ):
        assert not list(find_variants(other)), other
