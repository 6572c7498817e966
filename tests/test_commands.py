"""The thin commands: prepare, score, evaluate."""

import json
import shutil
import zipfile

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner

from embre_spacy import read, write
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
    for command in ("convert", "annotate", "prepare", "pretrain", "calibrate", "evaluate", "score"):
        assert command in result.output


@pytest.mark.parametrize("command", ["convert", "annotate", "prepare", "pretrain", "calibrate", "evaluate", "score"])
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


def test_prepare_follows_a_plan(sample_dir, tmp_path):
    assets = tmp_path / "assets"
    assets.mkdir()
    plan = {
        "train": {"files": ["train.xml"], "last": 30},
        "dev": {"files": ["train.xml", "dev.xml", "dev.xml"], "first": 30},
        "exclude": "ids.txt",
    }
    (assets / "splits.json").write_text(json.dumps(plan))
    first = next(read(sample_dir / "train.xml", Vocab()))._.document_id
    (assets / "ids.txt").write_text(f"# why\n{first}\n")
    output = " ".join(run("prepare", assets, tmp_path / "out", "--from", sample_dir.parent).output.split())
    assert "train: 29 documents" in output and "1 left out on purpose" in output
    assert "dev: 20 documents" in output and "10 left out that were there already" in output
    assert first not in {doc._.document_id for doc in read(tmp_path / "out" / "train.spacy", Vocab())}


@pytest.mark.parametrize(
    "plan, cause",
    [
        ("{", "splits.json: not JSON"),
        ('{"training": {}}', "training: Extra inputs are not permitted"),
        ('{"train": {"file": "x"}}', "train.files: Field required"),
        ('{"train": {"files": ["none.xml"]}}', "there is no none.xml"),
        ('{"train": {"files": [["none.xml", "no_*.xml"]]}}', "there is no none.xml or no_*.xml"),
        ('{"train": {"files": ["dev.xml"], "last": "5"}}', "train.last: Input should be a valid integer"),
        ('{"train": {"files": ["dev.xml"]}, "exclude": "none.txt"}', "none.txt: splits.json names it"),
    ],
)
def test_prepare_refuses_a_plan_that_is_wrong(sample_dir, tmp_path, plan, cause):
    (tmp_path / "dev.xml").write_bytes((sample_dir / "dev.xml").read_bytes())
    (tmp_path / "splits.json").write_text(plan)
    assert cause in run("prepare", tmp_path, tmp_path / "out", code=1).output.replace("\n", " ")


@pytest.mark.parametrize("corpus, left_out", [("bc5cdr", 61), ("annotated", 122)])
def test_prepare_verifies_the_other_real_corpora(project_root, shared_data, tmp_path, corpus, left_out):
    assets = tmp_path / "assets"
    shutil.copytree(project_root / "assets" / corpus, assets, ignore=shutil.ignore_patterns("*.PubTator"))
    output = run("prepare", assets, tmp_path / "out", "--from", shared_data).output
    assert "as expected" in output and f"{left_out} left out on purpose" in output


def test_prepare_puts_a_corpus_together_from_its_parts(sample_dir, tmp_path):
    docs = {name: list(read(sample_dir / f"{name}.xml", Vocab())) for name in ("train", "dev")}
    source, assets = tmp_path / "source", tmp_path / "assets"
    source.mkdir()
    assets.mkdir()
    write(docs["dev"], source / "Made_Test.pubtator")
    write(docs["train"], source / "Made_Train.pubtator")
    text = (source / "Made_Train.pubtator").read_text()
    blocks = text.strip().split("\n\n")
    # The second is there twice; the third cannot be read, but is to be left out.
    damaged = blocks[2].replace("\t", "\t9", 1)
    (source / "Made_Train.pubtator").write_text("\n\n".join([*blocks[:2], damaged, *blocks[3:], blocks[1]]) + "\n\n")
    plan = {"train": {"files": [["Made.pubtator", "Made_*.pubtator"]]}, "exclude": "ids.txt"}
    (assets / "splits.json").write_text(json.dumps(plan))
    (assets / "ids.txt").write_text("")
    output = run("prepare", assets, tmp_path / "out", "--from", source, code=1).output.replace("\n", " ")
    assert f"Made_Train.pubtator: document {docs['train'][2]._.document_id}: " in output
    (assets / "ids.txt").write_text(docs["train"][2]._.document_id)
    output = " ".join(run("prepare", assets, tmp_path / "out", "--from", source).output.split())
    assert "1 left out on purpose; 1 left out that were there already" in output
    ids = [doc._.document_id for doc in read(tmp_path / "out" / "train.spacy", Vocab())]
    expected = [doc._.document_id for doc in [*docs["train"], *docs["dev"]]]
    assert ids == [*expected[:2], *expected[3:]]


