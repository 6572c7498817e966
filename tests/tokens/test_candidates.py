"""Passages, and candidates whose mentions are near to each other."""

import pytest
from spacy.tokens import Doc, DocBin

from embre_spacy import read
from embre_spacy.errors import EmbreError
from embre_spacy.tokens import Passage, copy_mentions, get_passages, set_passages
from embre_spacy.tokens.candidates import create_nearby_candidates


@pytest.fixture
def doc(vocab) -> Doc:
    """Two passages of one section and one of another: D1 C1, D1 C2, C1 C3."""
    words = ["D1", "and", "C1", ".", "D1", "or", "C2", ".", "C1", "not", "C3", "."]
    doc = Doc(vocab, words=words)
    doc.ents = [
        doc.char_span(
            token.idx, token.idx + 2, label="Chemical" if token.text[0] == "C" else "Disease", kb_id=token.text
        )
        for token in doc
        if token.text[-1].isdigit()
    ]
    set_passages(doc, [Passage(0, 11, "INTRO"), Passage(12, 22, "INTRO"), Passage(23, len(doc.text), "RESULTS")])
    return doc


def pairs(doc, **settings):
    return {"".join(sorted(a.id + b.id)) for a, b in create_nearby_candidates(**settings)(doc)}


def names(*pairs):
    return {"".join(sorted(pair)) for pair in pairs}


def test_all_is_the_default(doc):
    everything = names("D1C1", "D1C2", "D1C3", "C1C1", "C1C2", "C1C3", "C2C3")
    assert pairs(doc) == everything == pairs(doc, distance=1000)


def test_what_must_be_shared(doc):
    assert pairs(doc, same="passage") == names("D1C1", "D1C2", "C1C3")
    assert pairs(doc, same="section") == names("D1C1", "D1C2", "C1C2", "C1C3")


def test_what_is_too_far(doc):
    # "C2 . C1" are three characters apart, "D1 or C2" four, "D1 and C1" and "C1 not C3" five; the two "C1" fourteen.
    assert pairs(doc, distance=2) == set()
    assert pairs(doc, distance=3) == names("C1C2", "D1C1")
    assert pairs(doc, distance=4) == names("C1C2", "D1C1", "D1C2")
    assert pairs(doc, distance=5) == names("C1C2", "D1C1", "D1C2", "C1C3")
    assert pairs(doc, distance=15) == pairs(doc) - names("D1C3")
    assert pairs(doc, distance=4, same="passage") == names("D1C2")


def test_other_candidates_can_be_chosen_from(doc):
    assert pairs(doc, candidates=lambda doc: doc._.candidates[:1], same="passage") == names("D1C1")


@pytest.mark.parametrize("wrong", [{"same": "sentence"}, {"distance": -1}])
def test_impossible_settings_are_errors(wrong):
    with pytest.raises(EmbreError):
        create_nearby_candidates(**wrong)


def test_passages_come_from_files_and_stay(sample_dir, vocab):
    doc = next(read(sample_dir / "dev.xml", vocab))
    passages = doc._.passages
    assert [passage.section for passage in passages] == ["title", "abstract"]
    assert doc.text == " ".join(doc.text[passage.start : passage.end] for passage in passages)
    copy = next(DocBin(docs=[doc], store_user_data=True).get_docs(vocab))
    assert get_passages(copy) == get_passages(copy_mentions(doc)) == passages


def test_a_text_without_passages_is_one(vocab):
    assert get_passages(Doc(vocab, words=["one", "text"])) == [Passage(0, 9, "")]
