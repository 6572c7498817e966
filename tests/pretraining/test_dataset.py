"""Windows and averages: nothing of a long document is lost, and each vector is the mean that it should be."""

import numpy
import pytest
import torch

from embre_spacy.pretraining.config import ObjectiveConfig
from embre_spacy.pretraining.data import NO_CLASS, EncodedConcept
from embre_spacy.pretraining.dataset import Collator, EpochSampler
from embre_spacy.pretraining.masking import MaskedDocument
from embre_spacy.pretraining.model import EntityMaskingModel
from embre_spacy.pretraining.report import summarize_counts
from embre_spacy.transformer import load_checkpoint, split_windows


@pytest.fixture
def tiny(tiny_encoder):
    return load_checkpoint(str(tiny_encoder))


def make_document(number, length, concepts, words=()):
    ids = numpy.arange(length) % 40 + 5
    return MaskedDocument(
        number,
        ids.astype("int64"),
        [EncodedConcept(numpy.asarray(pieces), type, identifier, True) for pieces, type, identifier in concepts],
        numpy.asarray(words, dtype="int64"),
        numpy.asarray([ids[word] for word in words], dtype="int64"),
    )


def average_by_hand(transformer, tokenizer, document):
    """The vectors of all wordpieces: each window on its own, without padding."""
    sums, times = torch.zeros(len(document), 32), torch.zeros(len(document), 1)
    for start, end in split_windows(len(document), 60, 20):
        ids = [tokenizer.cls_token_id, *document.ids[start:end], tokenizer.sep_token_id]
        with torch.no_grad():
            sums[start:end] += transformer(input_ids=torch.tensor([ids])).last_hidden_state[0, 1:-1]
        times[start:end] += 1
    return sums / times


def test_vectors_are_averaged_over_windows_and_wordpieces(tiny):
    transformer, tokenizer = tiny
    transformer.eval()
    documents = [
        make_document(3, 150, [([0, 1, 149], 0, 0), (list(range(30, 90)), 1, 1)], [45, 149]),
        make_document(5, 7, [([6], 0, NO_CLASS)], [0]),
    ]
    collate = Collator(tokenizer, window=60, overlap=20)
    batch = collate(documents)
    assert batch["documents"].tolist() == [3, 5]
    wanted = [average_by_hand(transformer, tokenizer, document) for document in documents]
    assert len(batch["input_ids"]) > 2
    model = EntityMaskingModel(transformer, ObjectiveConfig(), n_identifiers=2, n_types=2, words=True).eval()
    seen = {}
    model.type_head.register_forward_hook(lambda module, given, _: seen.update(concepts=given[0]))
    model.word_head.register_forward_hook(lambda module, given, _: seen.update(words=given[0]))
    with torch.no_grad():
        counts = model(**batch)["counts"]
    both = list(zip(wanted, documents))
    concepts = torch.stack([means[one.pieces].mean(0) for means, document in both for one in document.concepts])
    words = torch.stack([means[word] for means, document in both for word in document.words])
    torch.testing.assert_close(seen["concepts"], concepts, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen["words"], words, rtol=1e-4, atol=1e-5)
    # Items with a class: identifiers, types, words; of each document.
    assert counts[:, :, 0].tolist() == [[2, 2, 2], [0, 1, 1]]


def test_every_window_length_keeps_every_wordpiece(tiny):
    for length in range(1, 200, 7):
        pieces = [([i], 0, 0) for i in range(length)]
        batch = Collator(tiny[1], window=50, overlap=16)([make_document(0, length, pieces)])
        weights = torch.zeros(length).index_add(0, batch["concept_rows"], batch["concept_weights"])
        torch.testing.assert_close(weights, torch.ones(length))
        ids = batch["input_ids"].flatten()[batch["concept_places"]]
        assert ids.tolist() == (batch["concept_rows"] % 40 + 5).tolist()


def test_a_batch_with_nothing_to_predict_has_gradients(tiny):
    model = EntityMaskingModel(tiny[0], ObjectiveConfig(), n_identifiers=2, n_types=2, words=True)
    loss = model(**Collator(tiny[1], window=60, overlap=20)([make_document(0, 9, [])]))["loss"]
    loss.backward()
    assert loss.item() == 0 and all(parameter.grad is not None for parameter in model.parameters())


def test_losses_are_weighted(tiny):
    counts = numpy.zeros((2, 3, 3), dtype="float32")
    counts[0, 0], counts[1, 0], counts[1, 1] = (2, 1, 3.0), (2, 0, 5.0), (4, 4, 2.0)
    metrics = summarize_counts(counts, ObjectiveConfig(identifier_weight=0.5, type_weight=2.0))
    assert metrics == {
        "loss": 0.5 * 2.0 + 2.0 * 0.5,
        "identifier_loss": 2.0,
        "identifier_accuracy": 0.25,
        "type_loss": 0.5,
        "type_accuracy": 1.0,
    }


def test_the_order_of_an_epoch():
    widths = numpy.random.default_rng(0).integers(10, 500, 101)
    sampler = EpochSampler(widths, 4, seed=0)
    epochs = []
    for sampler.epoch in (0, 1, 0):
        items = list(sampler)
        assert sorted(number for _, number in items) == list(range(101))
        assert {epoch for epoch, _ in items} == {sampler.epoch}
        epochs.append([number for _, number in items])
    assert epochs[0] == epochs[2] != epochs[1]
    batches = [widths[epochs[0][i : i + 4]] for i in range(0, 101, 4)]
    assert numpy.mean([batch.max() - batch.min() for batch in batches]) < 60
