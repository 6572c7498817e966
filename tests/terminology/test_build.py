"""What a terminology is made of, and what is wrong with files that are none of these."""

import gzip

import pytest

from embre_spacy.errors import EmbreError
from embre_spacy.terminology import Terminology
from embre_spacy.terminology.build import build_terminology

MESH = """<?xml version="1.0"?>
<!DOCTYPE DescriptorRecordSet SYSTEM "https://www.nlm.nih.gov/databases/dtd/nlmdescriptorrecordset_20260101.dtd">
<DescriptorRecordSet LanguageCode="eng">
<DescriptorRecord><DescriptorUI>D900001</DescriptorUI><DescriptorName><String>Glass Fever</String></DescriptorName>
<TreeNumberList><TreeNumber>C23.100</TreeNumber></TreeNumberList>
<ConceptList><Concept><TermList><Term><String>Glass Fever</String></Term><Term><String>Fever, Glass</String></Term>
</TermList></Concept></ConceptList></DescriptorRecord>
<DescriptorRecord><DescriptorUI>D900002</DescriptorUI><DescriptorName><String>Bridges</String></DescriptorName>
<TreeNumberList><TreeNumber>J01.100</TreeNumber></TreeNumberList></DescriptorRecord>
</DescriptorRecordSet>"""
SUPPLEMENT = """<SupplementalRecordSet LanguageCode="eng"><SupplementalRecord SCRClass="1">
<SupplementalRecordUI>C900001</SupplementalRecordUI><SupplementalRecordName><String>glassomycin</String>
</SupplementalRecordName></SupplementalRecord></SupplementalRecordSet>"""
GENES = (
    "#tax_id\tGeneID\tSymbol\tSynonyms\tdescription\tOther_designations\n"
    "9606\t900001\tGLS9\tGF9|GLASS-9\tglass factor 9\t-\n"
    "10090\t900002\tGls9\t-\tglass factor 9\tfactor nine\n"
)
TAXA = (
    "1\t|\troot\t|\t\t|\tscientific name\t|\n"
    "99001\t|\tVitrum album\t|\t\t|\tscientific name\t|\n"
    "99001\t|\twhite glassfish\t|\t\t|\tcommon name\t|\n"
    "99001\t|\tsome paper\t|\t\t|\tauthority\t|\n"
)
CELLS = " CALIPHO group at the SIB\n\nID   Glass-1\nAC   CVCL_9999\nSY   Gl1; GLASS one\n//\n"
TABLE = "type\tidentifier\tname\nGene\t900003\tglass kinase\n"
PUBTATOR = "1|t|Glassin lowers GLS9.\n1|a|\n1\t0\t7\tGlassin\tChemical\tC900009\n1\t15\t19\tGLS9\tGene\t900001\n"


@pytest.fixture
def names(tmp_path):
    files = {
        "desc.xml": MESH,
        "supp.xml": SUPPLEMENT,
        "gene_info": GENES,
        "names.dmp": TAXA,
        "cellosaurus.txt": CELLS,
        "own.tsv": TABLE,
        "some.pubtator": PUBTATOR,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf8")
    counts = build_terminology([tmp_path / name for name in files], tmp_path / "names.sqlite")
    assert counts[str(tmp_path / "gene_info")] == 7
    return Terminology(tmp_path / "names.sqlite")


@pytest.mark.parametrize(
    "name, type, identifiers",
    [
        ("glass fever", "DiseaseOrPhenotypicFeature", ["D900001"]),
        ("Fever, Glass", "DiseaseOrPhenotypicFeature", ["D900001"]),
        ("Bridges", "DiseaseOrPhenotypicFeature", []),
        ("Glassomycin", "ChemicalEntity", ["C900001"]),
        ("glassin", "ChemicalEntity", ["C900009"]),
        ("glass 9", "GeneOrGeneProduct", ["900001"]),
        ("glass-factor 9", "GeneOrGeneProduct", ["900001", "900002"]),
        ("V\u00edtrum album", "OrganismTaxon", ["99001"]),
        ("white glassfish", "OrganismTaxon", ["99001"]),
        ("some paper", "OrganismTaxon", []),
        ("GL-1", "CellLine", ["CVCL_9999"]),
        ("Glass kinase", "GeneOrGeneProduct", ["900003"]),
    ],
)
def test_each_source_gives_its_names(names, name, type, identifiers):
    assert [term.identifier for term in names.find(name, type)] == identifiers


def test_the_taxon_of_a_gene_is_known_and_what_sources_say_adds_up(names):
    (term,) = names.find("GLS9", "GeneOrGeneProduct")[:1]
    assert (term.identifier, term.taxon) == ("900001", "9606") and term.weight > 1.0


def test_names_alike_are_found_but_not_with_another_number(names):
    assert [term.identifier for term in names.find_alike("glassomycine", "ChemicalEntity", 90)] == ["C900001"]
    assert names.find_alike("glass factor 8", "GeneOrGeneProduct", 80) == []
    assert names.find_alike("unlike it", "ChemicalEntity", 80) == []


def test_genes_of_chosen_taxa(tmp_path):
    with gzip.open(tmp_path / "gene_info.gz", "wt") as file:
        file.write(GENES)
    build_terminology([tmp_path / "gene_info.gz"], tmp_path / "names", taxa=["10090"])
    assert [term.identifier for term in Terminology(tmp_path / "names").find("gls9", "Gene")] == []
    found = Terminology(tmp_path / "names").find("gls9", "GeneOrGeneProduct")
    assert [term.identifier for term in found] == ["900002"]


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("own.tsv", "type\tname\nGene\tx\n", "own.tsv: line 2: there is no identifier"),
        ("own.tsv", "type\tidentifier\tname\nGene\t1\n", "own.tsv: line 2: it has 2 columns, and the first line has 3"),
        ("desc.xml", MESH[:-40], "desc.xml: not valid XML"),
        ("some.pubtator", "1|t|Nothing.\n1|a|\n", "some.pubtator: it gives no name"),
        ("a.doc", "x", "a.doc: unknown suffix"),
    ],
)
def test_what_is_wrong_is_named_and_no_file_appears(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, encoding="utf8")
    with pytest.raises(EmbreError, match=message):
        build_terminology([tmp_path / name], tmp_path / "names")
    assert not (tmp_path / "names").exists()


def test_what_is_no_terminology_is_refused(tmp_path):
    (tmp_path / "x").write_text("x" * 100, encoding="utf8")
    for name, message in (("x", "not a terminology"), ("y", "there is no such file")):
        with pytest.raises(EmbreError, match=message):
            Terminology(tmp_path / name)
