"""Files here and elsewhere: they appear when they are complete, and errors name the file that they are of."""

import gzip
import stat
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
import spacy

import embre_spacy
from embre_spacy.errors import EmbreError, InputError
from embre_spacy.files import (
    find_file,
    is_folder,
    iter_lines,
    list_names,
    open_input,
    open_output,
    part_name,
    remove_file,
    remove_folder,
    remove_parts,
)


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    with open_output(path) as first:
        first.write(b"first")
        with open_output(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


KILLED_WHILE_WRITING = """
import os, sys
from embre_spacy.files import open_output

with open_output(sys.argv[1]) as file:
    file.write(b"half " * 1_000_000)
    os._exit(9)
"""


def test_what_a_killed_writer_left_is_taken_over(tmp_path):
    for name in ("a.json", "b.xml.gz"):
        for _ in range(2):
            command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path / name)]
            assert subprocess.run(command).returncode == 9
        assert len(list(tmp_path.iterdir())) == 1
        with open_output(tmp_path / name) as file:
            file.write(b"whole")
        with open_input(tmp_path / name) as file:
            assert file.read() == b"whole"
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


def test_a_file_that_is_replaced_keeps_its_permissions_and_its_links(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "link").symlink_to("a.txt")
    (tmp_path / "dangling").symlink_to("new.txt")
    for mode in (0o600, 0o664, 0o751):
        (tmp_path / "a.txt").chmod(mode)
        for name in ("a.txt", "link"):
            with open_output(tmp_path / name) as file:
                file.write(f"{name} {mode}".encode())
            assert (tmp_path / "a.txt").read_text() == f"{name} {mode}"
            assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
    with open_output(tmp_path / "dangling") as file:
        file.write(b"new")
    assert (tmp_path / "new.txt").read_text() == "new" and (tmp_path / "dangling").is_symlink()


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "link to /dev/full"])
def test_a_device_takes_what_is_written_and_stays(name, tmp_path):
    path = Path(name)
    if not Path(name.rpartition(" ")[2]).is_char_device():
        pytest.skip(f"there is no {name}")
    if name.startswith("link"):
        path = tmp_path / "out.txt"
        path.symlink_to(name.rpartition(" ")[2])
    if name == "/dev/null":
        with open_output(path) as file:
            file.write(b"gone")
    else:
        with pytest.raises(InputError) as error, open_output(path) as file:
            file.write(b"x" * 100_000)
        assert str(error.value) == f"{path}: no space left on device"
    remove_file(path)
    assert path.is_char_device() and not list(path.parent.glob("*.part"))


def test_only_parts_are_removed(tmp_path):
    others = ["a.b.part", ".a.b.part.12.part", part_name("a"), "a.b.part" + part_name("a.b.part")]
    assert part_name("a") != part_name("a")
    for name in (*others, part_name("a.b.part")):
        (tmp_path / name).touch()
    remove_parts([f"{tmp_path}/a.b.part"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_an_error_of_another_file_is_not_one_of_the_output(tmp_path):
    def docs():
        yield spacy.blank("en")("one")
        raise PermissionError(13, "Permission denied", "other.txt")

    for name in ("a.json", "a.json.gz"):
        with pytest.raises(PermissionError, match=r"other\.txt"):
            embre_spacy.write(docs(), tmp_path / name)
        with pytest.raises(gzip.BadGzipFile), open_output(tmp_path / name):
            raise gzip.BadGzipFile("of another file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_what_the_system_does_not_write_names_the_output(name, tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Numbers that do not shrink much.
    data = b"".join(str(number**9).encode() for number in range(20_000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(InputError) as error, open_output(tmp_path / name) as file:
            file.write(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(error.value) == f"{tmp_path / name}: file too large"
    assert not list(tmp_path.iterdir())


def test_lines_end_at_line_feeds_and_those_that_are_no_text_have_an_error(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\x0ctwo\xe2\x80\xa8\r\n\xff\nend")
    with open_input(tmp_path / "a.txt") as file:
        lines = [(number, line, error and error.cause) for number, line, error in iter_lines(file)]
    assert lines == [
        (1, "one\x0ctwo\u2028\r\n", None),
        (2, "\ufffd\n", "not UTF-8 text: invalid start byte at byte 15"),
        (3, "end", None),
    ]


# A file system of fsspec that keeps its files, and one that is gone with this process.
@pytest.fixture(params=["path", "file", "memory"])
def folder(request, tmp_path):
    if request.param == "memory":
        yield "memory://corpus"
        fsspec.filesystem("memory").rm("/corpus", recursive=True)
    else:
        yield f"file://{tmp_path}/corpus" if request.param == "file" else str(tmp_path / "corpus")


def test_every_storage_does_the_same(folder):
    for name in ("b.xml", "deep/a.xml.gz", "deep/[1]/*.xml"):
        with open_output(f"{folder}/{name}", make_folder=True) as file:
            file.write(name.encode() * 9)
        with open_input(f"{folder}/{name}") as file:
            assert file.read() == name.encode() * 9
    assert list_names(folder) == ["b.xml", "deep"] and list_names(f"{folder}/none") == []
    found = find_file(f"{folder}/b.xml")
    assert (found.location, found.relative, found.size) == (f"{folder}/b.xml", "b.xml", 45) and found.version
    assert find_file(f"{folder}/deep") is None and find_file(f"{folder}/none") is None
    assert is_folder(f"{folder}/deep") and not is_folder(f"{folder}/b.xml") and not is_folder(f"{folder}/none")
    with open_output(f"{folder}/b.xml") as file:
        file.write(b"other")
    assert find_file(f"{folder}/b.xml").version != found.version
    remove_file(f"{folder}/b.xml")
    remove_file(f"{folder}/b.xml")
    assert list_names(folder) == ["deep"]
    remove_folder(f"{folder}/deep")
    assert list_names(folder) == ["deep"]
    for name in ("deep/a.xml.gz", "deep/[1]/*.xml"):
        remove_file(f"{folder}/{name}")
    for name in ("deep/[1]", "deep", "deep"):
        remove_folder(f"{folder}/{name}")
    assert list_names(folder) == []


def test_a_file_that_is_not_written_to_its_end_is_not_there(folder):
    with open_output(f"{folder}/a.json", make_folder=True) as file:
        file.write(b"whole")
    with pytest.raises(TypeError), open_output(f"{folder}/a.json") as file:
        file.write(b"half")
        file.write("no bytes")
    assert list_names(folder) == ["a.json"]
    with open_input(f"{folder}/a.json") as file:
        assert file.read() == b"whole"
    # What a killed process has left.
    for name in (part_name("a.json"), part_name("b.json"), ".a.json.part"):
        with open_output(f"{folder}/{name}") as file:
            file.write(b"half")
    remove_parts([f"{folder}/a.json"])
    assert [name for name in list_names(folder) if "b.json" not in name] == [".a.json.part", "a.json"]


def test_what_fsspec_does_not_know_is_named():
    with pytest.raises(EmbreError, match=r"^unknown://bucket/a\.xml: Protocol not known: unknown$"):
        find_file("unknown://bucket/a.xml")
