"""Probabilities that mean what they say, and the threshold that is chosen with them."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from relation_docs import without_novelty
from spacy.language import Language

from embre_spacy.errors import EmbreError
from embre_spacy.relation.calibration import (
    apply_temperature,
    calibrate,
    choose_threshold,
    expected_calibration_error,
    fit_temperature,
    score_candidates,
)
from embre_spacy.relation.model import get_network
from embre_spacy.tokens import copy_mentions

# The texts that came through a pipeline.
READ = []


@Language.component("note_text")
def note_text(doc):
    READ.append(doc.text)
    return doc


@Language.component("refuse")
def refuse(doc):
    raise ValueError("not this document")


@pytest.fixture
def encoder_kind() -> str:
    return "document"


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5, 4.0), st.integers(0, 1000))
def test_the_temperature_that_was_applied_is_found_again(temperature, seed):
    rng = numpy.random.default_rng(seed)
    honest = rng.dirichlet([0.7] * 4, size=3000).clip(1e-4)
    honest /= honest.sum(axis=1, keepdims=True)
    classes = [rng.choice(4, p=row) for row in honest]
    boasting = apply_temperature(honest, 1 / temperature)
    assert fit_temperature(boasting, classes) == pytest.approx(temperature, rel=0.15)


def test_the_calibration_error_by_hand():
    # Ten times 0.9, of which nine happen: no error. Ten times 0.7, of which none happens: an error of 0.7 in one half.
    probabilities = numpy.array([0.9] * 10 + [0.7] * 10)
    happened = [True] * 9 + [False] * 11
    assert expected_calibration_error(probabilities, happened) == pytest.approx(0.35)


def test_calibration_is_saved_with_the_pipeline(trained, make_examples, tmp_path):
    gold = [example.reference for example in make_examples(trained)]
    result = calibrate(trained, gold)
    pipe = trained.get_pipe("embre_relation")
    assert pipe.cfg["threshold"] == result["threshold"] and result["scores"]["all"] == 1.0
    # What is known by heart is so sure that a fit has nothing to go by.
    pipe.cfg["temperature"] = 3.0
    trained.to_disk(tmp_path / "model")
    reloaded = spacy.load(tmp_path / "model")
    assert reloaded.config["components"]["embre_relation"]["threshold"] == result["threshold"]
    for doc, expected in zip(reloaded.pipe(map(copy_mentions, gold)), trained.pipe(map(copy_mentions, gold))):
        assert [relation.pair_probability for relation in doc._.relations] == pytest.approx(
            [relation.pair_probability for relation in expected._.relations]
        )


def test_temperatures_change_probabilities_as_they_say(trained, make_examples):
    doc = make_examples(trained)[0].predicted
    pipe = trained.get_pipe("embre_relation")
    _, (types, novelties) = pipe.predict([doc])
    pipe.cfg.update(temperature=2.0, novelty_temperature=0.5)
    _, (scaled_types, scaled_novelties) = pipe.predict([doc])
    numpy.testing.assert_allclose(scaled_types, apply_temperature(types, 2.0), atol=1e-3)
    numpy.testing.assert_allclose(scaled_novelties, apply_temperature(novelties, 0.5), atol=1e-3)


def test_documents_without_candidates_calibrate_nothing(trained, make_examples):
    cfg = trained.get_pipe("embre_relation").cfg
    cfg.update(temperature=2.0, novelty_temperature=3.0, threshold=0.4)
    before = dict(cfg)
    with pytest.raises(EmbreError, match="no candidates"):
        calibrate(trained, [example.reference for example in make_examples(trained)[3:]])
    assert cfg == before


def test_a_failing_component_leaves_the_temperatures_as_they_were(trained, make_examples):
    cfg = trained.get_pipe("embre_relation").cfg
    cfg.update(temperature=2.0, novelty_temperature=3.0, threshold=0.4)
    before = dict(cfg)
    trained.add_pipe("refuse", first=True)
    with pytest.raises(ValueError, match="not this document"):
        calibrate(trained, [example.reference for example in make_examples(trained)])
    assert cfg == before


@pytest.mark.parametrize("head", ["relation", "novelty"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_probabilities_that_are_no_numbers_are_told(trained, make_examples, head, value):
    pipe = trained.get_pipe("embre_relation")
    before = dict(pipe.cfg)
    getattr(get_network(pipe.model), head)[-1].bias.data[0] = value
    gold = [example.reference for example in make_examples(trained)]
    for score in (score_candidates, calibrate):
        with pytest.raises(EmbreError, match="probabilities that are no numbers"):
            score(trained, gold)
    assert pipe.cfg == before


def test_documents_are_read_once(trained, make_examples):
    READ.clear()
    trained.add_pipe("note_text", first=True)
    gold = [example.reference for example in make_examples(trained)]
    calibrate(trained, gold)
    assert [reference.text for reference in gold] == READ


def test_the_threshold_is_chosen_with_the_temperatures(initialized, make_examples):
    gold = [example.reference for example in make_examples(initialized)]
    cfg = initialized.get_pipe("embre_relation").cfg
    # What they were before does not matter.
    cfg.update(temperature=0.3, novelty_temperature=4.0)
    result = calibrate(initialized, gold)
    assert cfg["temperature"] == result["calibration"]["relation"]["temperature"] != 0.3
    assert cfg["novelty_temperature"] == result["calibration"]["novelty"]["temperature"] != 4.0
    assert choose_threshold(score_candidates(initialized, gold)) == (cfg["threshold"], result["scores"])
    again = calibrate(initialized, gold)
    assert again["threshold"] == result["threshold"] and again["calibration"] == result["calibration"]


@pytest.mark.parametrize("certainty", [0.0, 0.5, 1.0])
def test_scored_candidates_are_decided_as_the_component_does(initialized, make_examples, certainty):
    gold = [example.reference for example in make_examples(initialized)]
    cfg = initialized.get_pipe("embre_relation").cfg
    cfg["type_certainty"] = certainty
    # The untrained component is about as sure of each candidate, so this is where they part.
    for cfg["threshold"] in numpy.arange(0.15, 0.85, 0.02):
        scored = score_candidates(initialized, gold)
        docs = initialized.pipe([copy_mentions(reference) for reference in gold])
        expected = [[relation.pair for relation in doc._.relations] for doc in docs]
        assert [
            [relation.pair for relation in of_document] for of_document in scored.predicted(cfg["threshold"])
        ] == expected


def test_the_threshold_is_the_best_for_the_level(trained, make_examples):
    scored = score_candidates(trained, [example.reference for example in make_examples(trained)])
    threshold, scores = choose_threshold(scored, "pair")
    assert scores["pair"] == 1.0 == scored.count(threshold)["pair"]["f"]


def test_temperatures_must_be_positive(make_nlp):
    with pytest.raises(EmbreError, match="temperature` of embre_relation must be above 0"):
        make_nlp(temperature=0.0)


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_a_corpus_without_novelty_is_calibrated(make_nlp, make_examples):
    nlp = make_nlp()
    examples = without_novelty(make_examples(nlp))
    nlp.initialize(lambda: examples)
    gold = [example.reference for example in examples]
    assert calibrate(nlp, gold)["calibration"]["novelty"] == {"temperature": 1.0, "ece": 0.0, "ece_after": 0.0}
