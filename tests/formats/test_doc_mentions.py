"""Mentions: exact, wherever they lie, and brought up to date."""

import json

import pytest
import spacy
from builders import all_annotations, annotation, document, in_units, passage, relation, save, sentence
from canonical import content
from spacy.tokens import Doc, Span

import embre_spacy
from embre_spacy.tokens import get_mentions


def read_one(path, vocab, **options):
    (doc,) = embre_spacy.read(path, vocab, strict=True, **options)
    return doc


def texts(spans):
    return [span.text for span in spans]


def test_overlapping_and_nested(tmp_path, vocab):
    text = "Factor VIII deficiency gene therapy"
    path = save(
        tmp_path / "a.json",
        document(
            "1",
            passage(
                0,
                text,
                annotation("a", "VIII", (7, 4), type="Gene", identifier="3"),
                annotation("b", "Factor VIII deficiency", (0, 22), type="Disease", identifier="D1"),
                annotation("c", "deficiency gene", (12, 15), type="Gene", identifier="2157,7"),
                annotation("d", "therapy", (28, 7), type="Chemical", identifier="-"),
                annotation("e", "therapy", (28, 7), type="Disease", identifier="D9"),
            ),
        ),
    )
    doc = read_one(path, vocab)
    assert texts(doc.ents) == ["Factor VIII deficiency", "therapy"]
    assert texts(doc.spans["mentions"]) == ["VIII", "deficiency gene", "therapy"]
    assert [span.kb_id_ for span in doc.spans["mentions"]] == ["3", "2157,7", "D9"]
    assert [concept.id for concept in doc._.concepts] == ["D1", "3", "2157", "7", "D9"]
    binary = tmp_path / "a.spacy"
    embre_spacy.write([doc], binary)
    embre_spacy.write(embre_spacy.read(binary, vocab), tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)


def test_discontinuous(tmp_path, vocab):
    path = save(
        tmp_path / "a.json",
        document(
            "1",
            passage(
                0,
                "T and B cells",
                annotation("a", "T cells", (0, 1), (8, 5), type="CellLine", identifier="X"),
                annotation("b", "B cells", (6, 7), type="CellLine", identifier="Y"),
            ),
        ),
    )
    doc = read_one(path, vocab)
    assert texts(doc.ents) == ["B cells"]
    assert [(span.text, span.kb_id_) for span in doc.spans["mentions"]] == [("T", "X"), ("cells", "X")]
    assert {concept.id: len(concept.mentions) for concept in doc._.concepts} == {"X": 2, "Y": 1}
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    (block,) = content(tmp_path / "b.pubtator")
    assert block[2:] == ["1\t0\t1\tT\tCellLine\tX", "1\t8\t13\tcells\tCellLine\tX", "1\t6\t13\tB cells\tCellLine\tY"]
    # Without one of its pieces it is no longer there.
    doc.spans["mentions"] = [doc.spans["mentions"][0]]
    embre_spacy.write([doc], tmp_path / "c.json")
    assert sorted((one["text"], len(one["locations"])) for one in all_annotations(tmp_path / "c.json")) == [
        ("B cells", 1),
        ("T", 1),
    ]


@pytest.mark.parametrize(("start", "end"), [(1, 4), (2, 5), (1, 5), (0, 1), (4, 5), (0, 13), (8, 9), (9, 11), (12, 13)])
def test_any_range_of_characters(start, end, tmp_path, vocab):
    text = " a bc d  e-f "
    mention = annotation("a", text[start:end], (10 + start, end - start), type="Gene", identifier="1")
    path = save(tmp_path / "a.json", document("1", passage(10, text, mention)))
    doc = read_one(path, vocab)
    assert doc.text == text
    (mention,) = get_mentions(doc)
    assert (mention.start, mention.end) == (start, end)
    embre_spacy.write([doc], tmp_path / "a.spacy")
    again = read_one(tmp_path / "a.spacy", vocab)
    assert [text[mention.start : mention.end] for mention in get_mentions(again)] == [text[start:end]]
    embre_spacy.write([again], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)


