"""`embre_concepts` gives mentions identifiers, and leaves those alone that have some."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import spacy
from spacy.pipeline import EntityRuler
from spacy.tokens import Span
from spacy.training import Example

from embre_spacy.annotate.outputs import relation_rows
from embre_spacy.errors import EmbreError
from embre_spacy.formats import read, write
from embre_spacy.linking.component import ConceptLinker
from embre_spacy.terminology.build import build_terminology
from embre_spacy.tokens import Relation, get_concepts, get_mentions, set_relations

NAMES = """type\tidentifier\tname\ttaxon\tweight
Disease\tD900001\tglass bone disease\t\t1
Disease\tD900002\tpancreatic fever\t\t1
Chemical\tD900003\tglassomycin\t\t1
Gene\t900001\tGLS9\t9606\t1
Gene\t900001\tglass factor alpha\t9606\t0.5
Gene\t900002\tGls9\t10090\t1
Gene\t900003\tGLS8\t9606\t1
Species\t9606\tpatients\t\t1
Species\t10090\tmice\t\t1
Variant\trs900000001\tR12W\t\t1
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / "names.tsv"
    path.write_text(NAMES, encoding="utf8")
    return path


@pytest.fixture(scope="module")
def nlp(table):
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_concepts")
    nlp.config["initialize"]["components"]["embre_concepts"] = {"names": [str(table)]}
    nlp.initialize(lambda: [make_example(nlp)])
    return nlp


