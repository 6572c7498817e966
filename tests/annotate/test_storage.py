"""Folders with links and what cannot be read; files that are not written to their end."""

import os

import pytest

from embre_spacy.annotate.sources import find_sources
from embre_spacy.annotate.storage import remote, storage_of
from embre_spacy.errors import InputError


def names(folder):
    return [source.relative for source in find_sources([str(folder)])]


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.xml").write_text("")
    return tmp_path / "in"


def test_links_in_a_folder_are_followed(corpus, tmp_path):
    (tmp_path / "more" / "far").mkdir(parents=True)
    (tmp_path / "more" / "far" / "b.xml").write_text("")
    (corpus / "more").symlink_to("../more")
    (corpus / "c.xml").symlink_to("deep/a.xml")
    # Round and round: to itself from within, and to the folder above all.
    (corpus / "deep" / "up").symlink_to(corpus)
    (tmp_path / "more" / "far" / "back").symlink_to(tmp_path / "more")
    assert names(corpus) == ["c.xml", "deep/a.xml", "more/far/b.xml"]


def test_a_link_to_nothing_is_an_error(corpus):
    # An editor marks a file that is open like this.
    (corpus / ".#a.xml").symlink_to("somebody@somewhere")
    assert names(corpus) == ["deep/a.xml"]
    (corpus / "deep" / "b.xml").symlink_to("gone.xml")
    with pytest.raises(InputError) as error:
        names(corpus)
    assert str(error.value) == f"{corpus}/deep/b.xml: a link to gone.xml, which is not there"
    with pytest.raises(InputError, match=r"b\.xml: no such file"):
        find_sources([f"{corpus}/deep/*.xml"])
    (corpus / "deep" / "b.xml").unlink()
    (corpus / "deep" / "b").symlink_to("b")
    with pytest.raises(InputError, match="deep/b: too many levels of symbolic links"):
        names(corpus)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="there is nothing that root cannot read")
def test_a_folder_that_cannot_be_read_is_an_error(corpus):
    (corpus / "deep").chmod(0)
    try:
        with pytest.raises(InputError, match=r"in/deep: permission denied"):
            names(corpus)
        with pytest.raises(InputError, match=r"in/deep: permission denied"):
            storage_of(str(corpus)).files(str(corpus), deep=True)
    finally:
        (corpus / "deep").chmod(0o700)


# In some stores a file has its name from the start.
@pytest.mark.parametrize("stores", [(), ("local",)])
def test_an_upload_that_breaks_off_leaves_nothing(stores, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(remote, "_OBJECT_STORES", stores)
    location = f"file://{tmp_path}/a.json"
    storage = storage_of(location)
    with pytest.raises(TypeError):
        storage.write(location, "no bytes")
    assert list(tmp_path.iterdir()) == []
    storage.write(location, b"whole")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]