def test_spaces_between_adjacent_mentions_are_no_tokens(tmp_path, vocab):
    mentions = [annotation(str(i), w, (o, 3), type="Gene") for i, (o, w) in enumerate([(0, "foo"), (4, "bar")])]
    doc = read_one(save(tmp_path / "a.json", document("1", passage(0, "foo bar", *mentions))), vocab)
    assert texts(doc) == ["foo", "bar"]


def test_offsets_are_code_points(tmp_path, vocab):
    text = "𝛽-catenin in e\u0301toile 😀 cells"
    start = text.index("cells")
    mention = annotation("a", "cells", (start, 5), type="CellLine")
    doc = read_one(save(tmp_path / "a.json", document("1", passage(0, text, mention))), vocab)
    assert texts(doc.ents) == ["cells"]


def test_gaps_between_passages(tmp_path, vocab):
    path = save(
        tmp_path / "a.json",
        document(
            "1",
            passage(5, "one", annotation("a", "one", (5, 3), type="Gene", identifier="1")),
            passage(8, "two", annotation("b", "two", (8, 3), type="Gene", identifier="2")),
            passage(20, ""),
            passage(5000, "three", annotation("c", "ree", (5002, 3), type="Gene", identifier="3")),
        ),
    )
    doc = read_one(path, vocab)
    assert doc.text == "one two three"
    assert texts(doc.ents) == ["one", "two", "ree"]
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert content(tmp_path / "b.pubtator") == [
        ["1|t|one", "1|a|two three", "1\t0\t3\tone\tGene\t1", "1\t4\t7\ttwo\tGene\t2", "1\t10\t13\tree\tGene\t3"]
    ]


def test_text_and_annotations_in_sentences(tmp_path, vocab):
    first = sentence(0, "One gene.", annotation("a", "gene", (4, 4), type="Gene", identifier="1"))
    second = sentence(11, "Two genes.", annotation("b", "genes", (15, 5), type="Gene", identifier="2"))
    part = passage(0, "", annotation("c", "Two", (11, 3), type="Gene", identifier="3"), sentences=[first, second])
    whole = passage(30, "Last one.", sentences=[sentence(30, "", annotation("d", "one", (35, 3), type="Gene"))])
    path = save(tmp_path / "a.json", document("1", part, whole))
    doc = read_one(path, vocab)
    assert doc.text == "One gene. Two genes. Last one."
    assert texts(doc.ents) == ["gene", "Two", "genes", "one"]
    for name in ("b.json", "b.xml"):
        embre_spacy.write([doc], tmp_path / name)
        assert texts(read_one(tmp_path / name, vocab).ents) == ["gene", "Two", "genes", "one"]
    assert content(tmp_path / "b.json") == content(path)
    # A new mention belongs to the sentence that has its text.
    doc.ents = [*doc.ents, Span(doc, 0, 1, label="Gene")]
    embre_spacy.write([doc], tmp_path / "c.json")
    sentences = content(tmp_path / "c.json")["documents"][0]["passages"][0]["sentences"]
    assert [one["text"] for one in sentences[0]["annotations"]] == ["gene", "One"]


def test_annotations_of_the_document(tmp_path, vocab):
    mention = annotation("a", "b c", (102, 3), type="Gene", identifier="1")
    path = save(tmp_path / "a.json", document("1", passage(0, "x"), passage(100, "a b c"), annotations=[mention]))
    doc = read_one(path, vocab)
    assert texts(doc.ents) == ["b c"]
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)


def test_from_the_title_into_the_abstract(tmp_path, vocab):
    path = tmp_path / "a.pubtator"
    path.write_text("1|t|one two\n1|a|three four\n1\t4\t13\ttwo three\tGene\t1\n1\t8\t13\tthree\tGene\t2\n")
    with pytest.warns(UserWarning, match=r"annotations outside their passage: 1 \(first in document 1: annotation 0"):
        (doc,) = embre_spacy.read(path, vocab)
    assert texts(doc.ents) == ["two three"]
    assert texts(doc.spans["mentions"]) == ["three"]
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert content(tmp_path / "b.pubtator") == content(path)