def test_names_come_from_files_of_documents_too(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_concepts")
    write([make_example(nlp).reference], tmp_path / "documents.pubtator")
    nlp.config["initialize"]["components"]["embre_concepts"] = {"documents": [str(tmp_path / "documents.pubtator")]}
    nlp.initialize()
    doc = nlp(make_doc(nlp, "Icein freezes.", Icein="ChemicalEntity"))
    assert [ent.kb_id_ for ent in doc.ents] == ["D900010"]


def make_example(nlp):
    doc = make_doc(nlp, "Icein melts.", Icein="ChemicalEntity")
    doc.ents = [Span(doc, 0, 1, label="ChemicalEntity", kb_id="D900010")]
    return Example(nlp.make_doc(doc.text), doc)


def make_doc(nlp, text, **mentions):
    """A document with the mentions of words (an underscore is a space), each with its type."""
    doc = nlp.make_doc(text)
    spans = []
    for name, type in mentions.items():
        name, place = name.replace("_", " "), -1
        while (place := text.find(name, place + 1)) >= 0:
            spans.append(doc.char_span(place, place + len(name), label=type, alignment_mode="expand"))
    doc.ents = spans
    return doc


def link(nlp, text, **mentions):
    return [ent.kb_id_ for ent in nlp(make_doc(nlp, text, **mentions)).ents]


D, C, G, V, S = "DiseaseOrPhenotypicFeature", "ChemicalEntity", "GeneOrGeneProduct", "SequenceVariant", "OrganismTaxon"


@pytest.mark.parametrize(
    "text, mentions, expected",
    [
        ("Glass-bone diseases hurt.", {"Glass-bone_diseases": D}, ["D900001"]),
        ("Icein and glassomycin.", {"Icein": C, "glassomycin": C}, ["D900010", "D900003"]),
        # Types of other resources stand for those of BioRED.
        ("Glassomycin.", {"Glassomycin": "Chemical"}, ["D900003"]),
        # Names alike, but not of genes; words that say little; Greek letters.
        ("Glassomycine.", {"Glassomycine": C}, ["D900003"]),
        ("Glass factor betas.", {"Glass_factor_betas": G}, ["local:glassfactorbetas"]),
        ("The human GLS8 gene.", {"human_GLS8_gene": G}, ["900003"]),
        ("Glass factor-α.", {"Glass_factor-α": G}, ["900001"]),
        # An abbreviation has the identifier of its long form, also within a mention.
        ("Glass bone disease (GBD). GBD.", {"Glass_bone_disease": D, "GBD": D}, ["D900001"] * 3),
        ("Pancreatic fever (PF). Human PF.", {"Pancreatic_fever": D, "Human_PF": D}, ["D900002"] * 2),
        # Of several genes of a name the one of the document's species.
        ("GLS9 in patients.", {"GLS9": G, "patients": S}, ["900001", "9606"]),
        ("GLS9 in mice.", {"GLS9": G, "mice": S}, ["900002", "10090"]),
        ("GLS9.", {"GLS9": G}, ["900001"]),
        # The long form may be the name of the gene in another species.
        ("Glass factor alpha (GLS9) in mice.", {"GLS9": G, "mice": S}, ["900002", "10090"]),
        ("GLS8/9 and GLS8 and GLS9.", {"GLS8/9": G, "GLS8_and_GLS9": G}, ["900003,900001"] * 2),
        # Variants: by a known name however it is written, by the number beside it, by what they say.
        ("p.Arg12Trp of", {"p.Arg12Trp": V}, ["rs900000001"]),
        ("V5E (rs900000002) and V5E of", {"V5E": V, "rs900000002": V}, ["rs900000002"] * 3),
        ("V6E of", {"V6E": V}, ["p|SUB|V|6|E"]),
        # Nothing is known of it.
        ("Frostin binds Frost-in.", {"Frostin": C, "Frost-in": C}, ["local:frostin"] * 2),
        ("Odd icy pox (OIP). OIP.", {"Odd_icy_pox": D, "OIP": D}, ["local:oddicypox"] * 3),
        ("What of --- is?", {"---": C}, [""]),
    ],
)
def test_identifiers_are_found(nlp, text, mentions, expected):
    assert [identifier if identifier != "local:" else "" for identifier in link(nlp, text, **mentions)] == expected


def test_mentions_of_an_unknown_name_are_one_concept(nlp):
    doc = nlp(make_doc(nlp, "Frostin binds GLS9. Frostin.", Frostin=C, GLS9=G))
    assert [(concept.name, len(concept.mentions)) for concept in get_concepts(doc)] == [("Frostin", 2), ("GLS9", 1)]


def test_identifiers_of_others_are_kept(nlp):
    doc = make_doc(nlp, "Glassomycin, icein, GLS9 and GLS8.", Glassomycin=C, icein=C, GLS9=G, GLS8=G)
    first, second, third, fourth = doc.ents
    if not Span.has_extension("kb_ents"):
        Span.set_extension("kb_ents", default=None)
    doc.ents = [
        Span(doc, first.start, first.end, label=C, kb_id="Q1"),
        Span(doc, second.start, second.end, label=C, span_id="R1"),
        third,
        Span(doc, fourth.start, fourth.end, label=G, kb_id="-"),
    ]
    doc.ents[2]._.kb_ents = [("C0000001", 0.9)]
    doc = nlp(doc)
    assert [mention.identifier for mention in get_mentions(doc)] == ["Q1", "R1", "C0000001", "900003"]
    assert [(ent.kb_id_, ent.ent_id_) for ent in doc.ents][:2] == [("Q1", ""), ("", "R1")]


def test_ids_of_an_entity_ruler_are_kept(nlp):
    ruler = EntityRuler(nlp, patterns=[{"label": C, "pattern": "icein", "id": "R1"}, {"label": C, "pattern": "x"}])
    doc = nlp.get_pipe("embre_concepts")(ruler(nlp.make_doc("icein x")))
    assert [mention.identifier for mention in get_mentions(doc)] == ["R1", "local:x"]


def test_overlapping_mentions_get_identifiers_and_all_else_stays(nlp):
    doc = nlp.make_doc("severe pancreatic fever")
    doc.ents = [Span(doc, 0, 3, label=D, span_id="-")]
    doc.spans["mentions"] = [Span(doc, 1, 3, label=D), Span(doc, 1, 3, label=D, kb_id="D1")]
    doc = nlp(doc)
    expected = ["local:severepancreaticfever", "D900002", "D1"]
    assert [mention.identifier for mention in get_mentions(doc)] == expected
    assert doc.ents[0].ent_id_ == "-"


def test_the_component_is_the_same_after_saving(nlp, tmp_path):
    text = {"Glassomycin": C, "Frostin": C}
    expected = link(nlp, "Glassomycin and Frostin.", **text)
    nlp.to_disk(tmp_path / "saved")
    for other in (
        spacy.load(tmp_path / "saved"),
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ):
        assert link(other, "Glassomycin and Frostin.", **text) == expected
    component = pickle.loads(pickle.dumps(nlp.get_pipe("embre_concepts")))
    doc = component(make_doc(nlp, "Glassomycin and Frostin.", **text))
    assert [ent.kb_id_ for ent in doc.ents] == expected


@pytest.mark.forks
def test_batches_processes_and_threads_give_the_same(nlp):
    texts = ["Glassomycin in mice.", "", "GLS9 in mice. GLS9."] * 4
    mentions = {"Glassomycin": C, "GLS9": G, "mice": S}
    expected = [link(nlp, text, **mentions) for text in texts]
    docs = [make_doc(nlp, text, **mentions) for text in texts]
    assert [[ent.kb_id_ for ent in doc.ents] for doc in nlp.pipe(docs, batch_size=3)] == expected
    docs = [make_doc(nlp, text, **mentions) for text in texts]
    assert [[ent.kb_id_ for ent in doc.ents] for doc in nlp.pipe(docs, n_process=2)] == expected
    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(lambda text: link(nlp, text, **mentions), texts)) == expected


