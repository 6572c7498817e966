"""File -> DocBin -> the same format gives back the same content."""

import gzip
import shutil

import pytest
from canonical import content

import embre_spacy
from embre_spacy.tokens import get_mentions

DIFFERS = "annotations whose text differs from the characters at their offsets: "
NO_CONCEPT = "relations with an identifier that no annotation has: "
# The number of mentions, and what is reported. No file has an annotation outside its text.
REAL_FILES = {
    "annotated/DrugProt.PubTator": (18_339, None),
    # Three of its documents count bytes.
    "annotated/GNormPlus.PubTator": (10_128, DIFFERS + "6"),
    "annotated/NCBIDisease.PubTator": (6_803, DIFFERS + "1"),
    "annotated/NLMGene.PubTator": (12_887, DIFFERS + "10"),
    "annotated/SPECIES.PubTator": (3_792, None),
    "annotated/tmVar3.PubTator": (7_039, None),
    # Relations of parts of a composite mention ("D001|D002"), which is a concept of its own.
    "bc5cdr/TrainDev.PubTator": (18_976, NO_CONCEPT + "103"),
    "biored/Dev.BioC.JSON": (3_533, None),
    "biored/Dev.BioC.XML": (3_533, None),
    "biored/Dev.PubTator": (3_533, None),
    "biored/Train.BioC.XML": (13_351, None),
    "biored/Train.PubTator": (13_351, None),
    "official_scores/Dev.pred1.PubTator": (3_533, None),
    "official_scores/Dev.pred2.PubTator": (3_533, None),
    "official_scores/Dev.pred4.PubTator": (3_533, None),
    "pubtator3/37026113.json": (33, None),
}


def round_trip(source, folder, vocab, report=None):
    binary = folder / "between.spacy"
    target = folder / source.name
    embre_spacy.write(embre_spacy.read(source, vocab, on_anomalies=report), binary)
    docs = list(embre_spacy.read(binary, vocab))
    embre_spacy.write(docs, target)
    return target, sum(len(get_mentions(doc)) for doc in docs)


@pytest.mark.parametrize("name", REAL_FILES)
def test_real_file(name, shared_data, tmp_path, vocab):
    source = shared_data / name
    if not source.exists():
        pytest.skip(f"{source} is not here")
    mention_count, note = REAL_FILES[name]
    lines = []
    target, count = round_trip(source, tmp_path, vocab, lines.append)
    assert content(target) == content(source)
    assert count == mention_count
    assert [line.split(" (")[0] for line in lines] == ([f"{source}: {note}"] if note else [])


def test_every_real_file_is_tested(shared_data):
    found = {str(path.relative_to(shared_data)) for path in shared_data.glob("*/*") if path.name != "expected.json"}
    assert found <= set(REAL_FILES)


@pytest.mark.parametrize("name", ["train.xml", "dev.xml", "test.xml"])
def test_sample(name, sample_dir, tmp_path, vocab):
    assert content(round_trip(sample_dir / name, tmp_path, vocab)[0]) == content(sample_dir / name)


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".xml.gz", ".json.gz", ".PubTator", ".PUBTATOR.GZ"])
def test_sample_in_every_format(suffix, sample_dir, tmp_path, vocab):
    source = tmp_path / f"first{suffix}"
    embre_spacy.write(embre_spacy.read(sample_dir / "dev.xml", vocab), source)
    (tmp_path / "out").mkdir()
    target, _ = round_trip(source, tmp_path / "out", vocab)
    if suffix.lower().endswith(".gz"):
        source, target = (path.rename(path.with_suffix(".gz")) for path in (source, target))
        assert gzip.decompress(source.read_bytes()) == gzip.decompress(target.read_bytes())
    else:
        assert content(source) == content(target)


def test_gzip_by_name_alone(sample_dir, tmp_path, vocab):
    packed = tmp_path / "Dev.BioC.XML.GZ"
    with (sample_dir / "dev.xml").open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    names = [doc._.document_id for doc in embre_spacy.read(packed, vocab)]
    assert names == [doc._.document_id for doc in embre_spacy.read(sample_dir / "dev.xml", vocab)]


def test_same_output_twice(sample_dir, tmp_path, vocab):
    for name in ("one.json.gz", "two.json.gz"):
        embre_spacy.write(embre_spacy.read(sample_dir / "dev.xml", vocab), tmp_path / name)
    assert (tmp_path / "one.json.gz").read_bytes() == (tmp_path / "two.json.gz").read_bytes()
