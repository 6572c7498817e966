"""Relations: every way of writing them, and brought up to date."""

import json

import pytest
from builders import annotation, document, passage, relation, save
from canonical import content

import embre_spacy
from embre_spacy import Concept, Relation
from embre_spacy.errors import InputError

MENTIONS = [
    annotation("0", "one", (0, 3), type="Chemical", identifier="MESH:D1"),
    annotation("1", "two", (4, 3), type="Disease", identifier="MESH:D2"),
    annotation("2", "three", (8, 5), type="Gene", identifier="3;33"),
    annotation("3", "four", (14, 4), type="Species", identifier="3"),
    annotation("4", "five", (19, 4), type="Gene", identifier="-"),
]


# All of the text is one sentence.
EVIDENCE = {"evidence": "one two three four five", "evidence_offsets": "0 23"}


def save_with(path, *relations, **more):
    return save(
        path, document("1", passage(0, "one two three four five", *MENTIONS), relations=list(relations), **more)
    )


def read_one(path, vocab):
    (doc,) = embre_spacy.read(path, vocab, strict=True)
    return doc


def summary(doc):
    return [(one.source.id, one.target.id, one.type, one.novelty) for one in doc._.relations]


@pytest.mark.parametrize(
    "infons",
    [
        {"entity1": "D1", "entity2": "D2", "type": "Association", "novel": "No"},
        {"entity1": "MESH:D1", "entity2": "MESH:D2", "relation": "Association", "novelty": "No"},
        {
            "role1": {"identifier": "MESH:D1", "type": "Chemical"},
            "role2": {"identifier": "MESH:D2", "type": "Disease"},
            "type": "Association",
            "score": "0.99",
            "novel": "No",
        },
        {"role1": "Chemical|MESH:D1", "role2": "Disease|MESH:D2", "type": "Association", "novel": "No"},
        {"role1": '{"identifier": "D1", "type": "Chemical"}', "role2": "D2", "type": "Association", "novel": "No"},
        {"Chemical": "D1", "Disease": "D2", "relation": "Association", "novel": "No"},
        {"type": "Association", "novel": "No"},
    ],
)
def test_forms(infons, tmp_path, vocab):
    nodes = () if len(infons) > 2 else ("0", "1")
    path = save_with(tmp_path / "a.json", relation("R0", *nodes, **infons))
    doc = read_one(path, vocab)
    assert summary(doc) == [("MESH:D1", "MESH:D2", "Association", "No")]
    (found,) = doc._.relations
    assert (found.source.type, found.source.name, found.source.mentions) == ("ChemicalEntity", "one", [[0, 3]])
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    embre_spacy.write([doc], tmp_path / "b.xml")
    assert summary(read_one(tmp_path / "b.xml", vocab)) == summary(doc)
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert summary(read_one(tmp_path / "b.pubtator", vocab)) == summary(doc)


def test_several_identifiers_stand_for_each(tmp_path, vocab):
    path = save_with(tmp_path / "a.json", relation("R0", entity1="D1,D2", entity2="D2,3", type="Bind"))
    doc = read_one(path, vocab)
    assert summary(doc) == [
        ("MESH:D1", "MESH:D2", "Bind", None),
        ("MESH:D1", "3", "Bind", None),
        ("MESH:D2", "MESH:D2", "Bind", None),
        ("MESH:D2", "3", "Bind", None),
    ]
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    # Without one of its pairs the relation of the file is not true any more: the others are written on their own.
    del doc._.relations[2]
    embre_spacy.write([doc], tmp_path / "c.json")
    assert [tuple(one["infons"].values()) for one in content(tmp_path / "c.json")["documents"][0]["relations"]] == [
        ("MESH:D1", "MESH:D2", "Bind"),
        ("MESH:D1", "3", "Bind"),
        ("MESH:D2", "3", "Bind"),
    ]


def test_types_tell_a_gene_from_a_taxon(tmp_path, vocab):
    typed = {"role1": "Species|3", "role2": "Disease|MESH:D2"}
    path = save_with(
        tmp_path / "a.json",
        relation("R0", entity1="3", entity2="D2", type="Association"),
        relation("R1", **typed, type="Association"),
    )
    first, second = read_one(path, vocab)._.relations
    assert (first.source.type, second.source.type) == ("GeneOrGeneProduct", "OrganismTaxon")


