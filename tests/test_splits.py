"""The splits of corpora, by the command `prepare`."""

import json
import shutil
import zipfile

import pytest
from commands import run
from spacy.vocab import Vocab

from embre_spacy import read, write


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
        ("{", "splits.json: Invalid JSON"),
        ('{"training": {}}', "training: Extra inputs are not permitted"),
        ('{"train": {"file": "x"}}', "train.files: Field required"),
        ('{"train": {"files": ["none.xml"]}}', "there is no none.xml"),
        ('{"train": {"files": [["none.xml", "no_*.xml"]]}}', "there is no none.xml or no_*.xml"),
        ('{"train": {"files": ["dev.xml"], "last": "5"}}', "train.last: Input should be a valid integer"),
        ('{"train": {"files": ["dev.xml"]}, "exclude": "none.txt"}', "none.txt: there is no such file of ids"),
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
    assert "counts.json: Invalid JSON" in run("prepare", tmp_path / "assets", tmp_path / "out", code=1).output


def test_prepare_keeps_every_document_without_an_id(sample_dir, tmp_path):
    docs = list(read(sample_dir / "train.xml", Vocab()))[:3]
    for doc in docs[:2]:
        doc._.document_id = None
    (tmp_path / "assets").mkdir()
    write(docs, tmp_path / "assets" / "made.spacy")
    (tmp_path / "assets" / "splits.json").write_text(json.dumps({"train": {"files": ["made.spacy"]}}))
    run("prepare", tmp_path / "assets", tmp_path / "out")
    found = list(read(tmp_path / "out" / "train.spacy", Vocab()))
    assert [(doc._.document_id, doc.text) for doc in found] == [(doc._.document_id, doc.text) for doc in docs]