def test_terminologies_of_the_config_come_after_the_own_names(nlp, tmp_path):
    table = tmp_path / "more.tsv"
    rows = (
        "Chemical\tD1\tglassomycin\t",
        "Chemical\tD2\tsnowine\t",
        "Gene\t900009\tGLS9\t10116",
        "Species\t10116\trats\t",
    )
    table.write_text("\n".join(["type\tidentifier\tname\ttaxon", *rows]), encoding="utf8")
    build_terminology([table], tmp_path / "more.sqlite")
    nlp.to_disk(tmp_path / "saved")
    config = {"components": {"embre_concepts": {"terminologies": [str(tmp_path / "more.sqlite")]}}}
    other = spacy.load(tmp_path / "saved", config=config)
    assert link(other, "Glassomycin, snowine.", Glassomycin=C, snowine=C) == ["D900003", "D2"]
    assert link(other, "GLS9 in rats.", GLS9=G, rats=S) == ["900009", "10116"]
    assert not (tmp_path / "saved" / "embre_concepts" / "more.sqlite").exists()


def test_a_component_that_has_learned_nothing_knows_what_documents_say():
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_concepts")
    assert link(nlp, "V5E lowers glassin.", V5E=V, glassin=C) == ["p|SUB|V|5|E", "local:glassin"]
    assert link(spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()), "V5E", V5E=V) == ["p|SUB|V|5|E"]


def test_wrong_settings_and_damaged_names_are_errors(nlp, tmp_path):
    with pytest.raises(EmbreError, match="threshold"):
        ConceptLinker(threshold=0.0)
    with pytest.raises(EmbreError, match="no such file"):
        ConceptLinker(terminologies=[tmp_path / "none"])
    with pytest.raises(EmbreError, match="not a terminology"):
        ConceptLinker().from_bytes(ConceptLinker().to_bytes().replace(b"\xc4\x00", b"\xc4\x03abc"))


@pytest.mark.parametrize("name", ["a.xml", "a.json", "a.pubtator"])
def test_files_get_a_dash_for_identifiers_of_one_document(nlp, tmp_path, name):
    doc = nlp(make_doc(nlp, "Frostin binds GLS9.", Frostin=C, GLS9=G))
    frostin, gene = get_concepts(doc)
    set_relations(doc, [Relation(frostin, gene, "Bind", type_probabilities={"Bind": 0.9})])
    write([doc], tmp_path / name)
    lines = []
    (again,) = read(tmp_path / name, nlp.vocab, on_anomalies=lines.append)
    assert [mention.identifier for mention in get_mentions(again)] == ["-", "900001"]
    assert [concept.id for concept in get_concepts(again)] == ["900001"]
    # The relation still says what it is of.
    assert [relation.pair for relation in again._.relations] == [("900001", "local:frostin")]
    assert "relations with an identifier that no annotation has" in lines[0]
    assert [row[1:5] for row in relation_rows(doc)] == [["-", C, "Frostin", "900001"]]


def test_annotations_of_a_file_keep_their_ids_and_own_identifiers(nlp, tmp_path):
    lines = ["1|t|Frostin, icein and glassomycin.", "1|a|", "1\t0\t7\tFrostin\tChemical\tlocal:mine"]
    lines += ["1\t9\t14\ticein\tChemical\t-", "1\t19\t30\tglassomycin\tChemical"]
    (tmp_path / "a.pubtator").write_text("\n".join(lines), encoding="utf8")
    (doc,) = nlp.pipe(read(tmp_path / "a.pubtator", nlp.vocab))
    own = {concept.name: concept for concept in get_concepts(doc)}
    set_relations(doc, [Relation(own["Frostin"], own["icein"], "Bind")])
    write([doc], tmp_path / "b.json")
    (again,) = read(tmp_path / "b.json", nlp.vocab)
    assert [mention.identifier for mention in get_mentions(again)] == ["local:mine", "D900010", "D900003"]
    assert [relation.pair for relation in again._.relations] == [("D900010", "local:mine")]
    write([doc], tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_text(encoding="utf8").splitlines()[2:5] == [
        "1\t0\t7\tFrostin\tChemical\tlocal:mine",
        "1\t9\t14\ticein\tChemical\tD900010",
        "1\t19\t30\tglassomycin\tChemical\tD900003",
    ]


def test_a_long_text_with_many_names_takes_no_time(nlp):
    sentence = "Frostin and GLS9 of mice and V6E of unheardof fever. "
    words = {"Frostin": C, "GLS9": G, "mice": S, "V6E": V, "unheardof_fever": D}
    found = link(nlp, sentence * 1_000, **words)
    assert found == ["local:frostin", "900002", "10090", "p|SUB|V|6|E", "local:unheardoffever"] * 1_000
