"""Whole runs on a tiny encoder: what is learned, written, reported, refused and resumed."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from spacy.tokens import DocBin
from transformers import AutoModel, AutoTokenizer

from embre_spacy.errors import EmbreError
from embre_spacy.pretraining.train import pretrain
from embre_spacy.transformer.checkpoint import load_checkpoint
from embre_spacy.transformer.text import get_tag_ids

TYPES = ["GeneOrGeneProduct", "DiseaseOrPhenotypicFeature", "ChemicalEntity", "OrganismTaxon"]


def weights(folder):
    return load_file(folder / "model.safetensors")


def assert_same(folder, other):
    first, second = weights(folder), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=1e-6)


def test_it_learns_by_heart_and_writes_a_folder(docs, make_config, tmp_path, capsys):
    config = make_config(
        training__epochs=60,
        training__batch_size=2,
        training__learning_rate=0.003,
        training__head_learning_rate=0.01,
        encoder__hidden_dropout=0.0,
    )
    output = tmp_path / "out"
    report = pretrain(docs, output, config, dev_docs=docs)
    first, last = report["epochs"][0], report["epochs"][-1]
    assert last["train_loss"] < 0.5 * first["train_loss"] and last["dev_loss"] < 0.7 * first["dev_loss"]
    assert last["type_accuracy"] > report["held_out"]["type"]["majority_accuracy"] + 0.2
    assert last["identifier_accuracy"] > report["held_out"]["identifier"]["majority_accuracy"] + 0.2
    assert [row["epoch"] for row in report["epochs"]] == list(range(1, 61))

    assert json.loads((output / "pretraining.json").read_text()) == report
    assert report["config"] == config.model_dump() and report["seed"] == 0
    assert report["corpus"]["train"]["documents"] == len(docs)
    assert report["classes"]["identifiers"] == 12
    assert report["held_out"]["identifier"]["unseen"] == 0
    assert report["written"] == {"epoch": 60, "why": "last epoch"}

    assert not (output / "checkpoints").exists()
    assert not [name for name in weights(output) if "head" in name or "pooler" in name]
    tokenizer, transformer = AutoTokenizer.from_pretrained(output), AutoModel.from_pretrained(output)
    assert list(get_tag_ids(tokenizer, TYPES)) == TYPES
    assert tokenizer.tokenize("[ChemicalEntity] aspirin")[0] == "[ChemicalEntity]"
    assert len(transformer.get_input_embeddings().weight) == len(tokenizer)
    again, _ = load_checkpoint(str(output))
    torch.testing.assert_close(
        again.get_input_embeddings().weight, weights(output)["embeddings.word_embeddings.weight"]
    )
    assert capsys.readouterr().out == ""


def test_a_killed_run_goes_on_as_if_nothing_had_happened(docs, make_config, tiny_encoder, tmp_path):
    settings = {"training.epochs": 12, "training.seed": 3, "training.accumulate_gradient": 2, "masking.word_rate": 0.1}
    config = make_config(**settings)
    pretrain(docs, tmp_path / "whole", config, dev_docs=docs[:2])

    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    DocBin(docs=docs[:2], store_user_data=True).to_disk(tmp_path / "dev.spacy")
    overrides = [
        part
        for section, values in config.model_dump().items()
        for key, value in values.items()
        for part in (f"--{section}.{key}", json.dumps(value))
    ]
    output = tmp_path / "killed"
    corpora = [tmp_path / "train.spacy", output, "--dev", tmp_path / "dev.spacy"]
    command = [sys.executable, "-m", "embre_spacy", "pretrain", *map(str, corpora), *overrides]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            # The row of an epoch comes after its checkpoint.
            if line.split()[:1] == ["2"]:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert list((output / "checkpoints").glob("checkpoint-*")) and not (output / "config.json").exists()

    with pytest.raises(
        EmbreError, match=r"interrupted run that differs: config\.training\.epochs was 12 and is 13; use --no-resume"
    ):
        pretrain(docs, output, make_config(**{**settings, "training.epochs": 13}), dev_docs=docs[:2])
    tokenizer_file = tiny_encoder / "tokenizer.json"
    tokenizer = tokenizer_file.read_text()
    try:
        # The words of the vocabulary in another order.
        other = json.loads(tokenizer)
        ids = other["model"]["vocab"]
        ids["a"], ids["b"] = ids["b"], ids["a"]
        tokenizer_file.write_text(json.dumps(other))
        with pytest.raises(EmbreError, match="interrupted run that differs: encoder has changed; use --no-resume"):
            pretrain(docs, output, config, dev_docs=docs[:2])
    finally:
        tokenizer_file.write_text(tokenizer)
    report = pretrain(docs, output, config, dev_docs=docs[:2])
    assert_same(output, tmp_path / "whole")
    uninterrupted = json.loads((tmp_path / "whole" / "pretraining.json").read_text())
    for row, expected in zip(report["epochs"], uninterrupted["epochs"], strict=True):
        assert {**row, "seconds": 0} == pytest.approx({**expected, "seconds": 0}, abs=1e-4)
    assert not (output / "checkpoints").exists()


TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
# Where there is no GPU, `--multi_gpu` starts the processes all the same, and they talk by gloo.
ACCELERATE = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]


@pytest.mark.parametrize("launcher", [TORCHRUN, [*ACCELERATE, "--mixed_precision", "no", "--dynamo_backend", "no"]])
def test_processes_train_together(docs, tiny_encoder, tmp_path, launcher):
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    paths = [str(tmp_path / "train.spacy"), str(tmp_path / "out"), "--dev", str(tmp_path / "train.spacy")]
    settings = ["--encoder.name", str(tiny_encoder), "--encoder.overlap", "16", "--training.epochs", "2"]
    command = [sys.executable, "-m", *launcher, "-m", "embre_spacy", "pretrain", *paths, *settings]
    # Two processes cannot share a GPU, and there may be only one.
    without_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=without_gpu)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "pretraining.json").read_text())
    assert report["processes"] == 2 and len(report["epochs"]) == 2
    assert done.stdout.count("Wrote the weights") == 1 and "Could not locate" not in done.stdout + done.stderr
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_the_seed_decides(docs, make_config, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain(docs, tmp_path / name, make_config(training__seed=seed), dev_docs=docs)
    assert_same(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "a", tmp_path / "c")


def test_a_finished_run_is_not_destroyed(docs, make_config, tiny_encoder, tmp_path):
    output = tmp_path / "out"
    config = make_config(training__epochs=1)
    pretrain(docs, output, config)
    before = (output / "pretraining.json").read_text()
    with pytest.raises(EmbreError, match="already holds a finished run; use --overwrite"):
        pretrain(docs, output, config)
    assert (output / "pretraining.json").read_text() == before
    report = pretrain(docs, output, make_config(training__epochs=2), overwrite=True)
    assert len(report["epochs"]) == 2
    with pytest.raises(EmbreError, match="already holds a model"):
        (output / "pretraining.json").unlink()
        pretrain(docs, output, config)
    with pytest.raises(EmbreError, match="this is the encoder itself"):
        pretrain(docs, tiny_encoder, config, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbreError, match="this is no folder"):
        pretrain(docs, tmp_path / "file", config)


def test_identifiers_that_training_never_shows_are_counted(docs, make_doc, make_config, tmp_path):
    dev = [make_doc("aspirin is not acid", [(0, 7, "Chemical", "D001241"), (15, 19, "Chemical", "D999999")])]
    report = pretrain(docs, tmp_path / "out", make_config(training__dev_draws=50), dev_docs=dev)
    identifiers = report["held_out"]["identifier"]
    assert identifiers["items"] + identifiers["unseen"] == report["held_out"]["type"]["items"] == 50
    assert 10 < identifiers["unseen"] < 40 and identifiers["unseen_share"] == identifiers["unseen"] / 50


def test_what_is_predicted_can_be_chosen(docs, make_doc, make_config, tmp_path):
    def accuracies(name, corpus, **values):
        report = pretrain(corpus, tmp_path / name, make_config(training__dev_share=0.4, **values))
        assert report["corpus"]["dev"]["documents"] == round(0.4 * len(corpus))
        return {key for key in report["epochs"][-1] if key.endswith("accuracy")} & set(report["epochs"][-1])

    assert accuracies("both", docs) == {"type_accuracy", "identifier_accuracy"}
    assert accuracies("type", docs, objective__objectives=["type"]) == {"type_accuracy"}
    assert accuracies("words", docs, masking__concept_rate=0.0, masking__word_rate=0.15) == {"word_accuracy"}
    all_three = {"type_accuracy", "identifier_accuracy", "word_accuracy"}
    assert accuracies("all", docs, masking__word_rate=0.15, encoder__tags=False) == all_three
    unidentified = [make_doc(doc.text, identified=False) for doc in docs]
    with pytest.raises(EmbreError, match="mentions have no identifiers"):
        accuracies("none", unidentified)
    only_types = {"masking__unidentified": True, "objective__objectives": ["type"]}
    assert accuracies("unidentified", unidentified, **only_types) == {"type_accuracy"}


def test_nothing_need_be_held_out(docs, make_config, tmp_path):
    report = pretrain(docs, tmp_path / "out", make_config(training__dev_share=0.0))
    assert report["written"] == {"epoch": 2, "why": "last epoch"} and report["held_out"] == {}
    assert set(report["epochs"][0]) == {"epoch", "train_loss", "seconds"}


def test_the_precision_is_the_one_of_the_config(docs, make_config, tmp_path, monkeypatch):
    for precision in ("bfloat16", "float32"):
        report = pretrain(docs, tmp_path / precision, make_config(training__precision=precision))
        assert report["precision"] == precision
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "bfloat16", tmp_path / "float32")
    # What `accelerate launch` puts there.
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    pretrain(docs, tmp_path / "launched", make_config(training__precision="float32"))
    assert_same(tmp_path / "launched", tmp_path / "float32")


@pytest.mark.parametrize(
    "texts, mentions, cause",
    [
        ([], None, "there are no documents"),
        (["nothing here", "nor here"], [], "no mentions"),
        (["aspirin", "fever"], [(0, 5, "Chemical", "-")], "the mentions have no identifiers"),
        (["aspirin", "fever"], [(0, 5, "Chemical", "D1")], "no document names two concepts"),
        (["aspirin and fever"], None, "one document cannot be split"),
    ],
)
def test_documents_that_teach_nothing_are_refused(make_doc, make_config, tmp_path, texts, mentions, cause):
    docs = [make_doc(text, mentions) if mentions else make_doc(text) for text in texts]
    with pytest.raises(EmbreError, match=cause):
        pretrain(docs, tmp_path / "out", make_config())
    assert not (tmp_path / "out").exists()


def test_windows_that_do_not_fit_are_refused(docs, make_config, tmp_path):
    for values in ({"encoder.window": 63}, {"encoder.window": 16}, {"encoder.overlap": 62}):
        with pytest.raises(EmbreError, match="`window` must be larger than `overlap`"):
            pretrain(docs, tmp_path / "out", make_config(**values))
    with pytest.raises(EmbreError, match="there is no such folder"):
        pretrain(docs, tmp_path / "out", make_config(encoder__name="/no/such/encoder"))
