"""Which files inputs name, and the units that they are cut into."""

import gzip
import os

import fsspec
import pytest
from annotate_files import block, pubtator

from embre_spacy.annotate.units import choose_unit_bytes, find_inputs, list_files, split_units
from embre_spacy.errors import InputError
from embre_spacy.files import find_file, open_output
from embre_spacy.formats import read, read_each, write


def ids(unit, vocab):
    docs = [
        doc for file in unit.files for doc in read_each(file.location, vocab, format=file.format, section=file.section)
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


@pytest.mark.parametrize("name, format", [("a.txt", "text-lines"), ("a.xml", None), ("a.xml", "pubmed-xml")])
def test_lines_of_text_and_citations_are_cut(name, format, tmp_path, vocab):
    lines = [f"Aspirin lowers fever in {number} mice.\n" for number in range(1, 201)]
    if name == "a.xml":
        citation = "<PMID>{}</PMID><Article><ArticleTitle>{}</ArticleTitle></Article>"
        texts = [citation.format(f"a-{number}", line.strip()) for number, line in enumerate(lines, 1)]
        lines = [f"<PubmedArticle><MedlineCitation>{text}</MedlineCitation></PubmedArticle>\n" for text in texts]
        lines = ["<PubmedArticleSet>\n", *lines, "</PubmedArticleSet>"]
    (tmp_path / name).write_text("".join(lines))
    units = split_units(find_inputs([str(tmp_path / name)], format), 3_000)
    assert len(units) > 2
    assert [id for unit in units for id in ids(unit, vocab)] == [f"a-{number}" for number in range(1, 201)]


def test_tables_and_full_texts_are_whole(tmp_path, vocab):
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(f'{number},"one\ntwo"\n' for number in range(99)))
    (tmp_path / "a.nxml").write_text(f"<article><body><p>{'x ' * 999}</p></body></article>")
    units = split_units(find_inputs([str(tmp_path / name) for name in ("a.csv", "a.nxml")]), 300)
    assert [len(ids(unit, vocab)) for unit in units] == [99, 1]


@pytest.mark.parametrize("sign", ["<!-- {} -->", "<![CDATA[{}]]>"])
def test_xml_that_hides_documents_is_whole(sign, tmp_path):
    document, path = "<document><id>1</id></document>", tmp_path / "a.xml"
    # Also if the sign begins in one block of the file and ends in the next.
    for size in (100, 2**18 - 2):
        for hidden, is_whole in ((sign.format(2 * document), True), ("", False)):
            path.write_text(f"<collection>{3 * document}".ljust(size) + f"{hidden}{document}</collection>")
            assert (len(split_units(find_inputs([str(path)]), 1)) == 1) == is_whole


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
    assert [[file.relative for file in unit.files] for unit in units] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6", "7"],
        ["8"],
        ["9"],
        ["a"],
    ]
    assert all(file.section is None for unit in units for file in unit.files)


def test_sections_know_their_lines(tmp_path, vocab):
    (tmp_path / "a.pubtator").write_text(pubtator(range(20)) + "\nwrong\n\n" + block(20))
    *_, last = split_units(find_inputs([str(tmp_path / "a.pubtator")]), 1)
    assert last.files[0].section.first_line == 20 * 8 + 3


def test_names_below_a_folder_are_cut_at_slashes_on_every_system(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.b.XML.gz").write_bytes(b"")
    (tmp_path / "in" / "a.b.json").write_text("")
    files = find_inputs([f"{tmp_path}/in/"])
    assert [(file.relative, file.stem, file.format) for file in files] == [
        ("a.b", "a.b", "bioc-json"),
        ("deep/a.b", "a.b.1", "bioc-xml"),
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


def test_a_folder_has_the_same_files_in_every_storage(tmp_path):
    for folder in (f"{tmp_path}/in", f"file://{tmp_path}/in", "memory://in"):
        for name in ("b.xml", "deep/a.xml.gz", "deep/[1]/*.xml"):
            with open_output(f"{folder}/{name}", make_folder=True) as file:
                file.write(name.encode())
        assert names(folder) == ["b.xml", "deep/[1]/*.xml", "deep/a.xml.gz"]
        assert list_files(folder)[0] == find_file(f"{folder}/b.xml")
    fsspec.filesystem("memory").rm("/in", recursive=True)


def names(folder):
    return [info.relative for info in list_files(str(folder))]


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
    finally:
        (corpus / "deep").chmod(0o700)
