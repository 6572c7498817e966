"""The commands, called as from a shell, and the splits of the sample corpus."""

import pytest
from commands import run


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, sample_dir):
    """The folder of the prepared sample corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    run("prepare", sample_dir, folder)
    return folder
