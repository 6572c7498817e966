"""Plain texts beside documents: words masked whole, one mixture, and runs that go on at a step."""

import gzip
import json

import numpy
import pytest
import torch
from safetensors.torch import load_file

from embre_spacy.errors import EmbreError
from embre_spacy.pretraining import pretrain
from embre_spacy.pretraining.config import MaskingConfig, TrainingConfig
from embre_spacy.pretraining.dataset import MaskedDataset
from embre_spacy.pretraining.masking import Masker
from embre_spacy.pretraining.texts import EncodedTexts, read_texts
from embre_spacy.transformer.checkpoint import load_checkpoint

TEXTS = [f"mice and patients with fever lower aspirin {number} times." for number in range(9)]


@pytest.fixture
def texts_file(tmp_path):
    lines = [{"id": f"t{number}", "text": text} for number, text in enumerate(TEXTS)]
    lines += [{"title": "BRCA1", "abstract": "binds BRCA2.", "source": "made up"}, {"id": "held", "text": "held out"}]
    with gzip.open(tmp_path / "texts.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, lines)) + "\n\n")
    return tmp_path / "texts.jsonl.gz"


@pytest.fixture
def tiny(tiny_encoder):
    return load_checkpoint(str(tiny_encoder))[1]


def test_texts_are_what_the_tokenizer_makes_of_them(texts_file, tiny, tmp_path):
    texts = EncodedTexts([texts_file], tmp_path / "made", tiny, {"held", ""}, "x")
    assert len(texts) == 10 and texts.lengths.sum() == sum(texts.count_words().values())
    for index, text in enumerate([*TEXTS, "BRCA1 binds BRCA2."]):
        encoding = tiny.backend_tokenizer.encode(text, add_special_tokens=False)
        assert texts[index].wordpieces.ids.tolist() == encoding.ids
        words = numpy.cumsum(texts[index].starts_word) - 1
        assert words.tolist() == encoding.word_ids
    # They are not made again.
    texts_file.unlink()
    assert len(EncodedTexts([texts_file], tmp_path / "made", tiny, {"held", ""}, "x")) == 10


def test_words_are_masked_whole_and_at_last_by_the_mask_alone(texts_file, tiny, tmp_path):
    document = EncodedTexts([texts_file], tmp_path, tiny, (), "x")[9]
    masker = Masker(tiny, MaskingConfig(concept_rate=0.0, word_rate=0.5, whole_words=True, pure_share=0.25))
    words = numpy.cumsum(document.starts_word)
    seen = set()
    for progress in (0.0, 0.74, 0.75, 0.99):
        for seed in range(60):
            masked = masker(document, numpy.random.default_rng(seed), progress=progress)
            assert set(words[masked.words]).isdisjoint(numpy.delete(words, masked.words))
            assert masked.word_ids.tolist() == document.wordpieces.ids[masked.words].tolist()
            others = set(masked.ids[masked.words].tolist()) - {tiny.mask_token_id}
            assert not others or progress < 0.75
            seen.add(bool(others))
    assert seen == {True, False}


def test_an_epoch_has_documents_several_times_and_texts_once(texts_file, tiny, tmp_path):
    texts = EncodedTexts([texts_file], tmp_path, tiny, (), "x")
    documents = [texts[9], texts[0]]
    widths = numpy.asarray([*(len(document.wordpieces) for document in documents), *texts.lengths])
    masker = Masker(tiny, MaskingConfig(concept_rate=0.0, word_rate=0.5))
    dataset = MaskedDataset(documents, texts, masker, widths, 4, TrainingConfig(repeats=3))
    epoch = list(dataset)
    assert len(epoch) == len(dataset) == 2 * 3 + 11
    assert sorted(document.index for document in epoch) == sorted([9, 0] * 3 + list(range(11)))
    # Each time with other masks.
    again = [tuple(document.words) for document in epoch if document.index == 0]
    assert len(again) == 4 and len(set(again)) > 1


def test_a_run_with_texts_goes_on_at_a_step(docs, make_config, texts_file, tmp_path, interrupt_after):
    config = make_config(
        training__epochs=2,
        training__eval_frequency=2,
        training__repeats=2,
        masking__word_rate=0.3,
        masking__whole_words=True,
        masking__pure_share=0.2,
        encoder__hidden_dropout=0.1,
    )
    arguments = {"dev_docs": docs[:2], "texts": [texts_file]}
    whole = pretrain(docs, tmp_path / "whole", config, **arguments)
    assert whole["corpus"]["texts"]["documents"] == 11
    # 23 documents are six batches.
    assert [row["epoch"] for row in whole["epochs"]] == [0.33, 0.67, 1, 1.33, 1.67, 2]
    with pytest.raises(KeyboardInterrupt):
        pretrain(docs, tmp_path / "parts", config, **arguments, console=interrupt_after(1))
    assert (tmp_path / "parts" / "checkpoints" / "checkpoint-4").is_dir()
    report = pretrain(docs, tmp_path / "parts", config, **arguments)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=1e-6)
    for row, expected in zip(report["epochs"], whole["epochs"], strict=True):
        assert {**row, "seconds": 0} == pytest.approx({**expected, "seconds": 0}, abs=1e-4)
    assert not (tmp_path / "parts" / "checkpoints").exists()


def test_the_last_steps_are_in_the_table(docs, make_config, texts_file, tmp_path):
    for frequency, epochs in ((4, [1]), (2, [0.8, 1]), (9, [1])):
        config = make_config(training__epochs=1, training__eval_frequency=frequency, masking__word_rate=0.3)
        report = pretrain(docs, tmp_path / str(frequency), config, dev_docs=docs[:2], texts=[texts_file])
        assert [row["epoch"] for row in report["epochs"]][-len(epochs) :] == epochs
        assert all(row["train_loss"] and row["dev_loss"] for row in report["epochs"])


def test_other_texts_are_another_run(docs, make_config, texts_file, tmp_path, interrupt_after):
    config = make_config(training__eval_frequency=1, masking__word_rate=0.3)
    with pytest.raises(KeyboardInterrupt):
        pretrain(docs, tmp_path / "out", config, texts=[texts_file], console=interrupt_after(0))
    with pytest.raises(EmbreError, match="interrupted run that differs: texts"):
        pretrain(docs, tmp_path / "out", config)


@pytest.mark.parametrize(
    "line, cause",
    [
        ("{", "line 2: not valid JSON"),
        ("[1]", "line 2: not an object"),
        ('{"id": "1"}', "line 2: it has no text"),
        ('{"text": 1}', "line 2: it has no text"),
        (b"\xff", "not UTF-8 text: invalid start byte at byte 22"),
    ],
)
def test_lines_that_are_no_texts_are_named(tmp_path, line, cause):
    data = line if isinstance(line, bytes) else line.encode()
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "some text"}\n' + data)
    with pytest.raises(EmbreError, match=rf"x\.jsonl: {cause}"):
        list(read_texts([tmp_path / "x.jsonl"], ()))
