"""What is odd but happens: corpora without novelty, mentions without a type, other packages, damaged files."""

import pickle
import warnings

import pytest
import spacy
import torch
from relation_docs import MENTIONS, TEXT, make_doc, outcome, without_novelty
from spacy.tokens import Doc
from spacy.training import Example

from embre_spacy.errors import EmbreError
from embre_spacy.relation.calibration import calibrate
from embre_spacy.relation.model import get_network
from embre_spacy.tokens import copy_mentions, get_concepts, register_extensions


@pytest.fixture
def encoder_kind() -> str:
    return "document"


def test_a_corpus_without_novelty_is_calibrated(make_nlp, make_examples):
    nlp = make_nlp()
    examples = without_novelty(make_examples(nlp))
    nlp.initialize(lambda: examples)
    gold = [example.reference for example in examples]
    assert calibrate(nlp, gold)["calibration"]["novelty"] == {"temperature": 1.0, "ece": 0.0, "ece_after": 0.0}


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


def test_training_documents_without_candidates_are_told(make_nlp, make_examples):
    nlp = make_nlp()
    # As a reader does that gives the texts alone.
    examples = [Example(nlp.make_doc(one.reference.text), one.reference) for one in make_examples(nlp)]
    with pytest.warns(UserWarning, match=r"no candidates.*embre_spacy\.Corpus\.v1"):
        nlp.initialize(lambda: examples)


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


def test_the_same_characters_may_be_two_concepts(make_nlp):
    nlp = make_nlp()
    doc = make_doc(nlp.vocab)
    doc.spans["mentions"] = [doc.char_span(0, 7, label="GeneOrGeneProduct", kb_id="7")]
    nlp.initialize(lambda: [Example(copy_mentions(doc), doc)])
    pipe = nlp.get_pipe("embre_relation")
    concept_mentions = pipe.prepare([doc]).arrays.features.concept_mentions
    mentions = [number for row in concept_mentions.tolist() for number in row if number >= 0]
    assert len(mentions) == len(set(mentions)) == len(MENTIONS) + 1


def test_a_mention_that_is_there_twice_is_one(make_nlp):
    doc = make_doc(make_nlp().vocab, TEXT, [("PTGS1", 0, "GeneOrGeneProduct", "5742")], [])
    doc.spans["mentions"] = [doc.char_span(47, 52, label="GeneOrGeneProduct", kb_id="5742")]
    assert [concept.mentions for concept in get_concepts(doc)] == [[[47, 52]]]
    # Nor is the concept a candidate with itself.
    assert doc._.candidates == []


def test_what_no_weight_depends_on_can_be_chosen_in_loading(trained, tmp_path, make_examples):
    trained.to_disk(tmp_path / "model")
    encoder = "components.embre_relation.model.encoder"
    config = {f"{encoder}.batch_wordpieces": 100, f"{encoder}.mention_dropout": 0.5, f"{encoder}.hidden_dropout": 0.3}
    for nlp in (
        spacy.load(tmp_path / "model", config=config),
        spacy.util.load_model_from_config(spacy.util.load_config(tmp_path / "model" / "config.cfg", config)),
    ):
        if nlp.get_pipe("embre_relation").labels == ():
            nlp.from_bytes(trained.to_bytes(exclude=["config"]))
        encoder = get_network(nlp.get_pipe("embre_relation").model).encoder
        assert encoder.settings["batch_wordpieces"] == 100 and encoder.settings["mention_dropout"] == 0.5
        assert encoder.transformer.config.hidden_dropout_prob == 0.3
        doc = copy_mentions(make_examples(nlp)[0].reference)
        assert sorted(outcome(nlp(doc))) == sorted(outcome(make_examples(nlp)[0].reference))


def test_damaged_weights_are_named(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    file = tmp_path / "model" / "embre_relation" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(EmbreError, match=r"weights\.safetensors: the weights cannot be read"):
        spacy.load(tmp_path / "model")