def test_mentions_without_label_or_identifier(tmp_path, vocab):
    path = save(
        tmp_path / "a.json",
        document(
            "1", passage(0, "one two", annotation("a", "one", (0, 3)), annotation("b", "two", (4, 3), type="Gene"))
        ),
    )
    doc = read_one(path, vocab)
    assert texts(doc.ents) == ["two"]
    assert [(span.text, span.label_, span.kb_id_) for span in doc.spans["mentions"]] == [("one", "", "")]
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)


def test_changed_entities(tmp_path, vocab):
    path = save(
        tmp_path / "a.json",
        document(
            "1",
            passage(0, "zero", annotation("7", "zero", (0, 4), type="Gene", identifier="0", note="kept")),
            passage(50, "one two", annotation("9", "one", (50, 3), type="Gene", identifier="1")),
        ),
    )
    doc = read_one(path, vocab)
    doc.ents = [doc.ents[0], doc.char_span(9, 12, label="Disease", kb_id="D2")]
    embre_spacy.write([doc], tmp_path / "b.json")
    first, second = content(tmp_path / "b.json")["documents"][0]["passages"]
    assert first == content(path)["documents"][0]["passages"][0]
    assert second["annotations"] == [annotation("10", "two", (54, 3), identifier="D2", type="Disease")]


def test_a_document_of_ones_own(tmp_path):
    nlp = spacy.blank("en")
    doc = nlp("BRCA1 causes cancer.")
    doc.ents = [Span(doc, 0, 1, label="Gene", kb_id="672"), Span(doc, 2, 3, label="Disease", kb_id="D009369")]
    doc._.relations = [{"source": "672", "target": "D009369", "type": "Association", "novelty": "Novel"}]
    other = nlp("Nothing here.")
    other._.document_id = "0"
    for name in ("a.xml", "a.json", "a.jsonl", "a.pubtator"):
        embre_spacy.write([other, doc], tmp_path / name)
        again = list(embre_spacy.read(tmp_path / name, nlp.vocab, strict=True))
        assert [one._.document_id for one in again] == ["0", "1"]
        assert [one.text for one in again] == [other.text, doc.text]
        assert [(ent.text, ent.label_, ent.kb_id_) for ent in again[1].ents] == [
            ("BRCA1", "Gene", "672"),
            ("cancer", "Disease", "D009369"),
        ]
        assert again[1]._.relations == doc._.relations
    written = content(tmp_path / "a.json")["documents"][1]
    assert written["passages"][0]["annotations"][1] == annotation(
        "1", "cancer", (13, 6), identifier="D009369", type="Disease"
    )
    assert written["relations"] == [
        {
            "id": "R0",
            "infons": {"entity1": "672", "entity2": "D009369", "type": "Association", "novel": "Novel"},
            "nodes": [],
        }
    ]


def test_user_data_of_another_text(tmp_path, vocab):
    """A part of a document carries the record of the whole, which is not its own."""
    path = save(tmp_path / "a.json", document("1", passage(0, "one two", annotation("a", "one", (0, 3), type="Gene"))))
    part = read_one(path, vocab)[0:1].as_doc(copy_user_data=True)
    embre_spacy.write([part], tmp_path / "b.json")
    assert content(tmp_path / "b.json")["documents"][0]["passages"][0]["text"].strip() == "one"


