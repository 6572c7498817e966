"""Levitated markers: the transformer reads the text for each candidate, as if there were no others."""

import numpy
import pytest
import spacy
from relation_docs import make_doc
from test_document_encoder import long_doc
from transformers import AutoConfig, AutoModel, AutoTokenizer

from embre_spacy.errors import EmbreError
from embre_spacy.relation import document_encoder
from embre_spacy.relation.document_encoder import create_document_encoder
from embre_spacy.relation.model import get_network


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


def read(pipe, docs, candidates=None):
    """The vectors of wordpieces and markers."""
    return get_network(pipe.model).encoder.read(pipe.prepare(docs, candidates).arrays)


def test_what_a_marker_reads_does_not_depend_on_other_candidates(make_pipe):
    pipe, vocab = make_pipe()
    doc = make_doc(vocab)
    candidates = pipe.candidates(doc)
    text, together = read(pipe, [doc])
    assert len(candidates) > 2 and (together.abs().sum(dim=(1, 2)) > 0).all()
    for candidate, expected in zip(candidates, together):
        alone_text, alone = read(pipe, [doc], [[candidate]])
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
    _, vectors = read(pipe, [doc])
    assert (vectors[0, 0] - vectors[1, 0]).abs().max() > 1e-4


def test_markers_stand_at_the_nearest_mentions(make_pipe):
    pipe, vocab = make_pipe()
    doc = long_doc(vocab, 30)
    arrays = pipe.prepare([doc]).arrays
    tags = get_network(pipe.model).encoder.tokenizer.convert_ids_to_tokens
    assert len(arrays.windows) > 3
    numbers = []
    for window, found in zip(arrays.windows, arrays.markers):
        for number, source, target, *ids in found:
            assert tags([window[source], window[target]]) == tags(ids)
            of_chemicals, of_diseases = "[ChemicalEntity]", "[DiseaseOrPhenotypicFeature]"
            assert set(tags(ids)) <= {of_chemicals, of_diseases}
            numbers.append(number)
    # In each short sentence there is a mention of both, so what has no markers has its mentions in other windows.
    assert len(set(numbers)) == len(numbers) > len(arrays.features.candidates) / 2


def test_candidates_whose_mentions_are_far_apart_have_none(make_pipe):
    pipe, vocab = make_pipe()
    middle = "and so on " * 60
    mentions = [("Aspirin", 0, "ChemicalEntity", "D1"), ("fever", 0, "DiseaseOrPhenotypicFeature", "D2")]
    doc = make_doc(vocab, f"Aspirin {middle} fever", mentions, [])
    _, vectors = read(pipe, [doc])
    assert vectors.shape[0] == 1 and not vectors.any()
    assert len(pipe.predict([doc])[1][0]) == 1


def test_crowded_windows_are_read_several_times(make_pipe, monkeypatch):
    pipe, vocab = make_pipe()
    docs = [make_doc(vocab), long_doc(vocab, 20)]
    text, expected = read(pipe, docs)
    monkeypatch.setattr(document_encoder, "MAX_MARKED", 2)
    assert len(pipe.prepare(docs).arrays.windows) > 10
    crowded_text, crowded = read(pipe, docs)
    numpy.testing.assert_allclose(crowded_text.detach().cpu(), text.detach().cpu(), atol=1e-5)
    numpy.testing.assert_allclose(crowded.detach().cpu(), expected.detach().cpu(), atol=1e-5)


def test_without_tags_markers_are_masks(make_pipe):
    pipe, vocab = make_pipe(tags=False)
    markers = pipe.prepare([make_doc(vocab)]).arrays.markers
    mask = get_network(pipe.model).encoder.tokenizer.mask_token_id
    assert {id for of_window in markers for id in of_window[:, 3:].flatten()} == {mask}


def test_they_can_be_left_out(make_pipe):
    pipe, vocab = make_pipe(markers=False)
    doc = make_doc(vocab)
    text, vectors = read(pipe, [doc])
    assert vectors is None and len(text)
    assert len(pipe.predict([doc])[1][0]) == len(pipe.candidates(doc))


@pytest.mark.parametrize(
    "kind, settings",
    [("mpnet", {}), ("bert", {"position_embedding_type": "relative_key"}), ("distilbert", {"n_heads": 2, "dim": 32})],
)
def test_a_transformer_that_counts_positions_itself_is_an_error(kind, settings, tiny_encoder):
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = AutoConfig.for_model(kind, vocab_size=50, **{**({} if kind == "distilbert" else shape), **settings})
    transformer, tokenizer = AutoModel.from_config(config), AutoTokenizer.from_pretrained(tiny_encoder)
    encoder = create_document_encoder("any", window=40, overlap=8, n_heads=2)
    with pytest.raises(EmbreError, match="set `markers` of the encoder to false"):
        encoder.build_on(transformer, tokenizer, [])
    encoder = create_document_encoder("any", window=40, overlap=8, n_heads=2, markers=False)
    encoder.build_on(transformer, tokenizer, [])
    assert encoder.width