def test_unknown_identifier(tmp_path, vocab):
    path = save_with(tmp_path / "a.json", relation("R0", entity1="D1", entity2="D77", type="Bind", novel="Novel"))
    with pytest.warns(
        UserWarning, match=r"relations with an identifier that no annotation has: 1 \(first in document 1: relation R0"
    ):
        (doc,) = embre_spacy.read(path, vocab)
    assert summary(doc) == [("MESH:D1", "D77", "Bind", "Novel")]
    assert doc._.relations[0].target == Concept("D77")
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    with pytest.raises(InputError, match="document 1: relation R0 names D77, which no annotation has"):
        list(embre_spacy.read(path, vocab, strict=True))


@pytest.mark.parametrize(
    "odd",
    [
        relation("R1", "0", "1", "2", type="Complex"),
        relation("R1", "0", "missing", type="Bind"),
        relation("R1", "0", "4", type="Bind"),
        relation("R1", entity1="D1", type="Bind"),
        relation("R1", entity1="D1", entity2="-", type="Bind"),
        relation("R1", entity1="D1", entity2="D2"),
        relation("R1", role1="{", role2=None, type="Bind"),
        {"id": None},
    ],
)
def test_relations_that_are_no_pair_are_kept(odd, tmp_path, vocab):
    path = save_with(tmp_path / "a.json", relation("R0", entity1="D1", entity2="D2", type="Bind"), odd)
    lines = []
    (doc,) = embre_spacy.read(path, vocab, on_anomalies=lines.append)
    assert len(doc._.relations) == 1
    (line,) = lines
    assert line.startswith(f"{path}: relations that are not between two concepts: 1 (first in document 1: relation ")
    doc._.relations = []
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json")["documents"][0]["relations"] == [odd]
    with pytest.warns(UserWarning, match="that PubTator cannot express"):
        embre_spacy.write([doc], tmp_path / "b.pubtator")
    with pytest.raises(InputError, match="not a typed relation between two concepts"):
        list(embre_spacy.read(path, vocab, strict=True))


def test_relations_of_passages(tmp_path, vocab):
    inside = relation("R0", entity1="D1", entity2="D2", type="Bind", note="kept")
    path = save(
        tmp_path / "a.json", document("1", passage(0, "one two three four five", *MENTIONS, relations=[inside]))
    )
    doc = read_one(path, vocab)
    assert summary(doc) == [("MESH:D1", "MESH:D2", "Bind", None)]
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)


def test_predicted_relations(tmp_path, vocab):
    kept = relation("R7", entity1="D2", entity2="D1", type="Association", novel="No", note="kept")
    gone = relation("R8", entity1="D2", entity2="3", type="Association", novel="No")
    doc = read_one(save_with(tmp_path / "a.json", kept, gone), vocab)
    chemical, disease, gene = doc._.concepts[:3]
    doc._.relations = [
        # The direction does not count, the novelty does.
        Relation(chemical, disease, "Association", "No", {"Association": 0.5, "Bind": 0.25}, {"No": 0.9, "Novel": 0.1}),
        Relation(disease, gene, "Association", "Novel", {"Association": 0.5, "Bind": 0.25}, {"Novel": 0.6, "No": 0.4}),
    ]
    embre_spacy.write([doc], tmp_path / "b.spacy")
    embre_spacy.write(embre_spacy.read(tmp_path / "b.spacy", vocab), tmp_path / "b.json")
    scores = {"score": "0.7500", "type_score": "0.5000", "novelty_score": "0.6000", **EVIDENCE}
    new = relation("R2", entity1="MESH:D2", entity2="3", type="Association", novel="Novel", **scores)
    kept["infons"].update(score="0.7500", type_score="0.5000", novelty_score="0.9000", **EVIDENCE)
    assert content(tmp_path / "b.json")["documents"][0]["relations"] == [kept, new]
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert content(tmp_path / "b.pubtator")[0][-2:] == [
        "1\tAssociation\tD2\tD1\tNo",
        "1\tAssociation\tMESH:D2\t3\tNovel",
    ]


