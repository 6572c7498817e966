"""Where figures come from: the commit, and how it is written."""

import shutil
import subprocess

import pytest

from embre_spacy import util


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


def install_in(folder, monkeypatch):
    """Put the module into another folder."""
    folder.mkdir(parents=True)
    monkeypatch.setattr(util, "__file__", shutil.copy(util.__file__, folder / "util.py"))


def test_the_commit_is_that_of_the_checkout_with_a_plus_for_changes(checkout, monkeypatch):
    install_in(checkout / "package", monkeypatch)
    git(checkout, "add", "package")
    git(checkout, "commit", "--quiet", "-m", "two")
    commit = git(checkout, "rev-parse", "HEAD")
    assert util.describe_run()["commit"] == commit
    (checkout / "notes.txt").write_text("two")
    assert util.describe_run()["commit"] == commit + "+"


def test_the_commit_is_not_that_of_a_repository_around_an_installed_package(checkout, monkeypatch):
    install_in(checkout / ".venv" / "lib" / "site-packages" / "embre_spacy", monkeypatch)
    assert util.describe_run()["commit"] is None


@pytest.mark.parametrize(
    "commit, short",
    [("0123456789abcdef", "0123456789"), ("0123456789abcdef+", "0123456789+"), (None, "unknown")],
)
def test_a_short_commit_keeps_the_plus_sign(commit, short):
    assert util.short_commit(commit) == short
