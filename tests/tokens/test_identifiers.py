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
        ("MESH:", []),
        ("UMLS:NIL", []),
        ("NCBI Gene: None", []),
        ("#N/A,<NA>;NA", []),
        ("cui_less", []),
        ("Na,na", ["Na", "na"]),
        ("D001,MESH:nan", ["D001"]),
        ("OMIM:1", ["OMIM:1"]),
        ("nanog", ["nanog"]),
        ("D001", ["D001"]),
        ("D001,D002", ["D001", "D002"]),
        ("3445;3439", ["3445", "3439"]),
        ("3445; 3439 ;", ["3445", "3439"]),
        ("672,672", ["672"]),
        ("672,-", ["672"]),
        ("5594(Tax:9606)", ["5594"]),
        ("c|DEL|1314_1328|", ["c|DEL|1314_1328|"]),
        ("tmVar:p|SUB|V|600|E;HGVS:p.V600E;RS#:113488022", ["tmVar:p|SUB|V|600|E;HGVS:p.V600E;RS#:113488022"]),
        ("g|INS|7|T,TT|+3", ["g|INS|7|T,TT|+3"]),
        ("p|Allele|L|8,19", ["p|Allele|L|8,19"]),
        ("p|SUB|L|8|V,p|SUB|L|8|M", ["p|SUB|L|8|V", "p|SUB|L|8|M"]),
        ("p|SUB|L|8|V,rs12; p|SUB|Q|9|H,R", ["p|SUB|L|8|V", "rs12", "p|SUB|Q|9|H,R"]),
        ("p|Allele|L|8;Gene:41", ["p|Allele|L|8;Gene:41"]),
        ("VariantGroup:3;tmVar:p|SUB|L|8|V,M", ["VariantGroup:3;tmVar:p|SUB|L|8|V,M"]),
        ("g.[8dup;(9A>G,12del)],41", ["g.[8dup;(9A>G,12del)]", "41"]),
        ("rs12(C;G),rs34(-;T)", ["rs12(C;G)", "rs34(-;T)"]),
        ("rs12(C;G", ["rs12(C", "G"]),
        ("A,B", ["A", "B"]),
        ("D1|D2,D3", ["D1|D2", "D3"]),
        ("Gene:41,Gene:42", ["Gene:41", "Gene:42"]),
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
        ("HGVS:c.1;VariantGroup:2;tmVar:c|DEL|1314_1328|", "c|DEL|1314_1328|"),
        ("CorrespondingGene:41;HGVS:p.L8V", "p.L8V;CorrespondingGene:41"),
        ("p|Allele|L|8;Gene:41;VariantGroup:0", "p|Allele|L|8;CorrespondingGene:41"),
        ("tmVar:rs12;VariantGroup:1;CorrespondingGene:41", "rs12"),
        ("CorrespondingGene:41;RS#:12", "rs12"),
        ("CorrespondingGene:41", "CorrespondingGene:41"),
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
