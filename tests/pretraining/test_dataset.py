"""Windows and averages: nothing of a long document is lost, and each vector is the mean that it should be."""

import numpy
import pytest
import torch

from embre_spacy.pretraining.config import MaskingConfig, ObjectiveConfig, TrainingConfig
from embre_spacy.pretraining.data import EncodedDocument, MaskingConcept
from embre_spacy.pretraining.dataset import Collator, MaskedDataset
from embre_spacy.pretraining.masking import MaskedDocument, Masker
from embre_spacy.pretraining.model import EntityMaskingModel
from embre_spacy.pretraining.output import summarize_counts
from embre_spacy.transformer.checkpoint import load_checkpoint
from embre_spacy.transformer.text import Wordpieces, split_windows

LABELS = {"identifier": ["1", "2"], "type": ["Gene", "Drug"], "word": []}


@pytest.fixture
def tiny(tiny_encoder):
    return load_checkpoint(str(tiny_encoder))


def make_document(index, length, concepts, words=()):
    ids = numpy.arange(length) % 40 + 5
    return MaskedDocument(
        index,
        ids.astype("int64"),
        [MaskingConcept(type, identifier, numpy.asarray(pieces)) for pieces, type, identifier in concepts],
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
        make_document(3, 150, [([0, 1, 149], "Gene", "1"), (list(range(30, 90)), "Drug", "2")], [45, 149]),
        make_document(5, 7, [([6], "Gene", "3")], [0]),
    ]
    collate = Collator(tokenizer, LABELS, window=60, overlap=20)
    batch = collate(documents)
    assert batch["documents"].tolist() == [3, 5]
    expected = [average_by_hand(transformer, tokenizer, document) for document in documents]
    assert len(batch["input_ids"]) > 2
    model = EntityMaskingModel(transformer, ObjectiveConfig(), LABELS).eval()
    seen = {}
    model.type_head.register_forward_hook(lambda module, given, _: seen.update(concepts=given[0]))
    model.word_head.register_forward_hook(lambda module, given, _: seen.update(words=given[0]))
    with torch.no_grad():
        counts = model(**batch)["counts"]
    both = list(zip(expected, documents))
    concepts = torch.stack([means[concept.pieces].mean(0) for means, document in both for concept in document.concepts])
    words = torch.stack([means[word] for means, document in both for word in document.words])
    torch.testing.assert_close(seen["concepts"][: len(concepts)], concepts, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen["words"][: len(words)], words, rtol=1e-4, atol=1e-5)
    # Items with a class: identifiers, types, words; of each document.
    assert counts[:, :, 0].tolist() == [[2, 2, 2], [0, 1, 1]]


def test_batches_have_few_lengths(tiny):
    transformer, tokenizer = tiny
    model = EntityMaskingModel(transformer, ObjectiveConfig(), LABELS).eval()
    rows = set()
    for head in (model.type_head, model.word_head):
        head.register_forward_hook(lambda module, given, _: rows.add(len(given[0])))
    collate = Collator(tokenizer, LABELS, window=250, overlap=20)
    lengths = set()
    for length in range(3, 300, 9):
        concepts = [([place], "Gene", "1") for place in range(0, length, 3)]
        batch = collate([make_document(0, length, concepts, list(range(length // 2)))])
        lengths.add(batch["input_ids"].shape[1])
        model.forward(
            **{
                **batch,
                "input_ids": batch["input_ids"][:, :60],
                "attention_mask": batch["attention_mask"][:, :60],
                "concepts": {**batch["concepts"], "places": batch["concepts"]["places"] * 0},
                "words": {**batch["words"], "places": batch["words"]["places"] * 0},
            }
        )
    # The last is as much as fits.
    assert lengths == {64, 128, 192, 252}
    assert rows == {64, 128, 192}


def test_every_window_length_keeps_every_wordpiece(tiny):
    for length in range(1, 200, 7):
        pieces = [([i], "Gene", "1") for i in range(length)]
        batch = Collator(tiny[1], LABELS, window=50, overlap=16)([make_document(0, length, pieces)])
        concepts = batch["concepts"]
        weights = torch.zeros(length).index_add(0, concepts["rows"], concepts["weights"])
        torch.testing.assert_close(weights, torch.ones(length))
        ids = batch["input_ids"].flatten()[concepts["places"]]
        assert ids.tolist() == (concepts["rows"] % 40 + 5).tolist()


def test_a_batch_with_nothing_to_predict_has_gradients(tiny):
    model = EntityMaskingModel(tiny[0], ObjectiveConfig(), LABELS)
    loss = model(**Collator(tiny[1], LABELS, window=60, overlap=20)([make_document(0, 9, [])]))["loss"]
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


def test_an_epoch_has_its_own_order_and_its_own_masks(tiny):
    lengths = numpy.random.default_rng(0).integers(10, 500, 101)
    documents = []
    for index, length in enumerate(lengths):
        ids = numpy.full(length, 40)
        flags = numpy.zeros(length, dtype="bool")
        wordpieces = Wordpieces(ids, numpy.zeros((0, 2), dtype="int64"), flags)
        concepts = [MaskingConcept("Gene", str(i), piece) for i, piece in enumerate(numpy.split(numpy.arange(8), 4))]
        documents.append(EncodedDocument(index, wordpieces, ~flags, wordpieces.mentions, concepts))
    masker = Masker(tiny[1], MaskingConfig(concept_rate=0.5))
    dataset = MaskedDataset(documents, [], masker, lengths, batch_size=4, config=TrainingConfig())
    epochs = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        masked = list(dataset)
        assert sorted(document.index for document in masked) == list(range(101)) and len(dataset) == 101
        epochs.append([(document.index, document.ids.tolist()) for document in masked])
    assert epochs[0] == epochs[2]
    assert [index for index, _ in epochs[0]] != [index for index, _ in epochs[1]]
    changed = [ids != dict(epochs[1])[index] for index, ids in epochs[0]]
    assert sum(changed) > 80
    batches = [[len(ids) for _, ids in epochs[0][i : i + 4]] for i in range(0, 101, 4)]
    assert numpy.mean([max(batch) - min(batch) for batch in batches]) < 60