def test_empty_documents(tmp_path, vocab):
    path = save(tmp_path / "a.json", document("1", passage(0, "")), document("2"), {"id": 3, "passages": None})
    docs = list(embre_spacy.read(path, vocab, strict=True))
    assert [(doc._.document_id, len(doc)) for doc in docs] == [("1", 0), ("2", 0), ("3", 0)]
    embre_spacy.write(docs, tmp_path / "b.spacy")
    embre_spacy.write(embre_spacy.read(tmp_path / "b.spacy", vocab), tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    for name in ("c.xml", "c.pubtator"):
        embre_spacy.write(docs, tmp_path / name)
        assert [doc.text for doc in embre_spacy.read(tmp_path / name, vocab)] == ["", "", ""]


def test_a_changed_id(tmp_path, vocab):
    doc = read_one(save(tmp_path / "a.json", document("1", passage(0, "one"))), vocab)
    doc._.document_id = "other"
    embre_spacy.write([doc], tmp_path / "b.json")
    assert content(tmp_path / "b.json")["documents"][0]["id"] == "other"


def test_damaged_record(tmp_path, vocab):
    doc = Doc(vocab, words=["x"])
    doc._.document_id = "1"
    doc.user_data["embre_record"] = json.dumps({"document": 5})
    with pytest.raises(embre_spacy.errors.InputError, match=r"document 1: the record in `doc.user_data` is damaged"):
        embre_spacy.write([doc], tmp_path / "b.json")


def read_mention(tmp_path, vocab, infons, on_anomalies=None):
    mention = {**annotation("m", "one", (0, 3)), "infons": {"type": "Gene", **infons}}
    path = save(tmp_path / "a.json", document("1", passage(0, "one", mention)))
    if on_anomalies is None:
        return read_one(path, vocab)
    (doc,) = embre_spacy.read(path, vocab, on_anomalies=on_anomalies)
    return doc


KNOWN_KEYS = [
    *("identifier", "Identifier", "MESH", "mesh_id", "NCBI Gene", "NCBI Gene ID", "NCBI Taxonomy identifier", "OMIM"),
    *("omim-id", "conceptID", "concept_ids", "db id", "kb_id", "Entrez Gene", "GeneID", "taxid", "CUI", "dbSNP"),
    *("normalized_ids", "normalised_id", "ID", "ids"),
]


@pytest.mark.parametrize(
    "infons",
    [
        *({key: "A7"} for key in KNOWN_KEYS),
        {"id": "A8", "normalized_id": "A8", "MESH": "A7"},
        {"normalized_id": "A7", "identifier": "-"},
        {"dbid": None, "identifier": "", "id": "A7"},
        {"identifier": ["A7"]},
        {"identifier": "['A7']"},
        {"identifier": '["A7"]'},
        {"identifier": "[A7]"},
        {"id": "m", "concept_id": ["A7"]},
    ],
)
@pytest.mark.parametrize("target", ["b.json", "b.xml", "b.pubtator"])
def test_infons_with_the_identifier(infons, target, tmp_path, vocab):
    doc = read_mention(tmp_path, vocab, infons)
    embre_spacy.write([doc], tmp_path / target)
    for one in (doc, read_one(tmp_path / target, vocab)):
        assert [concept.id for concept in one._.concepts] == ["A7"]
    if target == "b.json":
        assert content(tmp_path / target) == content(tmp_path / "a.json")


@pytest.mark.parametrize("field", [["A7", "A8"], "['A7', 'A8']", '["A7","A8"]', " [A7, A8] ", "[ 'A7' , \"A8\" ]"])
def test_lists_of_identifiers(field, tmp_path, vocab):
    doc = read_mention(tmp_path, vocab, {"identifier": field})
    assert [concept.id for concept in doc._.concepts] == ["A7", "A8"]
    related = relation("R", entity1=field, entity2="A9", type="Bind")
    roles = relation("R", role1={"identifier": field}, role2={"identifier": "A9"}, type="Bind")
    for one in (related, roles):
        path = save(tmp_path / "a.json", document("1", passage(0, "one"), relations=[one]))
        (doc,) = embre_spacy.read(path, vocab, on_anomalies=lambda line: None)
        assert [relation_.source.id for relation_ in doc._.relations] == ["A7", "A8"]


@pytest.mark.parametrize("field", ["[31A>C;47G>C]", "[3H]thymidine", "7[A]"])
def test_brackets_that_are_part_of_an_identifier(field, tmp_path, vocab):
    assert read_mention(tmp_path, vocab, {"identifier": field}).ents[0].kb_id_ == field


@pytest.mark.parametrize(
    ("key", "value"), [("house code", "A7"), ("lexicon", "MESH:D7"), ("link", "http://a.b/D7"), ("codes", ["A7"])]
)
def test_an_infon_that_may_be_an_identifier_is_told(key, value, tmp_path, vocab):
    lines = []
    doc = read_mention(tmp_path, vocab, {key: value}, lines.append)
    assert doc._.concepts == []
    assert f"looks like one: 1 (first in document 1: annotation m has {key!r}, which is not read)" in lines[0]
    # Where there is a known key, nothing is missing.
    for identifier in ("-", "A8"):
        read_mention(tmp_path, vocab, {key: value, "identifier": identifier})


def test_infons_that_are_no_identifiers(tmp_path, vocab):
    infons = {"score": "0.98", "note": "v2", "name": "ADAM17", "seen": "2 times", "annotation_id": "T1", "id": "m"}
    assert read_mention(tmp_path, vocab, infons)._.concepts == []


@pytest.mark.parametrize("joint", [" ", "...", " ... ", "…", " [...] ", "[…]", " (...) ", " [ . . . ] ", " (…)"])
def test_what_joins_the_pieces_of_a_mention(joint, tmp_path, vocab):
    mention = annotation("a", f"cells of{joint}type (B)", (0, 8), (16, 8), type="CellLine")
    doc = read_one(save(tmp_path / "a.json", document("1", passage(0, "cells of either type (B)", mention))), vocab)
    assert texts(doc.spans["mentions"]) == ["cells of", "type (B)"]
    mention["text"] = f"cells of{joint}type [A]"
    with pytest.raises(embre_spacy.errors.InputError, match="annotation a has"):
        read_one(save(tmp_path / "a.json", document("1", passage(0, "cells of either type (B)", mention))), vocab)


@pytest.mark.parametrize("unit", ["characters", "bytes", "UTF-16"])
@pytest.mark.parametrize("name", ["a.json", "a.xml"])
def test_what_offsets_count(unit, name, tmp_path, vocab):
    """The specification of BioC says bytes, and Java counts units of UTF-16."""
    body = "α-Actin 𝛽2 naïve"
    one = in_units(unit, ["β 😀 one", "two", body], {0: [(4, 7)], 1: [(0, 3)], 2: [(0, 7), (8, 10), (11, 16)]})
    whole = one["passages"][2]["annotations"]
    # A mention in two pieces, and one of the document.
    whole[0] = {**whole[0], "locations": [whole[0]["locations"][0], whole[2]["locations"][0]], "text": "α-Actin naïve"}
    one["annotations"] = [whole.pop(1)]
    path = save(tmp_path / "source.json", one)
    embre_spacy.write(embre_spacy.read(path, vocab, strict=True), tmp_path / name)
    doc = read_one(tmp_path / name, vocab)
    expected = ["one", "two", "α-Actin", "𝛽2", "naïve", "naïve"]
    assert [doc.text[mention.start : mention.end] for mention in get_mentions(doc)] == expected
    # What is new has the count of the file, too.
    doc.ents = [*doc.ents, doc.char_span(0, 1, label="Gene"), doc.char_span(2, 3, label="Gene")]
    for target in ("b.xml", "b.json", "b.pubtator"):
        embre_spacy.write([doc], tmp_path / target)
        again = read_one(tmp_path / target, vocab)
        found = [again.text[mention.start : mention.end] for mention in get_mentions(again)]
        assert found == ["β", "😀", *expected]
    assert [part["offset"] for part in content(tmp_path / "b.json")["documents"][0]["passages"]] == [
        part["offset"] for part in one["passages"]
    ]


def test_an_annotation_that_fits_no_count(tmp_path, vocab):
    """Where nothing fits better, offsets count characters."""
    one = in_units("characters", ["β one two"], {0: [(2, 5), (6, 9)]})
    one["passages"][0]["annotations"][1]["text"] = "three"
    lines = []
    (doc,) = embre_spacy.read(save(tmp_path / "a.json", one), vocab, on_anomalies=lines.append)
    assert (
        texts(doc.ents) == ["one", "two"] and "whose text differs from the characters at their offsets: 1" in lines[0]
    )
