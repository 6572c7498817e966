"""Documents against gold documents, as the official evaluation scores them."""

import json

import pytest
from spacy.vocab import Vocab

from embre_spacy import read
from embre_spacy.errors import InputError
from embre_spacy.evaluation import score_documents
from embre_spacy.tokens import Concept, Relation, build_tokenizer


def make_doc(document, *targets):
    doc = build_tokenizer(Vocab())("text")
    doc._.document_id = document
    doc._.relations = [
        Relation(Concept("1", "GeneOrGeneProduct"), Concept(target, "ChemicalEntity"), "Bind", "No")
        for target in targets
    ]
    return doc


@pytest.mark.parametrize("file", ["Dev.pred1.PubTator", "Dev.pred2.PubTator", "Dev.pred4.PubTator"])
def test_counts_are_those_of_the_official_evaluation(shared_data, file):
    expected = json.loads((shared_data / "official_scores" / "expected.json").read_text())[file]
    vocab = Vocab()
    gold = read(shared_data / "biored" / "Dev.BioC.XML", vocab)
    counts, missing = score_documents(gold, read(shared_data / "official_scores" / file, vocab))
    assert not missing
    for level, of_level in expected.items():
        for key, value in of_level.items():
            if key != "per_entity_type_pair":
                assert counts[level][key] == value, (level, key)
        pairs = counts[level]["per_entity_type_pair"]
        assert set(pairs) == set(of_level["per_entity_type_pair"])
        for pair, of_pair in of_level["per_entity_type_pair"].items():
            assert {key: pairs[pair][key] for key in of_pair} == of_pair, (level, pair)


def test_documents_are_matched_by_their_ids():
    gold = [make_doc("1", "D1", "D2"), make_doc("2", "D1")]
    counts, missing = score_documents(gold, [make_doc("2", "D1"), make_doc("1", "D2", "D3")])
    assert not missing
    assert [counts["all"][key] for key in ("tp", "fp", "fn")] == [2, 1, 1]


def test_a_document_that_was_not_predicted_counts_as_missed():
    gold = [make_doc("1", "D1", "D2"), make_doc("2", "D1")]
    counts, missing = score_documents(gold, gold[1:])
    assert missing == ["1"]
    assert [counts["pair"][key] for key in ("tp", "fp", "fn")] == [1, 0, 2]


def test_a_predicted_document_that_is_not_gold_is_refused():
    with pytest.raises(InputError, match="document 1: is predicted, but not among the gold documents"):
        score_documents([make_doc("2")], [make_doc("1")])


@pytest.mark.parametrize("gold, predicted, kind", [("", "1", "gold"), ("1", "", "predicted")])
def test_documents_without_an_id_are_refused(gold, predicted, kind):
    with pytest.raises(InputError, match=f"1 of the 1 {kind} documents have no id to compare them by"):
        score_documents([make_doc(gold)], [make_doc(predicted)])
