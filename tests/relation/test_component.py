"""The component behaves as spaCy's own do."""

import math

import pytest
import spacy
import torch
from relation_docs import outcome, without_novelty
from safetensors.torch import load_file
from spacy.training import Example

from embre_spacy.errors import EmbreError
from embre_spacy.relation.model import get_network
from embre_spacy.tokens import copy_mentions


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


def test_a_saved_pipeline_needs_nothing_of_the_folder_it_was_made_from(trained, tmp_path, tiny_encoder, make_examples):
    trained.to_disk(tmp_path / "model")
    for file in (tmp_path / "model").rglob("*.cfg"):
        file.write_text(file.read_text().replace(str(tiny_encoder), "/no/such/folder"))
    reloaded = spacy.load(tmp_path / "model")
    assert outcome(reloaded(predicted(reloaded, make_examples)[0]))


def test_the_weights_are_in_a_file_of_their_own(trained, tmp_path, make_examples):
    gold = expected(trained, make_examples)
    trained.to_disk(tmp_path / "model")
    folder = tmp_path / "model" / "embre_relation"
    weights = load_file(folder / "weights.safetensors")
    assert len(weights) == len(list(get_network(trained.get_pipe("embre_relation").model).parameters()))
    assert (folder / "weights.safetensors").stat().st_mode == (folder / "cfg").stat().st_mode
    reloaded = spacy.load(tmp_path / "model")
    # What is in use does not lie in the file, which can be written again.
    (folder / "weights.safetensors").write_bytes(b"x" * (folder / "weights.safetensors").stat().st_size)
    assert [sorted(outcome(reloaded(doc))) for doc in predicted(reloaded, make_examples)] == gold
    reloaded.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert [sorted(outcome(again(doc))) for doc in predicted(again, make_examples)] == gold
    (folder / "weights.safetensors").unlink()
    with pytest.raises(EmbreError, match=r"weights\.safetensors: the file with the weights of the model is missing"):
        spacy.load(tmp_path / "model")


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
