"""The command: its table, its errors."""

import json

import pytest
from spacy.tokens import DocBin
from typer.testing import CliRunner

from embre_spacy.cli import app


@pytest.fixture
def call(docs, tiny_encoder, tmp_path):
    """Calls the command with a corpus of its own, and the arguments given."""
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")

    def call(*arguments, corpus="train.spacy"):
        settings = ["--encoder.name", str(tiny_encoder), "--encoder.overlap", "8", "--training.epochs", "2"]
        paths = [str(tmp_path / corpus), str(tmp_path / "out")]
        return CliRunner().invoke(app, ["pretrain", *paths, *settings, *arguments])

    return call


def test_it_prints_a_table(call, tmp_path):
    result = call("--training.dev_share", "0.5", "--dev", str(tmp_path / "train.spacy"))
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    header = next(i for i, line in enumerate(lines) if line[:1] == ["Epoch"])
    assert lines[header] == ["Epoch", "Train", "loss", "Dev", "loss", "Type", "acc", "Ident", "acc", "Seconds"]
    assert [line[0] for line in lines[header + 2 :][:3]] == ["majority", "1", "2"]
    assert "Wrote the weights of epoch" in result.output
    assert (tmp_path / "out" / "pretraining.json").is_file()


def test_more_documents_are_added_once(call, docs, tmp_path):
    for index, doc in enumerate(docs):
        doc._.document_id = str(index)
    more = tmp_path / "more"
    more.mkdir()
    DocBin(docs=docs, store_user_data=True).to_disk(more / "a.spacy")
    DocBin(docs=docs[:2], store_user_data=True).to_disk(tmp_path / "dev.spacy")
    DocBin(docs=docs[2:3], store_user_data=True).to_disk(tmp_path / "first.spacy")
    result = call("--dev", str(tmp_path / "dev.spacy"), "--also", str(more), corpus="first.spacy")
    assert result.exit_code == 0, result.output
    assert "2 documents are left out: they are among the held-out documents" in result.output
    assert "1 documents are left out: they are there already" in result.output
    assert f"Training: {len(docs) - 2} documents" in result.output
    (tmp_path / "empty").mkdir()
    refused = call("--also", str(tmp_path / "empty"))
    assert refused.exit_code == 1 and "no .spacy file in this folder" in refused.stderr


def test_settings_are_read_as_spacy_train_reads_them(call, tmp_path, monkeypatch):
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", "--training.epochs 1 --training.seed=7")
    result = call(
        "--training.seed", "5", "--encoder.tags", "--training.weight-decay=0.5", '--objective.objectives=["type"]'
    )
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "out" / "pretraining.json").read_text())["config"]
    assert (config["training"]["epochs"], config["training"]["seed"], config["training"]["weight_decay"]) == (1, 7, 0.5)
    assert config["encoder"]["tags"] is True and config["objective"]["objectives"] == ["type"]


def test_it_shows_help():
    result = CliRunner().invoke(app, ["pretrain", "--help"])
    assert result.exit_code == 0 and "--resume" in result.output and "OUTPUT_DIR" in result.output


@pytest.mark.parametrize(
    "arguments, cause",
    [
        (["--training.epoch", "3"], "training.epoch: Extra inputs are not permitted"),
        (["--config", "none.cfg"], "none.cfg: there is no such config file"),
        (["--dev", "none.spacy"], "none.spacy: no such file"),
        (["--encoder.name", "./none"], "there is no such folder"),
        (["--encoder.name", "package:none"], "not installed"),
        (["--epochs", "3"], "no such option: --epochs"),
        (["more.spacy"], "no such option: more.spacy"),
        (["--gpu-id", "99"], "there is no GPU 99"),
    ],
)
def test_errors_are_one_line(call, tmp_path, arguments, cause):
    result = call(*arguments)
    assert result.exit_code == 1
    assert cause in result.stderr and result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize("content, cause", [(b"rubbish", "not a DocBin"), (b"", "empty"), (None, "no such file")])
def test_a_corpus_that_cannot_be_read(call, tmp_path, content, cause):
    if content is not None:
        (tmp_path / "bad.spacy").write_bytes(content)
    result = call(corpus="bad.spacy")
    assert result.exit_code == 1 and cause in result.stderr and "bad.spacy" in result.stderr
    assert result.stderr.count("\n") == 1 and not (tmp_path / "out").exists()


def test_an_empty_corpus(call, tmp_path):
    DocBin().to_disk(tmp_path / "empty.spacy")
    result = call(corpus="empty.spacy")
    assert result.exit_code == 1 and "no document" in result.stderr
