"""Pooling: what both concepts attend to; and full texts, in pieces that make no difference."""

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from relation_docs import crowded_doc
from test_document_encoder import long_doc

from embre_spacy.relation import component, document_encoder, encoder, features, pooling
from embre_spacy.relation.model import get_network


@pytest.fixture
def encoder_kind() -> str:
    return "document"


@pytest.fixture
def pipe(initialized):
    return initialized.get_pipe("embre_relation")


def test_a_full_text_is_read_whole(pipe):
    doc = long_doc(pipe.vocab, 1000)
    assert len(doc.text) > 45_000
    arrays = pipe.prepare([doc]).arrays
    starts, ends = zip(*((places[0], places[-1] + 1) for places in arrays.places if len(places)))
    inside = [
        any(start <= first and last <= end for start, end in zip(starts, ends))
        for first, last in arrays.features.mentions
    ]
    assert len(inside) == 2000 and all(inside)
    [candidates], (types, novelties) = pipe.predict([doc])
    # Relations across windows are candidates like all others.
    assert len(candidates) == 7 * 5 + 7 * 6 // 2 + 7
    assert numpy.isfinite(types).all() and numpy.isfinite(novelties).all()


def test_pieces_make_no_difference(pipe, monkeypatch):
    docs = [long_doc(pipe.vocab, repeats) for repeats in (40, 2, 25)]
    expected = pipe.predict(docs)
    monkeypatch.setitem(component.MAX_TOKENS, "cpu", 100)
    monkeypatch.setattr(pooling, "MAX_WEIGHTS", 2000)
    monkeypatch.setattr(encoder, "MAX_CANDIDATES", 5)
    monkeypatch.setattr(document_encoder, "MAX_CANDIDATES", 5)
    monkeypatch.setattr(document_encoder, "MAX_MARKED", 2)
    monkeypatch.setattr(features, "MAX_PAIRS", 50)
    for whole, in_pieces in zip(expected[1], pipe.predict(docs)[1]):
        # Only the order of additions in float32 differs.
        numpy.testing.assert_allclose(in_pieces, whole, atol=1e-5)


def test_vectors_of_candidates_are_not_in_memory_at_once(pipe, monkeypatch):
    doc = crowded_doc(pipe.vocab, 40)
    expected = pipe.predict([doc])[1]
    monkeypatch.setattr(encoder, "MAX_CANDIDATES", 100)
    monkeypatch.setattr(document_encoder, "MAX_CANDIDATES", 100)
    monkeypatch.setattr(document_encoder, "MAX_MARKED", 25)
    network = get_network(pipe.model)
    sizes, windows = [], []
    network.relation.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    network.encoder.transformer.register_forward_hook(lambda *_: windows.append(1))
    for whole, in_pieces in zip(expected, pipe.predict([doc])[1]):
        numpy.testing.assert_allclose(in_pieces, whole, atol=1e-5)
    assert max(sizes) <= 100 and sum(sizes) == len(expected[0]) == 40 * 39 // 2
    # No window is read more often than its markers need it.
    assert len(windows) == len(pipe.prepare([doc]).arrays.windows)


def whole_context(vectors, queries, keys, n_heads, concept_mentions, pairs):
    """The formula, for a document of one block."""
    shape = (-1, n_heads, keys.shape[1] // n_heads)
    scores = torch.einsum("mhd,nhd->mhn", queries.view(shape), keys.view(shape)) * shape[2] ** -0.5
    weights = scores.softmax(dim=-1)
    averages = torch.stack([weights[row[row >= 0].tolist()].mean(dim=0) for row in concept_mentions])
    shared = (averages[pairs[:, 0]] * averages[pairs[:, 1]]).sum(dim=1)
    return shared / shared.sum(dim=-1, keepdim=True) @ vectors


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**31))
def test_the_context_is_what_both_concepts_attend_to(n_units, n_mentions, seed):
    random = numpy.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    vectors, keys = (torch.randn(n_units, width, generator=generator) for width in (6, 8))
    queries = torch.randn(n_mentions, 8, generator=generator)
    rows = [random.choice(n_mentions, random.integers(1, n_mentions + 1), replace=False) for _ in range(4)]
    concept_mentions = numpy.asarray([[*row, *[-1] * (n_mentions - len(row))] for row in rows])
    pairs = numpy.asarray([(0, 1), (2, 1), (3, 3)])
    starts = numpy.sort(random.integers(0, n_units, n_mentions))
    pool = pooling.ContextPooling(vectors, queries, keys, n_heads=2, starts=starts, concept_mentions=concept_mentions)
    found = torch.cat([pool(pairs[:1]), pool(pairs[1:])])
    expected = whole_context(vectors, queries, keys, 2, concept_mentions, pairs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_in_a_full_text_mentions_attend_to_what_is_near(monkeypatch):
    monkeypatch.setattr(pooling, "BLOCK", 4)
    vectors = torch.eye(40)
    keys, queries = torch.zeros(40, 2), torch.zeros(3, 2)
    arguments = {
        "n_heads": 1,
        "starts": numpy.asarray([1, 6, 38]),
        "concept_mentions": numpy.asarray([[0], [1], [2]]),
    }
    own, near, far = pooling.ContextPooling(vectors, queries, keys, **arguments)(
        numpy.asarray([(0, 0), (0, 1), (0, 2)])
    )
    # All keys are alike, so the weights are those of the units that a mention may attend to at all.
    assert own.nonzero().flatten().tolist() == list(range(8))
    assert near.nonzero().flatten().tolist() == list(range(8))
    assert not far.any()
