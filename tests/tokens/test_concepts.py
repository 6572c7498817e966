"""What identifier fields name, in the ways of several resources."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embre_spacy.labels import ENTITY_TYPES, entity_type
from embre_spacy.tokens import normalize_identifier, split_identifiers


@pytest.mark.parametrize(
    ("field", "identifiers"),
    [
        ("", []),
        ("-", []),
        ("-1", []),
        (" None ", []),
        ("D001", ["D001"]),
        ("D001,D002", ["D001", "D002"]),
        ("3445;3439", ["3445", "3439"]),
        ("3445; 3439 ;", ["3445", "3439"]),
        ("672,672", ["672"]),
        ("672,-", ["672"]),
        ("5594(Tax:9606)", ["5594"]),
        ("c|DEL|1314_1328|", ["c|DEL|1314_1328|"]),
        ("tmVar:p|SUB|V|600|E;HGVS:p.V600E;RS#:113488022", ["tmVar:p|SUB|V|600|E;HGVS:p.V600E;RS#:113488022"]),
    ],
)
def test_fields(field, identifiers):
    assert split_identifiers(field) == identifiers


@pytest.mark.parametrize(
    ("identifier", "normalized"),
    [
        ("MESH:D001", "D001"),
        ("mesh: D001", "D001"),
        ("D001", "D001"),
        ("OMIM:114480", "OMIM:114480"),
        ("NCBI Gene:672", "672"),
        ("rs113488022", "rs113488022"),
        ("tmVar:p|SUB|V|600|E;HGVS:p.V600E;RS#:113488022", "rs113488022"),
        ("tmVar:c|DEL|1314_1328|;HGVS:c.1", "c|DEL|1314_1328|"),
    ],
)
def test_normal_forms(identifier, normalized):
    assert normalize_identifier(identifier) == normalized
    assert normalize_identifier(normalized) == normalized


@given(st.text(alphabet="DC0123456789,;|+-:# MESHrsTax()mV", max_size=30))
def test_any_field(field):
    found = split_identifiers(field)
    assert len(found) == len(set(found))
    for identifier in found:
        assert identifier == identifier.strip() != ""
        assert normalize_identifier(identifier) == normalize_identifier(f" {identifier} ")


@pytest.mark.parametrize(
    ("label", "type"),
    [
        ("Gene", "GeneOrGeneProduct"),
        ("Disease", "DiseaseOrPhenotypicFeature"),
        ("Chemical", "ChemicalEntity"),
        ("Species", "OrganismTaxon"),
        ("Variant", "SequenceVariant"),
        ("DNAMutation", "SequenceVariant"),
        ("ProteinMutation", "SequenceVariant"),
        ("SNP", "SequenceVariant"),
        ("CellLine", "CellLine"),
        ("SpecificDisease", "DiseaseOrPhenotypicFeature"),
        ("FamilyName", "GeneOrGeneProduct"),
        ("Something", "Something"),
    ],
)
def test_types(label, type):
    assert entity_type(label) == type


def test_types_of_biored_stay():
    assert [entity_type(name) for name in ENTITY_TYPES] == list(ENTITY_TYPES)
