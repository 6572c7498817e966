"""Objects of the library bioc to `Doc`s and back, against the files that bioc itself reads and writes."""

import io
import json

import bioc
import pytest
from bioc import biocjson
from builders import annotation, collection, document, passage, relation
from canonical import content, element
from lxml import etree
from spacy.tokens import Span

import embre_spacy
from embre_spacy.errors import InputError
from embre_spacy.tokens import get_mentions

NAMES = ["train.xml", "dev.xml", "test.xml"]


def load(path):
    with path.open("rb") as file:
        return bioc.load(file)


def as_content(bioc_collection):
    return element(etree.fromstring(bioc.dumps(bioc_collection).encode()))


def make_collection():
    """A collection with sentences, a discontinuous mention, relations of two kinds, and infons everywhere."""
    collection_ = bioc.BioCCollection()
    collection_.source, collection_.date, collection_.key = "made up", "2024", "none"
    collection_.infons = {"about": "all & more"}
    document_ = bioc.BioCDocument()
    document_.id, document_.infons = "7", {"journal": "J <1>"}
    title = bioc.BioCPassage.of_text("BRCA1 and breast cancer", 0)
    title.infons = {"type": "title"}
    for id, type, identifier, places in (("0", "Gene", "672", [(0, 5)]), ("1", "Disease", "D001943", [(10, 13)])):
        title.add_annotation(make_annotation(id, type, identifier, title.text, places))
    body = bioc.BioCPassage()
    body.offset, body.infons = 24, {"type": "abstract"}
    sentence = bioc.BioCSentence.of_text("T and B cells bind α.", 24)
    sentence.infons = {"number": "1"}
    sentence.add_annotation(make_annotation("2", "Cell", "CL:1", sentence.text, [(0, 1), (8, 5)], 24))
    body.add_sentence(sentence)
    document_.add_passage(title)
    document_.add_passage(body)
    by_identifier = bioc.BioCRelation()
    by_identifier.id = "R0"
    by_identifier.infons = {"entity1": "672", "entity2": "D001943", "type": "Association", "novel": "Novel"}
    by_node = bioc.BioCRelation()
    by_node.id, by_node.infons = "R1", {"type": "Bind"}
    by_node.add_node(bioc.BioCNode("0", "source"))
    by_node.add_node(bioc.BioCNode("2", "target"))
    document_.relations = [by_identifier, by_node]
    collection_.add_document(document_)
    return collection_


def make_annotation(id, type, identifier, text, places, offset=0):
    annotation_ = bioc.BioCAnnotation()
    annotation_.id, annotation_.infons = id, {"type": type, "identifier": identifier}
    annotation_.text = " ".join(text[start : start + length] for start, length in places)
    annotation_.locations = [bioc.BioCLocation(offset + start, length) for start, length in places]
    return annotation_


@pytest.mark.parametrize("name", NAMES)
def test_docs_are_those_of_the_file(name, sample_dir, vocab):
    docs = list(embre_spacy.from_bioc(load(sample_dir / name), vocab, strict=True))
    expected = list(embre_spacy.read(sample_dir / name, vocab, strict=True))
    assert len(docs) == len(expected) > 0
    for doc, other in zip(docs, expected):
        assert (doc._.document_id, doc.text, doc._.passages) == (other._.document_id, other.text, other._.passages)
        assert get_mentions(doc) == get_mentions(other)
        assert doc._.relations == other._.relations


def test_everything_comes_back(vocab):
    before = make_collection()
    (doc,) = embre_spacy.from_bioc(before, vocab, strict=True)
    assert doc.text == "BRCA1 and breast cancer T and B cells bind α."
    assert [(doc.text[one.start : one.end], one.identifier) for one in get_mentions(doc)] == [
        ("BRCA1", "672"),
        ("breast cancer", "D001943"),
        ("T", "CL:1"),
        ("cells", "CL:1"),
    ]
    assert [(each.pair, each.type, each.novelty) for each in doc._.relations] == [
        (("672", "D001943"), "Association", "Novel"),
        (("672", "CL:1"), "Bind", None),
    ]
    after = embre_spacy.to_bioc([doc])
    assert as_content(after) == as_content(before)
    assert biocjson.dumps(after) == biocjson.dumps(before)


def test_everything_comes_back_through_docbin_and_any_file(tmp_path, vocab):
    before = make_collection()
    docs = list(embre_spacy.from_bioc(before, vocab))
    for name in ("a.spacy", "b.json", "c.jsonl", "d.xml.gz"):
        embre_spacy.write(docs, tmp_path / name)
        docs = list(embre_spacy.read(tmp_path / name, vocab, strict=True))
        if name == "c.jsonl":
            # Documents on lines say nothing about their collection.
            docs[0].user_data = next(embre_spacy.read(tmp_path / "b.json", vocab)).user_data
    assert as_content(embre_spacy.to_bioc(docs)) == as_content(before)


