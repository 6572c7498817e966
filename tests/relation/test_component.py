"""The component behaves as spaCy's own do."""

import math
import pickle
import warnings

import numpy
import pytest
import spacy
import torch
from relation_docs import MENTIONS, TEXT, make_doc, outcome, without_novelty
from spacy.tokens import Doc, Span
from spacy.training import Example

from embre_spacy.errors import EmbreError
from embre_spacy.relation.model import get_network
from embre_spacy.tokens import Concept, copy_mentions, get_concepts, register_extensions


def predicted(nlp, make_examples):
    return [copy_mentions(example.reference) for example in make_examples(nlp)]


def expected(nlp, make_examples):
    return [sorted(outcome(example.reference)) for example in make_examples(nlp)]


def test_it_learns_and_says_the_same_in_every_way(trained, make_examples, tmp_path):
    gold = expected(trained, make_examples)
    assert [sorted(outcome(trained(doc))) for doc in predicted(trained, make_examples)] == gold
    for batch_size in (1, 3, 64):
        docs = trained.pipe(predicted(trained, make_examples), batch_size=batch_size)
        assert [sorted(outcome(doc)) for doc in docs] == gold
    trained.to_disk(tmp_path / "model")
    reloaded = spacy.load(tmp_path / "model")
    assert [sorted(outcome(reloaded(doc))) for doc in predicted(reloaded, make_examples)] == gold
    from_bytes = spacy.util.load_model_from_config(trained.config).from_bytes(trained.to_bytes())
    assert [sorted(outcome(from_bytes(doc))) for doc in predicted(from_bytes, make_examples)] == gold


@pytest.mark.forks
def test_it_says_the_same_with_two_processes(trained, make_examples):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        # Threads that have worked before are those that a fork leaves behind.
        list(trained.pipe(predicted(trained, make_examples)))
        docs = list(trained.pipe(predicted(trained, make_examples), n_process=2, batch_size=2))
    finally:
        torch.set_num_threads(threads)
    assert [sorted(outcome(doc)) for doc in docs] == expected(trained, make_examples)


