"""Documents against gold documents, as the official evaluation scores them."""

import json
import re

import pytest
import spacy
from encoders import make_tiny_encoder
from spacy.training import Example
from spacy.vocab import Vocab

from embre_spacy import read
from embre_spacy.errors import InputError
from embre_spacy.evaluation import evaluate_from_text, evaluate_pipeline, score_documents
from embre_spacy.relation.scoring import LEVELS
from embre_spacy.tokens import Concept, Mention, Relation, build_tokenizer, copy_mentions, set_mentions


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


GENE, CHEMICAL, DISEASE = "GeneOrGeneProduct", "ChemicalEntity", "DiseaseOrPhenotypicFeature"
# The names of what is mentioned, each with one identifier.
NAMES = {"aspirin": (CHEMICAL, "D1"), "gastric ulcer": (DISEASE, "D2"), "PTGS1": (GENE, "42"), "fever": (DISEASE, "D4")}
TEXTS = {"1": "aspirin causes gastric ulcer. PTGS1 binds aspirin.", "2": "fever is of PTGS1.", "3": "Nothing is here."}


def make_gold(nlp):
    """Documents in which all names are mentions."""
    for document, text in TEXTS.items():
        doc = build_tokenizer(nlp.vocab)(text)
        places = [(found.start(), name) for name in NAMES for found in re.finditer(name, text)]
        set_mentions(doc, [Mention(start, start + len(name), *NAMES[name]) for start, name in places])
        doc._.document_id = document
        related = [("D1", "D2", "Bind", "No"), ("42", "D1", "Association", "Novel"), ("D4", "42", "Bind", "Novel")]
        doc._.relations = [
            dict(zip(("source", "target", "type", "novelty"), relation))
            for relation in related
            if {relation[0], relation[1]} <= {concept.id for concept in doc._.concepts}
        ]
        yield doc


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A ruler that can know names and identifiers, and a relation component with random weights, which relates every
    candidate."""
    nlp = spacy.blank("en")
    encoder = {"@architectures": "embre_spacy.DocumentEncoder.v1", "overlap": 8, "precision": "float32"}
    encoder["name"] = str(make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny"))
    nlp.add_pipe("embre_relation", config={"model": {"encoder": encoder}, "threshold": 0.0})
    spacy.util.fix_random_seed(0)
    examples = [Example(copy_mentions(doc), doc) for doc in make_gold(nlp)]
    nlp.initialize(lambda: examples)
    nlp.add_pipe("entity_ruler", first=True)
    return nlp


def know(nlp, **changes):
    """Let the ruler know all names, but for the changes: other types and identifiers of a name, or None."""
    ruler = nlp.get_pipe("entity_ruler")
    ruler.clear()
    known = {**NAMES, **{name.replace("_", " "): value for name, value in changes.items()}}
    patterns = [{"pattern": name, "label": value[0], "id": value[1]} for name, value in known.items() if value]
    ruler.add_patterns(patterns)


def evaluate_examples(nlp):
    """What spaCy's own evaluation says of texts alone."""
    return nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in make_gold(nlp)])


def numbers(counts):
    return {"gold": counts["gold"], **{key: counts[key] for key in ("tp", "fp", "fn")}}


def test_a_recognizer_that_finds_all_of_gold_gives_the_scores_of_given_mentions(pipeline):
    know(pipeline)
    given = evaluate_pipeline(pipeline, make_gold(pipeline))
    alone = evaluate_from_text(pipeline, make_gold(pipeline))
    assert {level: alone[level] for level in given} == given
    assert given["pair"]["tp"] == 3
    assert numbers(alone["mentions"]) == {"gold": 6, "tp": 6, "fp": 0, "fn": 0}
    assert numbers(alone["concepts"]) == {"gold": 5, "tp": 5, "fp": 0, "fn": 0}
    assert list(alone["concepts"]["per_entity_type"]) == [CHEMICAL, DISEASE, GENE]
    scores = evaluate_examples(pipeline)
    assert [scores[f"relation_{level}_f"] for level in given] == [of_level["f"] for of_level in given.values()]
    assert scores["ents_f"] == 1.0


def test_what_is_not_found_or_wrong_counts_where_it_is_wrong(pipeline):
    # One name is not found, of one the identifier is wrong, of one the type.
    know(pipeline, fever=None, aspirin=(CHEMICAL, "D9"), gastric_ulcer=("Chemical", "D2"))
    alone = evaluate_from_text(pipeline, make_gold(pipeline))
    # BioRED's names of types count: `Chemical` is one, and not that of gold.
    assert numbers(alone["mentions"]) == {"gold": 6, "tp": 4, "fp": 1, "fn": 2}
    assert numbers(alone["mentions"]["per_entity_type"][CHEMICAL]) == {"gold": 2, "tp": 2, "fp": 1, "fn": 0}
    assert numbers(alone["concepts"]) == {"gold": 5, "tp": 2, "fp": 2, "fn": 3}
    assert alone["concepts"]["r"] == pytest.approx(2 / 5)
    # The relations of gold are those of aspirin, which has another identifier, and of fever.
    assert alone["pair"]["tp"] == 0 and alone["pair"]["fp"] > 0 and alone["pair"]["fn"] == 3
    assert evaluate_examples(pipeline)["relation_pair_f"] == 0.0


def test_concepts_without_an_identifier_and_their_relations_are_not_found(pipeline):
    know(pipeline, fever=(DISEASE, "local:fever"))
    alone = evaluate_from_text(pipeline, make_gold(pipeline))
    assert numbers(alone["mentions"]) == {"gold": 6, "tp": 6, "fp": 0, "fn": 0}
    assert numbers(alone["concepts"]) == {"gold": 5, "tp": 4, "fp": 0, "fn": 1}
    know(pipeline, fever=None)
    without = evaluate_from_text(pipeline, make_gold(pipeline))
    assert {level: numbers(alone[level]) for level in LEVELS} == {level: numbers(without[level]) for level in LEVELS}


def test_a_pipeline_without_a_recognizer_finds_nothing_in_texts(pipeline):
    with pipeline.select_pipes(disable="entity_ruler"):
        alone = evaluate_from_text(pipeline, make_gold(pipeline))
        assert numbers(alone["mentions"]) == {"gold": 6, "tp": 0, "fp": 0, "fn": 6}
        assert numbers(alone["concepts"]) == {"gold": 5, "tp": 0, "fp": 0, "fn": 5}
        assert alone["pair"]["fn"] == 3 and alone["pair"]["f"] == 0.0


def test_mentions_of_gold_are_not_shown(pipeline):
    know(pipeline, aspirin=None, PTGS1=None)
    alone = evaluate_from_text(pipeline, make_gold(pipeline))
    assert set(alone["mentions"]["per_entity_type"]) == {CHEMICAL, DISEASE, GENE}
    assert alone["mentions"]["per_entity_type"][GENE]["tp"] == 0
    assert evaluate_pipeline(pipeline, make_gold(pipeline))["pair"]["tp"] == 3