def test_the_file_that_bioc_writes(tmp_path, vocab):
    with (tmp_path / "a.xml").open("w", encoding="utf8") as file:
        bioc.dump(make_collection(), file)
    with (tmp_path / "a.json").open("w", encoding="utf8") as file:
        biocjson.dump(make_collection(), file)
    for name in ("a.xml", "a.json"):
        docs = list(embre_spacy.read(tmp_path / name, vocab, strict=True))
        embre_spacy.write(docs, tmp_path / f"b{name}")
        assert content(tmp_path / f"b{name}") == content(tmp_path / name)
        assert as_content(embre_spacy.to_bioc(docs))[2][:3] == as_content(make_collection())[2][:3]
        (document_,) = embre_spacy.to_bioc(docs).documents
        assert biocjson.dumps(document_) == biocjson.dumps(make_collection().documents[0])


@pytest.mark.parametrize("name", NAMES)
def test_bioc_reads_what_was_made_as_it_reads_the_file(name, sample_dir, vocab):
    made = embre_spacy.to_bioc(embre_spacy.read(sample_dir / name, vocab))
    again = bioc.load(io.BytesIO(bioc.dumps(made).encode()))
    assert as_content(again) == as_content(load(sample_dir / name))


def test_real_file(shared_data, vocab):
    before = load(shared_data / "biored" / "Dev.BioC.XML")
    docs = embre_spacy.from_bioc(before, vocab, strict=True)
    assert as_content(embre_spacy.to_bioc(docs)) == as_content(before)


def test_changes_of_the_doc_are_in_the_objects(vocab):
    (doc,) = embre_spacy.from_bioc(make_collection(), vocab)
    doc.ents = [doc.ents[0], Span(doc, 1, 2, label="Gene", kb_id="9")]
    doc._.relations = [{"source": "672", "target": "9", "type": "Bind", "novelty": "No"}]
    (document_,) = embre_spacy.to_bioc([doc]).documents
    assert [(each.id, each.text) for each in document_.passages[0].annotations] == [("0", "BRCA1"), ("3", "and")]
    assert [each.infons for each in document_.relations] == [
        {"entity1": "672", "entity2": "9", "type": "Bind", "novel": "No"}
    ]


def test_documents_without_bioc(vocab):
    doc = next(embre_spacy.from_bioc(make_collection(), vocab)).copy()
    doc.user_data = {}
    collection_ = embre_spacy.to_bioc([doc])
    assert (collection_.source, [each.id for each in collection_.documents]) == ("embre_spacy", ["0"])
    assert [len(each.annotations) for each in collection_.documents[0].passages] == [4]
    assert embre_spacy.to_bioc([]).documents == []


def test_what_json_has_and_bioc_has_not(tmp_path, vocab):
    mention = {**annotation("a", "x", (0, 1), type="Gene"), "score": 0.5, "bioctype": "BioCAnnotation", "nothing": None}
    related = {**relation("R0", "a", "a", type="Bind"), "checked": True}
    one = document("1", passage(0, "x", mention, level=2), relations=[related], authors=["A"])
    value = {**collection(one), "version": "1.0"}
    (tmp_path / "a.json").write_text(json.dumps(value))
    docs = list(embre_spacy.read(tmp_path / "a.json", vocab, on_anomalies=lambda line: None))
    (document_,) = embre_spacy.to_bioc(docs).documents
    assert document_.infons == {"authors": ["A"]}
    assert document_.passages[0].infons == {"level": 2}
    assert document_.passages[0].annotations[0].infons == {"type": "Gene", "score": 0.5}
    assert document_.relations[0].infons == {"type": "Bind", "checked": True}


def test_a_bad_document_is_refused(vocab):
    collection_ = make_collection()
    collection_.documents[0].passages[0].annotations[0].locations[0].offset = 500
    with pytest.raises(InputError, match="document 7: annotation 0 lies outside the text"):
        list(embre_spacy.from_bioc(collection_, vocab))
    collection_.documents[0].passages[0].offset = None
    with pytest.raises(InputError, match=r"document 7: not BioC: passages\.0\.offset"):
        list(embre_spacy.from_bioc(collection_, vocab))
    collection_.documents[0].id = True
    with pytest.raises(InputError, match="the id of document 1 of the collection is neither text nor a whole number"):
        list(embre_spacy.from_bioc(collection_, vocab))
    twice = make_collection()
    twice.add_document(twice.documents[0])
    with pytest.raises(InputError, match=r"document 7: two documents have this id \(number 1 and 2\)"):
        list(embre_spacy.from_bioc(twice, vocab))


def test_documents_whose_id_nobody_has_set(vocab):
    collection_ = make_collection()
    collection_.add_document(bioc.BioCDocument())
    collection_.add_document(bioc.BioCDocument())
    docs = list(embre_spacy.from_bioc(collection_, vocab))
    assert [doc._.document_id for doc in docs] == ["7", "", ""]
    assert [document_.id for document_ in embre_spacy.to_bioc(docs).documents] == ["7", "0", "1"]


def test_anomalies_are_told(vocab):
    collection_ = make_collection()
    collection_.documents[0].passages[0].annotations[0].text = "BRCA2"
    lines = []
    assert len(list(embre_spacy.from_bioc(collection_, vocab, on_anomalies=lines.append))) == 1
    assert lines[0].startswith("annotations whose text differs") and len(lines) == 1
    with pytest.raises(InputError, match="annotation 0 has 'BRCA2'"):
        list(embre_spacy.from_bioc(collection_, vocab, strict=True))
