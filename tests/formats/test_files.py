"""Files appear when they are complete, and errors name the file that they are of."""

import gzip

import pytest
import spacy

import embre_spacy
from embre_spacy.errors import InputError
from embre_spacy.files import name_of_part, open_output, part_name


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    with open_output(path) as first:
        first.write(b"first")
        with open_output(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_of_a_part_says_what_it_is_a_part_of():
    assert name_of_part(part_name("a.b.part")) == "a.b.part" and part_name("a") != part_name("a")
    assert [name_of_part(name) for name in ("a", ".a.part", ".a.12.part", "a" + part_name("a"))] == [None] * 4


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
