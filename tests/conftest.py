"""What tests share: where the data lie."""

import os
import signal
from pathlib import Path

import pytest
import spacy
from commands import run
from spacy.vocab import Vocab

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gpu-id", type=int, default=-1, help="The GPU that pipelines of the tests run on; -1 for the CPU."
    )
    parser.addoption("--fuzz-report", metavar="FILE", help="Where the table of tests/fuzz goes.")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A run in the background ignores it, and so would the programs that tests interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--gpu-id") >= 0:
        spacy.require_gpu(config.getoption("--gpu-id"))
    config.addinivalue_line("markers", "fuzz: damages inputs at thousands of places, which takes long")
    config.addinivalue_line("markers", "forks: needs processes that are forked, which cannot use a GPU")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("forks") and item.config.getoption("--gpu-id") >= 0:
        pytest.skip("forked processes cannot use a GPU")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real corpora, which are not part of the repository."""
    folder = Path(os.environ.get("EMBRE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real corpora are not here: EMBRE_SHARED_DATA names their folder")
    return folder


@pytest.fixture(scope="session")
def sample_dir() -> Path:
    """The folder of the sample corpus: train.xml, dev.xml, test.xml."""
    return ROOT / "assets" / "sample"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, sample_dir) -> Path:
    """The folder of the sample corpus as `prepare` makes it: train.spacy, dev.spacy, test.spacy."""
    folder = tmp_path_factory.mktemp("corpus")
    run("prepare", sample_dir, folder)
    return folder


@pytest.fixture(scope="session")
def vocab() -> Vocab:
    return spacy.blank("en").vocab


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder of the project file."""
    return ROOT