def test_predictions_carry_concepts_and_probabilities(trained, make_examples):
    doc = trained(predicted(trained, make_examples)[0])
    relation = next(relation for relation in doc._.relations if relation.type == "Positive_Correlation")
    assert {relation.source.id, relation.target.id} == {"D001241", "D013276"}
    aspirin = next(concept for concept in (relation.source, relation.target) if concept.id == "D001241")
    assert [span.text for span in aspirin.spans(doc)] == ["Aspirin", "aspirin"]
    assert set(relation.type_probabilities) == {"Bind", "Negative_Correlation", "Positive_Correlation"}
    assert set(relation.novelty_probabilities) == {"No", "Novel"}
    assert sum(relation.novelty_probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert 0.5 < relation.pair_probability <= 1.0 + 1e-6
    assert relation.type == max(relation.type_probabilities, key=relation.type_probabilities.get)


def test_the_threshold_decides_what_is_related(make_nlp, make_examples):
    with pytest.raises(EmbreError, match="threshold"):
        make_nlp(threshold=1.5)
    with pytest.raises(EmbreError, match="type_certainty"):
        make_nlp(type_certainty=-0.5)
    everything = make_nlp(threshold=0.0)
    examples = make_examples(everything)
    everything.initialize(lambda: examples)
    doc = everything(examples[0].predicted)
    assert len(doc._.relations) == len(doc._.candidates) > 0


@pytest.mark.parametrize(
    "certainty, score",
    [
        (0.0, lambda relation: relation.pair_probability),
        (1.0, lambda relation: relation.type_probabilities[relation.type]),
        (0.5, lambda relation: (relation.pair_probability * relation.type_probabilities[relation.type]) ** 0.5),
    ],
)
def test_the_certainty_of_the_type_counts(initialized, make_examples, certainty, score):
    cfg = initialized.get_pipe("embre_relation").cfg
    cfg.update(threshold=0.0, type_certainty=certainty)
    everything = list(initialized.pipe(predicted(initialized, make_examples)))
    scores = sorted(score(relation) for doc in everything for relation in doc._.relations)
    cfg["threshold"] = sum(scores[len(scores) // 2 - 1 :][:2]) / 2
    found = list(initialized.pipe(predicted(initialized, make_examples)))
    for doc, all_of_it in zip(found, everything):
        wanted = [relation.pair for relation in all_of_it._.relations if score(relation) >= cfg["threshold"]]
        assert [relation.pair for relation in doc._.relations] == wanted
    assert 0 < sum(len(doc._.relations) for doc in found) < len(scores)


def test_it_is_refused_before_it_is_initialized(make_nlp, make_examples):
    nlp = make_nlp()
    with pytest.raises(ValueError, match="initialize"):
        nlp("Aspirin.")
    with pytest.raises(ValueError):
        nlp.update(make_examples(nlp))


def test_documents_without_candidates_are_fine(make_nlp, make_examples):
    nlp = make_nlp()
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    empty = examples[3:]
    losses = nlp.update(empty, sgd=optimizer)
    assert losses == {"embre_relation": 0.0}
    assert [doc._.relations for doc in nlp.pipe([example.predicted for example in empty])] == [[], []]
    assert list(nlp.pipe([])) == []
    assert nlp.get_pipe("embre_relation").update([], sgd=optimizer) == {"embre_relation": 0.0}


def test_labels_come_from_the_data_or_from_init_labels(make_nlp, make_examples):
    nlp = make_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("embre_relation")
    assert nlp.pipe_labels["embre_relation"] == ["Bind", "Negative_Correlation", "Positive_Correlation"]
    assert pipe.novelty_labels == ("No", "Novel")
    again = make_nlp()
    again.get_pipe("embre_relation").initialize(lambda: examples, nlp=again, labels=pipe.label_data)
    assert again.get_pipe("embre_relation").label_data == pipe.label_data
    assert pipe.add_label("Bind") == 0
    with pytest.raises(EmbreError, match="Conversion"):
        pipe.add_label("Conversion")


def test_a_relation_type_that_is_unknown_is_an_error(make_nlp, make_examples):
    nlp = make_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples[1:])
    with pytest.raises(EmbreError, match=r"^document .*was not initialized with the relation type"):
        nlp.update(examples[:1])


def test_no_relations_is_an_error_at_initialization(make_nlp, make_examples):
    nlp = make_nlp()
    with pytest.raises(EmbreError, match="nothing to learn"):
        nlp.initialize(lambda: make_examples(nlp)[2:])


@pytest.mark.filterwarnings("error:Initializing zero-element tensors")
def test_a_corpus_without_novelty_has_none(make_nlp, make_examples):
    nlp = make_nlp()
    examples = without_novelty(make_examples(nlp))
    optimizer = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer)
    nlp.get_pipe("embre_relation").cfg["threshold"] = 0.0
    assert {relation.novelty for relation in nlp(examples[0].predicted)._.relations} == {None}


def test_it_can_be_switched_off_and_sourced(trained, make_examples):
    doc = predicted(trained, make_examples)[0]
    with trained.select_pipes(disable=["embre_relation"]):
        assert trained(doc)._.relations == []
    other = spacy.blank("en")
    other.add_pipe("embre_relation", source=trained)
    assert outcome(other(predicted(other, make_examples)[0])) == outcome(trained(predicted(trained, make_examples)[0]))


def test_analysis_names_what_it_needs_and_gives(make_nlp):
    analysis = make_nlp().analyze_pipes()
    assert analysis["summary"]["embre_relation"]["assigns"] == ["doc._.relations"]
    assert analysis["summary"]["embre_relation"]["requires"] == ["doc.ents"]
    assert "relation_all_f" in analysis["summary"]["embre_relation"]["scores"]


def test_evaluation_gives_the_four_levels(trained, make_examples):
    scores = trained.evaluate(make_examples(trained))
    for level in ("pair", "type", "novelty", "all"):
        assert scores[f"relation_{level}_f"] == 1.0
    assert scores["relation_type_per_type"]["Bind"]["f"] == 1.0
    assert scores["relation_type_macro_f"] == scores["relation_type_accuracy"] == 1.0


def test_the_loss_of_scores_is_that_of_the_examples(trained, make_examples):
    pipe = trained.get_pipe("embre_relation")
    example = make_examples(trained)[0]
    n_candidates = len(pipe.candidates(example.predicted))
    xp = pipe.model.ops.xp
    certain = xp.zeros((n_candidates, 4), dtype="f"), xp.zeros((n_candidates, 2), dtype="f")
    loss, (d_types, d_novelties) = pipe.get_loss([example], certain)
    # Three of the candidates are related, and only these have a novelty.
    assert loss == pytest.approx(math.log(4.0) + 2.0 * 3 / n_candidates * math.log(2.0), rel=1e-5)
    assert (abs(d_novelties).sum(axis=1) > 0).sum() == 3
    assert float(d_types.sum()) == pytest.approx(0.0, abs=1e-6)


def test_candidates_are_a_choice(make_nlp, make_examples):
    nlp = make_nlp(candidates={"@misc": "embre_spacy.AllPairsCandidates.v1"})
    doc = make_examples(nlp)[0].predicted
    pairs = {frozenset((a.type, b.type)) for a, b in nlp.get_pipe("embre_relation").candidates(doc)}
    assert frozenset(["DiseaseOrPhenotypicFeature"]) in pairs
    assert frozenset(["DiseaseOrPhenotypicFeature"]) not in {frozenset((a.type, b.type)) for a, b in doc._.candidates}


@pytest.mark.parametrize(
    "start, end, type", [(0, 3, "ChemicalEntity"), (0, 7, "GeneOrGeneProduct"), (900, 907, "ChemicalEntity")]
)
def test_candidates_outside_the_mentions_are_told(trained, make_examples, start, end, type):
    pipe = trained.get_pipe("embre_relation")
    doc = make_examples(trained)[0].predicted
    doc._.document_id = "doc 7"
    other = doc._.concepts[1]
    pipe.candidates = lambda doc: [(other, Concept("C9", type, "Asp", [(start, end)]))]
    with pytest.raises(EmbreError, match="document doc 7: the candidates have a concept 'C9' of type"):
        trained(doc)
    pipe.candidates = lambda doc: [(Concept("C9", "ChemicalEntity", "Asp"), other)]
    with pytest.raises(EmbreError, match=r"document doc 7: .* 'C9' .* with mentions at \[\]"):
        list(trained.pipe([doc]))


def test_more_candidates_than_there_is_memory_for_are_told(trained, make_examples):
    pipe = trained.get_pipe("embre_relation")
    before, doc = pipe.candidates, make_examples(trained)[0].predicted
    doc._.document_id = "doc 7"
    pipe.candidates = lambda doc: before(doc) * 2**21
    with pytest.raises(
        EmbreError, match=r"document doc 7: it has [\d,]+ candidates, and at most 2,097,152 can be pred"
    ):
        trained(doc)


def test_wrong_input_is_an_error(trained):
    with pytest.raises(TypeError):
        trained.update(["not an example"])
    assert isinstance(Example.from_dict(trained.make_doc("x"), {}), Example)


@pytest.mark.parametrize("encoder_kind", ["document", "pairs"])
@pytest.mark.parametrize("encoder", [{"name": "no/such/folder/at/all"}, {"window": 10_000}, {"precision": "float7"}])
def test_impossible_settings_are_errors(make_nlp, make_examples, encoder):
    nlp = make_nlp(encoder=encoder)
    examples = make_examples(nlp)
    with pytest.raises((EmbreError, ValueError), match=r"no such folder|window|precision"):
        nlp.initialize(lambda: examples)
        nlp(examples[0].predicted)


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_mentions_without_a_type_are_no_class(make_nlp):
    nlp = make_nlp()
    reference = make_doc(nlp.vocab, mentions=[*MENTIONS[:-1], ("known", 0, "_", "1")])
    reference.spans["mentions"] = [reference.char_span(0, 7, label="", kb_id="2")]
    examples = [Example(copy_mentions(reference), reference)]
    optimizer = nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("embre_relation")
    assert "" not in pipe.entity_types and "_" in pipe.entity_types
    nlp.update(examples, sgd=optimizer)
    assert all(torch.isfinite(tensor).all() for tensor in get_network(pipe.model).state_dict().values())


@pytest.mark.parametrize("encoder_kind", ["document"])
@pytest.mark.parametrize(
    "candidates",
    [
        {"@misc": "embre_spacy.TypePairCandidates.v1"},
        {"@misc": "embre_spacy.AllPairsCandidates.v1"},
        {"@misc": "embre_spacy.NearbyCandidates.v1", "distance": 1000},
    ],
)
def test_a_component_can_be_given_to_another_process(make_nlp, make_examples, candidates):
    nlp = make_nlp(candidates=candidates, threshold=0.0)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("embre_relation")
    copied = pickle.loads(pickle.dumps(pipe))
    assert outcome(copied(examples[0].predicted.copy())) == outcome(pipe(examples[0].predicted)) != []
    examples[0].predicted = copied(examples[0].predicted)
    assert copied.score(examples[:1])["relation_pair_r"] == 1.0


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_a_trained_component_learns_no_other_labels(trained, make_examples):
    examples = make_examples(trained)
    before = trained.get_pipe("embre_relation").label_data
    trained.initialize(lambda: examples)
    examples[0].reference._.relations[0]["type"] = "Comparison"
    with pytest.raises(EmbreError, match="has its weights already, so it cannot learn Comparison"):
        trained.initialize(lambda: examples)
    assert trained.get_pipe("embre_relation").label_data == before
    examples[0].reference._.relations[0].update(type="Bind", novelty="new")
    with pytest.raises(EmbreError, match="not initialized with the novelty label 'new'"):
        trained.update(examples)


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_training_documents_without_candidates_are_told(make_nlp, make_examples):
    nlp = make_nlp()
    references = [example.reference for example in make_examples(nlp)]
    for doc in references:
        doc.ents = [Span(doc, ent.start, ent.end, label=ent.label_) for ent in doc.ents]
    examples = [Example(copy_mentions(reference), reference) for reference in references]
    with pytest.warns(UserWarning, match="no candidates.*mentions with identifiers"):
        nlp.initialize(lambda: examples)


@pytest.mark.parametrize("encoder_kind", ["document", "tokens"])
def test_texts_alone_are_learned_and_scored_with_the_mentions_of_gold(make_nlp, make_examples):
    nlp, other = make_nlp(threshold=0.0), make_nlp(threshold=0.0)
    given = make_examples(nlp)
    alone = [Example(nlp.make_doc(one.reference.text), one.reference) for one in given]
    for pipeline, examples in ((nlp, given), (other, alone)):
        spacy.util.fix_random_seed(0)
        optimizer = pipeline.initialize(lambda examples=examples: examples)
        losses = pipeline.update(examples, sgd=optimizer)
        assert losses["embre_relation"] > 0.0
        assert not any(one.predicted.ents for one in alone)
    scores = nlp.evaluate(given)
    for examples in (given, alone, [Example(copy_mentions(one.reference), one.reference) for one in given]):
        found = other.evaluate(examples)
        assert {key: found[key] for key in scores if key.startswith("relation")} == {
            key: scores[key] for key in scores if key.startswith("relation")
        }
    assert scores["relation_pair_f"] > 0.0


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_mentions_that_a_pipeline_finds_are_those_that_are_scored(trained, make_examples):
    examples = make_examples(trained)
    alone = [Example(trained.make_doc(one.reference.text), one.reference) for one in examples]
    assert trained.evaluate(alone)["relation_pair_r"] > 0.0
    # A recognizer without identifiers is scored by itself; with identifiers, relations are between what it has found.
    ruler = trained.add_pipe("entity_ruler", first=True)
    word = next(ent for ent in examples[0].reference.ents)
    for identifier, relations_are_scored in (("", True), ("X", False)):
        ruler.clear()
        ruler.add_patterns([{"label": word.label_, "pattern": word.text, "id": identifier}])
        scores = trained.evaluate(alone)
        assert 0.0 < scores["ents_r"] < 1.0
        assert (scores["relation_pair_r"] > 0.0) == relations_are_scored


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_extensions_of_others_are_told_and_relations_are_found_all_the_same(trained, make_examples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_extensions()
    doc = copy_mentions(make_examples(trained)[0].reference)
    ours = Doc.get_extension("relations")
    Doc.set_extension("relations", default=None, force=True)
    try:
        with pytest.warns(UserWarning, match=r"doc\._\.relations is not that of embre_spacy"):
            register_extensions()
        trained(doc)
    finally:
        Doc.set_extension("relations", getter=ours[2], setter=ours[3], force=True)
    assert doc._.relations


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_errors_have_the_id_of_a_document_though_others_have_taken_the_attribute(trained, make_examples):
    doc = copy_mentions(make_examples(trained)[0].reference)
    doc._.document_id = "doc 7"
    pipe = trained.get_pipe("embre_relation")
    pipe.candidates = lambda doc: [(Concept("C9", "ChemicalEntity", "Asp"), doc._.concepts[1])]
    ours = Doc.get_extension("document_id")
    Doc.set_extension("document_id", default="of others", force=True)
    try:
        with pytest.raises(EmbreError, match="document doc 7: the candidates have a concept 'C9'"):
            pipe.predict([doc])
    finally:
        Doc.set_extension("document_id", getter=ours[2], setter=ours[3], force=True)


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_the_same_characters_may_be_two_concepts(make_nlp):
    nlp = make_nlp()
    doc = make_doc(nlp.vocab)
    doc.spans["mentions"] = [doc.char_span(0, 7, label="GeneOrGeneProduct", kb_id="7")]
    nlp.initialize(lambda: [Example(copy_mentions(doc), doc)])
    pipe = nlp.get_pipe("embre_relation")
    concept_mentions = pipe.prepare([doc]).arrays.features.concept_mentions
    mentions = [number for row in concept_mentions.tolist() for number in row if number >= 0]
    assert len(mentions) == len(set(mentions)) == len(MENTIONS) + 1


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_a_mention_that_is_there_twice_is_one(make_nlp):
    doc = make_doc(make_nlp().vocab, TEXT, [("PTGS1", 0, "GeneOrGeneProduct", "5742")], [])
    doc.spans["mentions"] = [doc.char_span(47, 52, label="GeneOrGeneProduct", kb_id="5742")]
    assert [concept.mentions for concept in get_concepts(doc)] == [[[47, 52]]]
    # Nor is the concept a candidate with itself.
    assert doc._.candidates == []


def test_a_batch_is_arrays_that_can_be_predicted_elsewhere(trained, make_examples):
    pipe = trained.get_pipe("embre_relation")
    docs = predicted(trained, make_examples)
    batch = pickle.loads(pickle.dumps(pipe.prepare(docs)))
    assert [len(of_doc) for of_doc in batch.candidates] == [len(pipe.candidates(doc)) for doc in docs]
    # No text, and no vectors but those of tokens.
    assert len(pickle.dumps(batch)) < 50_000
    scores = pipe.classify(batch)
    assert scores[0].dtype == scores[1].dtype == numpy.float32
    relations = pipe.decide(batch.candidates, scores)
    for doc, of_doc in zip(trained.pipe(docs), relations, strict=True):
        assert doc._.relations == of_doc
    assert sum(map(len, relations)) == 4


def test_no_documents_have_no_scores(trained):
    pipe = trained.get_pipe("embre_relation")
    candidates, (types, novelties) = pipe.predict([])
    assert candidates == [] and types.shape == (0, 4) and novelties.shape == (0, 2)
    assert pipe.decide(candidates, pipe.classify(pipe.prepare([]))) == []


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_settings_of_the_config_count_when_a_pipeline_is_loaded(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    overrides = {"components.embre_relation.threshold": 0.9, "components.embre_relation.temperature": 2.0}
    config = spacy.util.load_config(tmp_path / "model" / "config.cfg", overrides)
    for nlp in (
        spacy.load(tmp_path / "model", config=overrides),
        spacy.util.load_model_from_config(config).from_bytes(trained.to_bytes(exclude=["config"])),
    ):
        cfg = nlp.get_pipe("embre_relation").cfg
        assert cfg["threshold"] == 0.9 and cfg["temperature"] == 2.0
        assert cfg["type_certainty"] == trained.get_pipe("embre_relation").cfg["type_certainty"]


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_settings_that_were_changed_are_saved(trained, tmp_path):
    pipe = trained.get_pipe("embre_relation")
    expected = {"threshold": 0.7, "type_certainty": 0.5, "temperature": 1.25, "novelty_temperature": 3.0}
    trained.rename_pipe("embre_relation", "relations")
    pipe.cfg["threshold"] = 0.7
    pipe.cfg["temperature"] = 1.25
    pipe.cfg.update({"type_certainty": 0.5}, novelty_temperature=3.0)
    trained.to_disk(tmp_path / "model")
    reloaded = spacy.load(tmp_path / "model")
    in_bytes = spacy.util.load_model_from_config(trained.config).from_bytes(trained.to_bytes())
    for nlp in (trained, reloaded, in_bytes):
        cfg, config = nlp.get_pipe("relations").cfg, nlp.config["components"]["relations"]
        assert {setting: cfg[setting] for setting in expected} == pytest.approx(expected)
        assert {setting: config[setting] for setting in expected} == pytest.approx(expected)
    config = spacy.util.load_config(tmp_path / "model" / "config.cfg")["components"]["relations"]
    assert {setting: config[setting] for setting in expected} == pytest.approx(expected)


def test_a_component_takes_no_settings_but_its_own(trained):
    pipe = trained.get_pipe("embre_relation")
    with pytest.raises(TypeError, match="treshold"):
        type(pipe)(trained.vocab, pipe.model, candidates=pipe.candidates, treshold=0.5)


def test_an_uninitialized_component_can_be_saved(make_nlp, make_examples, tmp_path):
    nlp = make_nlp()
    nlp.get_pipe("embre_relation").add_label("Bind")
    nlp.to_disk(tmp_path / "model")
    for reloaded in (
        spacy.load(tmp_path / "model"),
        spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ):
        assert reloaded.get_pipe("embre_relation").labels == ("Bind",)
        examples = make_examples(reloaded)
        reloaded.initialize(lambda examples=examples: examples)
        assert reloaded.get_pipe("embre_relation").labels[1:] == ("Negative_Correlation", "Positive_Correlation")
