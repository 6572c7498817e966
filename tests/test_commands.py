"""The thin commands: prepare, score, evaluate."""

import json
import zipfile

import pytest
from typer.testing import CliRunner

from embre_spacy.cli import app

runner = CliRunner()


def run(*arguments, code=0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, request):
    sample = request.getfixturevalue("sample_dir")
    folder = tmp_path_factory.mktemp("corpus")
    run("prepare", sample, folder)
    return folder


def test_without_a_command_the_commands_are_shown():
    result = runner.invoke(app, [])
    for command in ("convert", "prepare", "pretrain", "evaluate", "score"):
        assert command in result.output


@pytest.mark.parametrize("command", ["convert", "prepare", "pretrain", "evaluate", "score"])
def test_help_describes_every_command(command):
    assert "Usage" in run(command, "--help").output


def test_prepare_converts_and_verifies(corpus):
    assert sorted(file.name for file in corpus.iterdir()) == ["dev.spacy", "test.spacy", "train.spacy"]


def test_prepare_does_without_test_and_says_so(sample_dir, tmp_path):
    for split in ("train", "dev"):
        (tmp_path / f"{split.title()}.BioC.XML").write_bytes((sample_dir / f"{split}.xml").read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "test.spacy").write_text("left by another run")
    result = run("prepare", tmp_path / "assets", tmp_path / "out", "--from", tmp_path)
    assert "test: absent" in result.output
    assert sorted(file.name for file in (tmp_path / "assets").iterdir()) == ["Dev.BioC.XML", "Train.BioC.XML"]
    assert not (tmp_path / "out" / "test.spacy").exists()


def test_prepare_opens_an_archive(sample_dir, tmp_path):
    with zipfile.ZipFile(tmp_path / "BIORED.zip", "w") as archive:
        for split in ("train", "dev"):
            archive.write(sample_dir / f"{split}.xml", f"BioRED/{split.title()}.BioC.XML")
    assert "train: 40 documents" in run("prepare", tmp_path, tmp_path / "out").output


def test_prepare_refuses_wrong_counts(sample_dir, tmp_path):
    for split in ("train", "dev"):
        (tmp_path / f"{split}.xml").write_bytes((sample_dir / f"{split}.xml").read_bytes())
    (tmp_path / "counts.json").write_text('{"dev": {"documents": 11, "mentions": 1, "relations": 1}}')
    assert "but should have 11 documents" in run("prepare", tmp_path, tmp_path / "out", code=1).output


def test_prepare_names_what_is_missing(tmp_path):
    assert "train split" in run("prepare", tmp_path, tmp_path / "out", code=1).output
    assert "no file of a train" in run("prepare", tmp_path, tmp_path, "--from", tmp_path / "none", code=1).output
    (tmp_path / "BIORED.zip").write_bytes(b"not a zip")
    assert "BIORED.zip: not a zip archive" in run("prepare", tmp_path, tmp_path / "out", code=1).output


def test_score_of_a_file_with_itself_is_perfect(sample_dir, corpus, tmp_path):
    output = tmp_path / "deep" / "scores.json"
    run("score", sample_dir / "dev.xml", corpus / "dev.spacy", "--output", output)
    scores = json.loads(output.read_text())
    for level in ("pair", "type", "novelty", "all"):
        assert scores[level]["f"] == 1.0 and scores[level]["fp"] == scores[level]["fn"] == 0


def test_score_refuses_other_documents_and_files_that_are_not_there(sample_dir, tmp_path):
    assert "document sample-" in run("score", sample_dir / "dev.xml", sample_dir / "test.xml", code=1).output
    assert "no such file" in run("score", sample_dir / "dev.xml", tmp_path / "none.xml", code=1).output


def test_evaluate_names_a_pipeline_that_is_not_there(corpus, tmp_path):
    assert "no pipeline" in run("evaluate", tmp_path / "none", corpus / "dev.spacy", code=1).output
    result = run("evaluate", tmp_path / "none", tmp_path / "test.spacy", "--if-exists")
    assert "nothing is evaluated" in result.output
