"""A tiny random pipeline on disk, and files of small documents."""

import os
from pathlib import Path

import pytest
import spacy
import torch
from annotate_files import REAL_CANDIDATES, make_nlp
from encoders import make_tiny_encoder

from embre_spacy.annotate import annotate
from embre_spacy.annotate.units import UNIT_BYTES


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """For a pipeline as small as this one, threads that wait for each other are most of the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="session")
def model(encoder, tmp_path_factory) -> str:
    """The folder of a pipeline that relates most candidates, each with probabilities of its own."""
    path = tmp_path_factory.mktemp("model") / "pipeline"
    make_nlp(encoder, REAL_CANDIDATES).to_disk(path)
    return str(path)


@pytest.fixture(scope="session")
def fragile_model(encoder, tmp_path_factory) -> str:
    """A pipeline that fails on every batch with a document that has the word POISON."""
    path = tmp_path_factory.mktemp("fragile") / "pipeline"
    make_nlp(encoder, "test.FragileCandidates.v1").to_disk(path)
    return str(path)


@pytest.fixture(scope="session")
def nlp(model):
    return spacy.load(model)


@pytest.fixture
def run(model, tmp_path, monkeypatch):
    """Annotates files of the folder of the test."""
    monkeypatch.chdir(tmp_path)

    def annotate_here(*names, model=model, **options):
        *inputs, output = map(os.fspath, names)
        return annotate(model, inputs, output, **options)

    return annotate_here


@pytest.fixture
def small_units(monkeypatch):
    """Units of some six documents, so that files are cut and there is much to share out."""
    monkeypatch.setitem(UNIT_BYTES, "cpu", (2_000, 2_000))


@pytest.fixture
def installed_candidates(tmp_path, monkeypatch):
    """What fails on POISON, as an installed package registers it: worker processes know nothing else."""
    info = tmp_path / "site" / "poison-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: poison\nVersion: 1.0\n")
    entry = "test.FragileCandidates.v1 = annotate_files:create_fragile_candidates"
    (info / "entry_points.txt").write_text(f"[spacy_misc]\n{entry}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