def test_predicted_relations_have_the_probabilities_that_they_were_predicted_with(tmp_path, vocab):
    old = {
        "score": "0.3100",
        "type_score": "0.3000",
        "novelty_score": "0.2000",
        "evidence": "",
        "evidence_offsets": "1 2",
    }
    known = {"entity1": "D1", "entity2": "D2", "type": "Association", "novel": "No"}
    gold = relation("R1", entity1="D2", entity2="3", type="Bind", note="kept", score="0.1")
    path = save_with(tmp_path / "a.json", relation("R0", **known, **old, note="kept"), gold)
    doc = read_one(path, vocab)
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    first, second = doc._.relations
    # No novelty was predicted.
    doc._.relations = [Relation(first.source, first.target, "Association", "No", {"Association": 0.99}), second]
    embre_spacy.write([doc], tmp_path / "c.json")
    new = relation("R0", **known, note="kept", score="0.9900", type_score="0.9900", **EVIDENCE)
    assert content(tmp_path / "c.json")["documents"][0]["relations"] == [new, gold]


def test_predicted_relations_of_several_identifiers_are_written_one_by_one(tmp_path, vocab):
    path = save_with(tmp_path / "a.json", relation("R0", entity1="D1,D2", entity2="3", type="Bind", score="0.5"))
    doc = read_one(path, vocab)
    predicted = zip(doc._.relations, (0.25, 0.75))
    doc._.relations = [Relation(one.source, one.target, "Bind", None, {"Bind": value}) for one, value in predicted]
    embre_spacy.write([doc], tmp_path / "b.json")
    assert [tuple(one["infons"].values()) for one in content(tmp_path / "b.json")["documents"][0]["relations"]] == [
        ("MESH:D1", "3", "Bind", "0.2500", "0.2500", *EVIDENCE.values()),
        ("MESH:D2", "3", "Bind", "0.7500", "0.7500", *EVIDENCE.values()),
    ]


def test_predicted_relations_in_the_manner_of_pubtator3(tmp_path, vocab):
    one = document("1", passage(0, "one two three four five", *MENTIONS), relations_display=[], authors=["A B"])
    path = save(tmp_path / "a.json", one, container="PubTator3")
    doc = read_one(path, vocab)
    chemical, disease, gene = doc._.concepts[:3]
    doc._.relations = [Relation(chemical, gene, "Bind", "Novel", {"Bind": 1.0}), Relation(disease, gene, "Bind")]
    embre_spacy.write([doc], tmp_path / "b.json")
    first, second = content(tmp_path / "b.json")["PubTator3"][0]["relations"]
    assert first["infons"] == {
        "role1": {"identifier": "MESH:D1", "type": "Chemical"},
        "role2": {"identifier": "3", "type": "Gene"},
        "type": "Bind",
        "novel": "Novel",
        "score": "1.0000",
        "type_score": "1.0000",
        **EVIDENCE,
    }
    assert (first["id"], second["id"]) == ("R0", "R1")
    assert summary(read_one(tmp_path / "b.json", vocab)) == summary(doc)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "xml", "spacy"])
def test_evidence_comes_back_as_it_was_written(suffix, tmp_path, vocab):
    mentions = [
        annotation("0", "Salt", (10, 4), type="Chemical", identifier="MESH:D1"),
        annotation("1", "fever", (48, 5), type="Disease", identifier="MESH:D2"),
    ]
    # As offsets of files count: from where their passages start.
    parts = passage(10, "Salt & é. None", mentions[0]), passage(40, "It is a fever. Not now.", mentions[1])
    doc = read_one(save(tmp_path / "a.json", document("1", *parts)), vocab)
    doc._.relations = [Relation(*doc._.concepts, "Association", "No", {"Association": 0.5}, {"No": 0.75})]
    first, second, third = (tmp_path / f"{name}.{suffix}" for name in "bcd")
    embre_spacy.write([doc], first)
    again = read_one(first, vocab)
    embre_spacy.write([again], second)
    # What is predicted once more has its evidence once.
    again._.relations = doc._.relations
    embre_spacy.write([again], third)
    embre_spacy.write([read_one(third, vocab)], tmp_path / "e.json")
    if suffix != "spacy":
        assert first.read_bytes() == second.read_bytes() == third.read_bytes()
    (found,) = content(tmp_path / "e.json")["documents"][0]["relations"]
    assert found["infons"]["evidence"] == "Salt & é. It is a fever."
    assert found["infons"]["evidence_offsets"] == "10 19;40 54"


