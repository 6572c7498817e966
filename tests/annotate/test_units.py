"""Which files inputs name, and the units that they are cut into."""

import gzip

import pytest
from annotate_files import block, pubtator

from embre_spacy.annotate.units import choose_unit_bytes, find_inputs, split_units
from embre_spacy.errors import InputError
from embre_spacy.formats import read, read_each, write


def ids(unit, vocab):
    docs = [
        doc
        for file, section in unit.pieces
        for doc in read_each(file.location, vocab, format=file.format, section=section)
    ]
    return [doc._.document_id for doc in docs]


@pytest.mark.parametrize("suffix", ["pubtator", "jsonl", "xml"])
@pytest.mark.parametrize("unit_bytes", [1, 700, 5_000, 2**20])
def test_every_document_is_in_one_unit(suffix, unit_bytes, tmp_path, vocab):
    (tmp_path / "a.pubtator").write_text(pubtator(range(300)).replace("\n\n", "\r\n\r\n"))
    if suffix != "pubtator":
        write(read(tmp_path / "a.pubtator", vocab), tmp_path / f"a.{suffix}")
    files = find_inputs([str(tmp_path / f"a.{suffix}")])
    units = split_units(files, unit_bytes)
    assert [unit.index for unit in units] == list(range(len(units)))
    assert sum(unit.size for unit in units) == files[0].size
    assert [name for unit in units for name in ids(unit, vocab)] == [str(number) for number in range(300)]
    largest = files[0].size / 300 * 1.2
    assert all(unit_bytes <= unit.size < unit_bytes + largest for unit in units[:-1])
    assert (len(units) == 1) == (unit_bytes > files[0].size)


def test_small_files_share_a_unit_and_others_are_whole(tmp_path, vocab):
    (tmp_path / "in").mkdir()
    for number in range(8):
        (tmp_path / "in" / f"{number}.pubtator").write_text(block(number))
    (tmp_path / "in" / "8.pubtator.gz").write_bytes(gzip.compress(pubtator(range(8, 90)).encode()))
    large = read(tmp_path / "in" / "8.pubtator.gz", vocab)
    write(large, tmp_path / "in" / "9.json")
    write(read(tmp_path / "in" / "0.pubtator", vocab), tmp_path / "a.spacy")
    files = find_inputs([str(tmp_path / "in"), str(tmp_path / "a.spacy")])
    units = split_units(files, files[0].size * 3 + 30)
    assert [[file.relative.split(".")[0] for file, _ in unit.pieces] for unit in units] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6", "7"],
        ["8"],
        ["9"],
        ["a"],
    ]
    assert all(section is None for unit in units for _, section in unit.pieces)


def test_sections_know_their_lines(tmp_path, vocab):
    (tmp_path / "a.pubtator").write_text(pubtator(range(20)) + "\nwrong\n\n" + block(20))
    *_, last = split_units(find_inputs([str(tmp_path / "a.pubtator")]), 1)
    assert last.pieces[0].section.first_line == 20 * 8 + 3


def test_names_below_a_folder_are_cut_at_slashes_on_every_system(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.b.XML.gz").write_bytes(b"")
    (tmp_path / "in" / "a.b.json").write_text("")
    files = find_inputs([f"{tmp_path}/in/"])
    assert [(file.relative, file.stem, file.format) for file in files] == [
        ("a.b.json", "a.b", "bioc-json"),
        ("deep/a.b.XML.gz", "a.b.1", "bioc-xml"),
    ]


def test_a_link_to_nothing_is_no_file(tmp_path):
    (tmp_path / "b.xml").symlink_to("gone.xml")
    with pytest.raises(InputError, match=r"b\.xml: no such file"):
        find_inputs([f"{tmp_path}/*.xml"])


def test_a_small_corpus_can_be_shared_out_and_a_large_one_is_cut_small_enough(tmp_path):
    for size in (100, 10_000_000, 200_000_000):
        with (tmp_path / "a.jsonl").open("wb") as file:
            file.truncate(size)
        files = find_inputs([str(tmp_path / "a.jsonl")])
        expected = min(2**20, max(2**16, size // 64))
        assert choose_unit_bytes(files, "cpu") == expected and choose_unit_bytes(files, "gpu") >= 2**20
