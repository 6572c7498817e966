"""Levitated markers: the transformer reads the text for each candidate, as if there were no others."""

import numpy
import pytest
import spacy
from relation_docs import make_doc
from test_document_encoder import long_doc
from transformers import AutoConfig, AutoModel

from embre_spacy.errors import EmbreError
from embre_spacy.relation import markers
from embre_spacy.relation.instance import Instance
from embre_spacy.relation.model import get_network
from embre_spacy.relation.modules.document import DocumentEncoder


@pytest.fixture
def encoder_kind() -> str:
    return "document"


@pytest.fixture
def make_pipe(make_nlp, make_examples):
    def make(**encoder):
        spacy.util.fix_random_seed(0)
        nlp = make_nlp(encoder=encoder)
        examples = make_examples(nlp)
        nlp.initialize(lambda: examples)
        return nlp.get_pipe("embre_relation"), nlp.vocab

    return make


def read(pipe, instances):
    network = get_network(pipe.model).eval()
    return network.classifier.encoder._read(network.make_batch(instances))


def test_what_a_marker_reads_does_not_depend_on_other_candidates(make_pipe):
    pipe, vocab = make_pipe()
    doc = make_doc(vocab)
    candidates = pipe.candidates(doc)
    text, together = read(pipe, [Instance(doc, candidates)])
    assert len(candidates) > 2 and (together.abs().sum(dim=(1, 2)) > 0).all()
    for candidate, expected in zip(candidates, together):
        alone_text, alone = read(pipe, [Instance(doc, [candidate])])
        numpy.testing.assert_allclose(alone[0].detach().cpu(), expected.detach().cpu(), atol=1e-5)
        # Nor does the text see any marker.
        numpy.testing.assert_allclose(alone_text.detach().cpu(), text.detach().cpu(), atol=1e-5)


def test_a_marker_sees_its_partner(make_pipe):
    pipe, vocab = make_pipe()
    mentions = [
        ("Aspirin", 0, "ChemicalEntity", "D1"),
        ("fever", 0, "DiseaseOrPhenotypicFeature", "D2"),
        ("pain", 0, "DiseaseOrPhenotypicFeature", "D3"),
    ]
    doc = make_doc(vocab, "Aspirin lowers fever and pain.", mentions, [])
    candidates = pipe.candidates(doc)
    assert [source.id for source, _ in candidates] == ["D1", "D1"]
    _, vectors = read(pipe, [Instance(doc, candidates)])
    assert (vectors[0, 0] - vectors[1, 0]).abs().max() > 1e-4


def test_markers_stand_at_the_nearest_mentions(make_pipe):
    pipe, vocab = make_pipe()
    doc = long_doc(vocab, 30)
    batch = get_network(pipe.model).make_batch([Instance(doc, pipe.candidates(doc))])
    tags = get_network(pipe.model).tokenizer.convert_ids_to_tokens
    assert len(batch.windows) > 3
    numbers = []
    for window, found in zip(batch.windows, batch.markers):
        for number, source, target, *ids in found:
            assert tags([window[source], window[target]]) == tags(ids)
            of_chemicals, of_diseases = "[ChemicalEntity]", "[DiseaseOrPhenotypicFeature]"
            assert set(tags(ids)) <= {of_chemicals, of_diseases}
            numbers.append(number)
    # In each short sentence there is a mention of both, so what has no markers has its mentions in other windows.
    assert len(set(numbers)) == len(numbers) > len(batch.layout.candidates) / 2


def test_candidates_whose_mentions_are_far_apart_have_none(make_pipe):
    pipe, vocab = make_pipe()
    middle = "and so on " * 60
    mentions = [("Aspirin", 0, "ChemicalEntity", "D1"), ("fever", 0, "DiseaseOrPhenotypicFeature", "D2")]
    doc = make_doc(vocab, f"Aspirin {middle} fever", mentions, [])
    _, vectors = read(pipe, [Instance(doc, pipe.candidates(doc))])
    assert vectors.shape[0] == 1 and not vectors.any()
    assert len(pipe.predict([doc])[0][0]) == 1


def test_crowded_windows_are_read_several_times(make_pipe, monkeypatch):
    pipe, vocab = make_pipe()
    docs = [make_doc(vocab), long_doc(vocab, 20)]
    instances = [Instance(doc, pipe.candidates(doc)) for doc in docs]
    text, expected = read(pipe, instances)
    monkeypatch.setattr(markers, "MOST_CANDIDATES", 2)
    assert len(get_network(pipe.model).make_batch(instances).windows) > 10
    crowded_text, crowded = read(pipe, instances)
    numpy.testing.assert_allclose(crowded_text.detach().cpu(), text.detach().cpu(), atol=1e-5)
    numpy.testing.assert_allclose(crowded.detach().cpu(), expected.detach().cpu(), atol=1e-5)


def test_without_tags_markers_are_masks(make_pipe):
    pipe, vocab = make_pipe(tags=False)
    doc = make_doc(vocab)
    network = get_network(pipe.model)
    batch = network.make_batch([Instance(doc, pipe.candidates(doc))])
    assert {one for found in batch.markers for one in found[:, 3:].flatten()} == {network.tokenizer.mask_token_id}


def test_they_can_be_left_out(make_pipe):
    pipe, vocab = make_pipe(markers=False)
    doc = make_doc(vocab)
    text, vectors = read(pipe, [Instance(doc, pipe.candidates(doc))])
    assert vectors is None and len(text)
    assert len(pipe.predict([doc])[0][0]) == len(pipe.candidates(doc))


@pytest.mark.parametrize(
    "kind, settings",
    [("mpnet", {}), ("bert", {"position_embedding_type": "relative_key"}), ("distilbert", {"n_heads": 2, "dim": 32})],
)
def test_a_transformer_that_counts_positions_itself_is_an_error(kind, settings):
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = AutoConfig.for_model(kind, vocab_size=50, **{**({} if kind == "distilbert" else shape), **settings})
    wanted = {"n_entity_types": 2, "hidden_width": 8, "n_heads": 2, "dropout": 0.0, "batch_wordpieces": 64}
    transformer = AutoModel.from_config(config)
    with pytest.raises(EmbreError, match="set `markers` of the encoder to false"):
        DocumentEncoder(transformer, precision="float32", markers=True, **wanted)
    assert DocumentEncoder(transformer, precision="float32", markers=False, **wanted).width