def test_relations_that_are_not_predicted_get_no_evidence(tmp_path, vocab):
    doc = read_one(save_with(tmp_path / "a.json"), vocab)
    doc._.relations = [{"source": "D1", "target": "D2", "type": "Bind"}]
    embre_spacy.write([doc], tmp_path / "b.json")
    (found,) = content(tmp_path / "b.json")["documents"][0]["relations"]
    assert found["infons"] == {"entity1": "MESH:D1", "entity2": "MESH:D2", "type": "Bind"}


def test_repeated_relation(tmp_path, vocab):
    twice = [relation(f"R{number}", entity1="D1", entity2="D2", type="Bind") for number in (0, 1)]
    path = save_with(tmp_path / "a.json", *twice)
    doc = read_one(path, vocab)
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    doc._.relations.pop()
    embre_spacy.write([doc], tmp_path / "c.json")
    assert content(tmp_path / "c.json")["documents"][0]["relations"] == twice[:1]


def test_roles_as_json_text_in_xml(tmp_path, vocab):
    roles = {"role1": {"identifier": "MESH:D1", "type": "Chemical"}, "role2": {"identifier": "3", "type": "Gene"}}
    doc = read_one(save_with(tmp_path / "a.json", relation("R0", **roles, type="Bind")), vocab)
    embre_spacy.write([doc], tmp_path / "a.xml")
    texts = [infon[2] for infon in content(tmp_path / "a.xml")[1][2][-1][2][-1][2]]
    assert [json.loads(text) for text in texts[:2]] == list(roles.values())
    assert summary(read_one(tmp_path / "a.xml", vocab)) == summary(doc)


@pytest.mark.parametrize("suffix", ["json", "xml", "pubtator"])
@pytest.mark.parametrize(
    "named", ["HGVS:p.L8V;CorrespondingGene:41", "CorrespondingGene:41;VariantGroup:1;tmVar:p|SUB|L|8|V", "p.L8V"]
)
def test_a_relation_meets_the_variant_that_its_mention_describes_otherwise(named, suffix, tmp_path, vocab):
    mentions = [
        annotation("0", "one", (0, 3), type="Variant", identifier="tmVar:p|SUB|L|8|V;HGVS:p.L8V;CorrespondingGene:41"),
        annotation("1", "two", (4, 3), type="Variant", identifier="tmVar:p|SUB|L|8|V;HGVS:p.L8V;CorrespondingGene:42"),
        annotation("2", "three", (8, 5), type="Disease", identifier="MESH:D2"),
    ]
    relations = [relation("R0", entity1="MESH:D2", entity2=named, type="Association")]
    path = save(tmp_path / "a.json", document("1", passage(0, "one two three", *mentions), relations=relations))
    doc = read_one(path, vocab)
    (found,) = doc._.relations
    assert (found.source.name, found.target.name) == ("three", "one")
    # It is still the relation of the file when it is written, in the words of the file.
    embre_spacy.write([doc], tmp_path / f"b.{suffix}")
    *_, last = (tmp_path / f"b.{suffix}").read_text().partition("MESH:D2" if suffix == "pubtator" else "R0")
    assert last.count("Association") == last.count(named) == 1
    assert summary(read_one(tmp_path / f"b.{suffix}", vocab)) == summary(doc)


def again(offset, first, second, *relations, **more):
    """A passage or sentence of two words, whose annotations have the same ids as those of any other."""
    mentions = [
        annotation("T1", "one", (offset, 3), type="Chemical", identifier=first),
        annotation("T2", "two", (offset + 4, 3), type="Disease", identifier=second),
    ]
    return passage(offset, "one two", *mentions, relations=list(relations), **more)


def bind(id="R1", first="T1", second="T2"):
    return relation(id, first, second, type="Bind")


def test_annotation_ids_that_start_again_in_each_passage(tmp_path, vocab):
    alone = annotation("T3", "two", (12, 3), type="Disease", identifier="D5")
    second = again(8, "C2", "D2", bind("R1", "T2", "T1"), bind("R2", "T1", "T3"))
    second["annotations"].append(alone)
    third = again(16, "C3", "D3", bind("R1", "T1", "T3"))
    doc = read_one(save(tmp_path / "a.json", document("1", again(0, "C1", "D1", bind()), second, third)), vocab)
    # An id that the passage does not have is that of the only annotation that has it.
    expected = [("C1", "D1"), ("D2", "C2"), ("C2", "D5"), ("C3", "D5")]
    assert [ids[:2] for ids in summary(doc)] == expected
    for name in ("b.json", "b.xml", "b.pubtator"):
        embre_spacy.write([doc], tmp_path / name)
        assert [ids[:2] for ids in summary(read_one(tmp_path / name, vocab))] == expected
    assert content(tmp_path / "b.json") == content(tmp_path / "a.json")
    # Each is taken out alone.
    del doc._.relations[1]
    embre_spacy.write([doc], tmp_path / "c.json")
    assert [ids[:2] for ids in summary(read_one(tmp_path / "c.json", vocab))] == [expected[0], *expected[2:]]


