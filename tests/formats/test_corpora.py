"""What is known of the published corpora, and of conversions between formats."""

import warnings
from collections import Counter
from itertools import islice

import pytest
from bioc import biocjson, biocxml
from canonical import content

import embre_spacy
from embre_spacy.tokens import get_mentions


def mentions(doc):
    return Counter((mention, doc.text[mention.start : mention.end]) for mention in get_mentions(doc))


def relations(doc):
    return Counter((relation.pair, relation.type, relation.novelty) for relation in doc._.relations)


def facts(path, vocab, limit=None):
    docs = islice(embre_spacy.read(path, vocab), limit)
    return [(doc._.document_id, doc.text, mentions(doc), relations(doc)) for doc in docs]


@pytest.mark.parametrize(("name", "mention_count", "relation_count"), [("Train", 13_351, 4_178), ("Dev", 3_533, 1_162)])
def test_all_mentions_of_biored_are_entities(name, mention_count, relation_count, shared_data, vocab):
    path = shared_data / "biored" / f"{name}.BioC.XML"
    expected = {
        one.id: [
            (found.locations[0].offset, found.text, found.infons["type"], found.infons["identifier"])
            for part in one.passages
            for found in part.annotations
        ]
        for one in biocxml.load(str(path)).documents
    }
    count = relation_total = 0
    for doc in embre_spacy.read(path, vocab, strict=True):
        # Title and abstract of BioRED are one space apart in the file too, so that its offsets are those of the text.
        found = [(ent.start_char, ent.text, ent.label_, ent.kb_id_) for ent in doc.ents]
        assert sorted(found) == sorted(expected[doc._.document_id])
        count += len(found)
        relation_total += len(doc._.relations)
    assert (count, relation_total) == (mention_count, relation_count)


def test_formats_of_biored_agree(shared_data, vocab):
    folder = shared_data / "biored"
    xml = facts(folder / "Dev.BioC.XML", vocab)
    assert xml == facts(folder / "Dev.PubTator", vocab)
    assert xml == facts(folder / "Dev.BioC.JSON", vocab)


@pytest.mark.parametrize("source", ["Dev.BioC.XML", "Dev.BioC.JSON", "Dev.PubTator"])
@pytest.mark.parametrize("target", ["a.xml", "a.json", "a.jsonl", "a.pubtator", "a.spacy"])
def test_conversions_keep_mentions_and_relations(source, target, shared_data, tmp_path, vocab):
    path = shared_data / "biored" / source
    embre_spacy.write(islice(embre_spacy.read(path, vocab), 20), tmp_path / target)
    assert facts(tmp_path / target, vocab) == facts(path, vocab, 20)


def test_pubtator_becomes_the_published_bioc(shared_data, tmp_path, vocab):
    """Numbering annotations and relations as BioRED does gives BioRED's own BioC file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embre_spacy.write(embre_spacy.read(shared_data / "biored" / "Dev.PubTator", vocab), tmp_path / "dev.xml")
    converted = content(tmp_path / "dev.xml")[1][2]
    published = content(shared_data / "biored" / "Dev.BioC.XML")[1][2]
    assert [item for item in converted if item[0] == "document"] == [
        item for item in published if item[0] == "document"
    ]


def test_the_bioc_library_reads_what_is_written(sample_dir, tmp_path, vocab):
    docs = list(embre_spacy.read(sample_dir / "dev.xml", vocab))
    embre_spacy.write(docs, tmp_path / "dev.xml")
    embre_spacy.write(docs, tmp_path / "dev.json")
    from_xml = biocxml.loads((tmp_path / "dev.xml").read_text(encoding="utf-8"))
    from_json = biocjson.loads((tmp_path / "dev.json").read_text(encoding="utf-8"))
    original = biocxml.load(str(sample_dir / "dev.xml"))
    assert str(from_xml) == str(from_json) == str(original)


def test_pubtator3_export(shared_data, tmp_path, vocab):
    (doc,) = embre_spacy.read(shared_data / "pubtator3" / "37026113.json", vocab, strict=True)
    assert doc._.document_id == "37026113"
    assert len(get_mentions(doc)) == 33
    (relation,) = doc._.relations
    assert (relation.source.id, relation.source.type) == ("MESH:D010024", "DiseaseOrPhenotypicFeature")
    assert (relation.target.id, relation.target.type) == ("5594", "GeneOrGeneProduct")
    assert relation.pair == ("5594", "D010024")
    assert {ent.label_ for ent in doc.ents} >= {"Disease", "Gene", "Chemical"}
    for name in ("a.xml", "a.pubtator", "a.jsonl"):
        embre_spacy.write([doc], tmp_path / name)
        (again,) = embre_spacy.read(tmp_path / name, vocab, strict=True)
        assert mentions(again) == mentions(doc)
        assert relations(again) == relations(doc)
