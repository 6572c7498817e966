"""Loading pipelines, checksums, differences of settings, and the commit that figures come from."""

import hashlib
import re
import shutil
import subprocess

import pytest
import spacy

from embre_spacy import util
from embre_spacy.errors import EmbreError, InputError
from embre_spacy.util import load_pipeline


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


def test_the_checksum_of_one_file_is_that_of_its_content(tmp_path):
    (tmp_path / "a").write_bytes(b"content" * 400_000)
    (tmp_path / "b").write_bytes(b"content" * 400_000)
    expected = hashlib.sha256(b"content" * 400_000).hexdigest()
    assert util.checksum(tmp_path / "a") == util.checksum(str(tmp_path / "b")) == expected
    assert util.checksum(b"content" * 400_000) == expected


def test_the_checksum_of_a_folder_depends_on_names_and_contents_and_nothing_else(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, names in ((first, "ab"), (second, "ba")):
        (folder / "inner").mkdir(parents=True)
        for name in names:
            (folder / "inner" / name).write_text(name)
    (second / "__pycache__").mkdir()
    (second / "__pycache__" / "a.pyc").write_text("compiled")
    before = util.checksum(first)
    assert before == util.checksum(second) != util.checksum(first / "inner")
    (second / "inner" / "a").write_text("b")
    assert util.checksum(second) != before
    (first / "inner" / "a").rename(first / "inner" / "c")
    assert util.checksum(first) != before


def test_the_checksum_of_several_parts_depends_on_their_order(tmp_path):
    assert util.checksum(b"a", b"b") not in (util.checksum(b"b", b"a"), util.checksum(b"ab"), util.checksum(b"a"))
    (tmp_path / "empty").mkdir()
    assert util.checksum(tmp_path / "empty") != util.checksum(b"", b"")
    with pytest.raises(InputError, match=r"none: no such file"):
        util.checksum(tmp_path / "none")


def test_differences_of_settings_are_phrases():
    before = {"training": {"epochs": 3, "seed": 0}, "corpus": "x" * 99, "old": 1, "same": [1]}
    after = {"training": {"epochs": 5, "seed": 0}, "corpus": "y", "new": None, "same": [1]}
    assert util.diff_settings(before, after) == [
        "corpus has changed",
        "new was not set and is None",
        "old was 1 and is not set",
        "training.epochs was 3 and is 5",
    ]
    assert util.diff_settings(after, after) == []


@pytest.mark.parametrize(
    "name, old, new, cause",
    [
        ("config.cfg", b'lang = "en"', b'lang = "eo"', "Can't import language eo"),
        ("config.cfg", b"batch_size = 1000", b"batch = 1000", "batch"),
        ("config.cfg", b"[nlp]", b"[nlp", "Error"),
        ("meta.json", b"{", b"[", "Error"),
        ("tokenizer", b"\xaeinfix_finditer", b"\xafinfix_finditer", "Error"),
        ("vocab/lookups.bin", b"\x80", b"\x07", "AttributeError"),
    ],
)
def test_a_damaged_pipeline_is_named_with_the_cause(name, old, new, cause, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "pipeline")
    file = tmp_path / "pipeline" / name
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))
    with pytest.raises(EmbreError, match=r"pipeline: no pipeline can be loaded from there \(.*" + re.escape(cause)):
        load_pipeline(tmp_path / "pipeline")