def test_annotation_ids_that_start_again_in_each_sentence(tmp_path, vocab):
    first, second = again(0, "C1", "D1", bind()), again(8, "C2", "D2", bind())
    inside = passage(0, "", sentences=[first, second], relations=[bind("R2", "T4", "T2")])
    inside["annotations"] = [annotation("T4", "one", (0, 3), type="Chemical", identifier="C4")]
    after = again(16, "C3", "D3")
    path = save(tmp_path / "a.json", document("1", inside, after))
    lines = []
    (doc,) = embre_spacy.read(path, vocab, on_anomalies=lines.append)
    assert [ids[:2] for ids in summary(doc)] == [("C1", "D1"), ("C2", "D2")]
    # In the passage there are two of them.
    assert "relations that are not between two concepts: 1 (first in document 1: relation R2" in lines[0]
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)


def test_a_relation_of_the_document_whose_nodes_fit_several_annotations_is_told(tmp_path, vocab):
    parts = [again(0, "C1", "D1"), again(8, "C2", "D1")]
    path = save(tmp_path / "a.json", document("1", *parts, relations=[bind()]))
    with pytest.warns(UserWarning, match=r"not between two concepts: 1 \(first in document 1: relation R1"):
        (doc,) = embre_spacy.read(path, vocab)
    assert not doc._.relations
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    # Several annotations of one concept are no riddle, and annotations without an id have no name.
    nameless = annotation(None, "one", (16, 3), type="Chemical", identifier="C9")
    parts = [again(0, "C1", "D1"), again(8, "C1", "D1"), passage(16, "one", nameless)]
    path = save(tmp_path / "a.json", document("1", *parts, relations=[bind()]))
    assert [ids[:2] for ids in summary(read_one(path, vocab))] == [("C1", "D1")]


def test_a_relation_that_names_one_concept_in_two_ways(tmp_path, vocab):
    change = annotation("0", "one", (0, 3), type="Variant", identifier="tmVar:p|SUB|A|1|T;HGVS:p.A1T")
    disease = annotation("1", "two", (4, 3), type="Disease", identifier="D1")
    named = relation("R0", entity1="p|SUB|A|1|T,p.A1T", entity2="D1", type="Bind")
    doc = read_one(
        save(tmp_path / "a.json", document("1", passage(0, "one two", change, disease), relations=[named])), vocab
    )
    assert len(doc._.relations) == 1
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(tmp_path / "a.json")


@pytest.mark.parametrize("form", ["entities", "nodes"])
def test_relations_between_very_many_concepts(form, tmp_path, vocab):
    """Some kilobytes can stand for millions of pairs."""
    several = ",".join(f"D{number}" for number in range(300))
    mentions = [annotation(str(number), "one", (0, 3), type="Gene", identifier=several) for number in (0, 1)]
    infons = {"entity1": several, "entity2": several} if form == "entities" else {}
    nodes = ("0", "1") if form == "nodes" else ()
    many = relation("R0", *nodes, **infons, type="Bind")
    path = save(tmp_path / "a.json", document("1", passage(0, "one", *mentions), relations=[many]))
    with pytest.warns(UserWarning, match="relations that are not between two concepts: 1"):
        (doc,) = embre_spacy.read(path, vocab)
    assert not doc._.relations
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)


def test_a_document_with_very_many_relations(tmp_path, vocab):
    first, second = (",".join(f"{letter}{number}" for number in range(100)) for letter in "CD")
    many = [relation(f"R{number}", entity1=first, entity2=second, type="Bind") for number in range(3)]
    path = save(tmp_path / "a.json", document("1", passage(0, "one"), relations=many))
    with pytest.raises(InputError, match="document 1: its relations name more than 20,000 pairs of concepts"):
        list(embre_spacy.read(path, vocab, on_anomalies=lambda line: None))