def test_prepare_reads_what_it_copied_and_nothing_else(sample_dir, tmp_path):
    assets, source = tmp_path / "assets", tmp_path / "source"
    source.mkdir()
    shutil.copytree(sample_dir, assets)
    for name in ("train", "dev"):
        write(list(read(sample_dir / f"{name}.xml", Vocab())), source / f"{name}.pubtator")
    output = run("prepare", assets, tmp_path / "out", "--from", source, code=1).output.replace("\n", " ")
    assert "it has dev.xml, test.xml, train.xml already" in output and not (assets / "dev.pubtator").exists()
    for name in ("train", "dev", "test"):
        (assets / f"{name}.xml").unlink()
    output = " ".join(run("prepare", assets, tmp_path / "out", "--from", source).output.split())
    assert "train.pubtator" in output and "test: absent" in output
    # Again, now that the files are there.
    run("prepare", assets, tmp_path / "out", "--from", source)


def test_prepare_names_counts_that_are_no_json(sample_dir, tmp_path):
    shutil.copytree(sample_dir, tmp_path / "assets")
    (tmp_path / "assets" / "counts.json").write_text("{")
    assert "counts.json: not JSON" in run("prepare", tmp_path / "assets", tmp_path / "out", code=1).output


def test_calibrate_refuses_what_it_cannot_use(corpus, tmp_path):
    assert "no pipeline" in run("calibrate", tmp_path / "none", corpus / "dev.spacy", tmp_path / "o", code=1).output
    result = run("calibrate", "en_none", corpus / "dev.spacy", tmp_path / "o", "--level", "some", code=1)
    assert "must be one of pair, type, novelty, all" in result.output
    spacy.blank("en").to_disk(tmp_path / "blank")
    result = run("calibrate", tmp_path / "blank", corpus / "dev.spacy", tmp_path / "o", code=1)
    assert "no component embre_relation" in result.output and not (tmp_path / "o").exists()


def test_score_of_a_file_with_itself_is_perfect(sample_dir, corpus, tmp_path):
    output = tmp_path / "deep" / "scores.json"
    run("score", sample_dir / "dev.xml", corpus / "dev.spacy", "--output", output)
    scores = json.loads(output.read_text())
    for level in ("pair", "type", "novelty", "all"):
        assert scores[level]["f"] == 1.0 and scores[level]["fp"] == scores[level]["fn"] == 0


def test_score_refuses_other_documents_and_files_that_are_not_there(sample_dir, tmp_path):
    assert "document sample-" in run("score", sample_dir / "dev.xml", sample_dir / "test.xml", code=1).output
    assert "no such file" in run("score", sample_dir / "dev.xml", tmp_path / "none.xml", code=1).output


def test_score_refuses_documents_without_ids(tmp_path):
    docs = [spacy.blank("en")("One."), spacy.blank("en")("Two.")]
    DocBin(docs=docs).to_disk(tmp_path / "own.spacy")
    result = run("score", tmp_path / "own.spacy", tmp_path / "own.spacy", code=1)
    assert "2 of the 2 predicted documents have no id" in result.output


def test_evaluate_names_a_pipeline_that_is_not_there(corpus, tmp_path):
    assert "no pipeline" in run("evaluate", tmp_path / "none", corpus / "dev.spacy", code=1).output
    old = tmp_path / "test.json"
    old.write_text("{}")
    result = run("evaluate", tmp_path / "none", tmp_path / "test.spacy", "--if-exists", "--output", old)
    # The scores of an earlier run would be taken for those of this one.
    assert "nothing is evaluated" in result.output and not old.exists()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.cfg").write_text('[nlp]\nlang = "en"\n')
    (tmp_path / "broken" / "meta.json").write_text("{")
    assert "no pipeline" in run("evaluate", tmp_path / "broken", corpus / "dev.spacy", code=1).output
    result = run("evaluate", tmp_path / "none", corpus / "dev.spacy", "--gpu-id", "99", code=1)
    assert "GPU 99 cannot be used" in result.output
