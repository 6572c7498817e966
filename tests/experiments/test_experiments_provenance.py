"""Where figures come from: the commit, and how it is written."""

import importlib.util
import shutil
import subprocess

import pytest

from embre_spacy import provenance


def git(folder, *arguments):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """A repository with one file."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "notes.txt").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


def load_from(folder):
    """The module, as it is when it lies in another folder."""
    folder.mkdir(parents=True)
    shutil.copy(provenance.__file__, folder / "provenance.py")
    spec = importlib.util.spec_from_file_location("copied", folder / "provenance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_commit_is_that_of_the_checkout_with_a_plus_for_changes(checkout):
    module = load_from(checkout / "package")
    git(checkout, "add", "package")
    git(checkout, "commit", "--quiet", "-m", "two")
    commit = git(checkout, "rev-parse", "HEAD")
    assert module.describe_run()["commit"] == commit
    (checkout / "notes.txt").write_text("two")
    assert module.describe_run()["commit"] == commit + "+"


def test_the_commit_is_not_that_of_a_repository_around_an_installed_package(checkout):
    module = load_from(checkout / ".venv" / "lib" / "site-packages" / "embre_spacy")
    assert module.describe_run()["commit"] is None


@pytest.mark.parametrize(
    "commit, short",
    [("0123456789abcdef", "0123456789"), ("0123456789abcdef+", "0123456789+"), (None, "unknown")],
)
def test_a_short_commit_keeps_the_plus_sign(commit, short):
    assert provenance.short_commit(commit) == short
