"""Plain texts: files of one text, of one a line, tables and objects of JSON."""

import csv
import gzip
import io
import json

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embre_spacy.errors import InputError
from embre_spacy.files import FORMATS, INPUT_FORMATS, open_output
from embre_spacy.formats import Rejected, read, read_each, write

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TITLE, TEXT = "Aspirin “lowers” fever", "It binds PTGS2, a 72-kDa enzyme."
ROWS = [["7", TITLE, TEXT], ["8", "", TEXT], ["9", TITLE, ""]]


def table(*rows, delimiter=",", **options):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, **options).writerows(rows)
    return text.getvalue()


def save(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


def outcome(path, vocab, **options):
    """The id and text of each document, and why what was set aside was."""
    return [
        (one.document, one.number, one.cause) if isinstance(one, Rejected) else (one._.document_id, one.text)
        for one in read_each(path, vocab, **options)
    ]


def test_a_text_file_is_a_document(tmp_path, vocab):
    text = "\n  Aspirin\r\nlowers \u2028 fever.\n\n"
    for name in ("a b.c.txt", "a b.c.TXT", "a b.c.txt.gz"):
        data = ("\ufeff" + text).encode("utf-8")
        path = save(tmp_path / name, gzip.compress(data) if name.endswith(".gz") else data)
        (doc,) = read(path, vocab, strict=True)
        # Character by character, so that offsets are those of the file.
        assert (doc._.document_id, doc.text) == ("a b.c", text)
        assert [tuple(passage) for passage in doc._.passages] == [(0, len(text), "")]


def test_a_line_is_a_document(tmp_path, vocab):
    path = save(tmp_path / "a.txt", f"{TEXT}\r\n\n  \n {TITLE}\x85more\n")
    assert outcome(path, vocab, format="text-lines") == [("a-1", TEXT), ("a-4", f" {TITLE}\x85more")]
    assert outcome(path, vocab, format="text-lines", stem="b") == [("b-1", TEXT), ("b-4", f" {TITLE}\x85more")]


@pytest.mark.parametrize(
    "name, data",
    [
        ("a.csv", table(["id", "title", "abstract"], *ROWS)),
        ("a.csv", table(["Document ID", "Title", "Text"], *ROWS, delimiter=";")),
        ("a.csv", table(["PMID", "Article Title", "Abstract Text"], *ROWS, quoting=csv.QUOTE_ALL)),
        ("a.csv", "\ufeff" + table([" Title ", "TEXT", "doc_id"], *([*row[1:], row[0]] for row in ROWS))),
        ("a.TSV", table(["pmid", "title", "body"], *ROWS, [" ", "", ""], delimiter="\t")),
        ("a.jsonl", "\n".join(json.dumps(dict(zip(["id", "title", "abstract"], row))) for row in ROWS)),
        (
            "a.ndjson",
            "\n\n".join(json.dumps(dict(zip(["PMID", "title", "text"], [int(row[0]), *row[1:]]))) for row in ROWS),
        ),
        (
            "a.json",
            json.dumps(
                [dict(zip(["_id", "title", "text"], [row[0], *(one or None for one in row[1:])])) for row in ROWS]
            ),
        ),
    ],
)
def test_rows_and_objects_are_documents(name, data, tmp_path, vocab):
    docs = list(read(save(tmp_path / name, data), vocab, strict=True))
    assert [doc._.document_id for doc in docs] == ["7", "8", "9"]
    assert [doc.text for doc in docs] == [f"{TITLE} {TEXT}", TEXT, TITLE]
    sections = [[passage.section for passage in doc._.passages] for doc in docs]
    assert sections == [["title", "abstract"], [""], ["title"]]


@pytest.mark.parametrize(
    "name, data, ids",
    [
        ("a.csv", 'text\none\n"two\ntwo"\n\nthree\n', ["a-2", "a-3", "a-6"]),
        ("a.tsv", "text\tid\none\t\ntwo\t x \nthree\t \n", ["a-2", "x", "a-4"]),
        ("a.jsonl", '{"text": "one"}\n\n{"id": null, "text": "two"}\n{"id": " ", "text": "3"}', ["a-1", "a-3", "a-4"]),
        ("a.json", '[{"text": "one"}, {"id": 5, "text": "two"}, {"text": "three"}]', ["a-1", "5", "a-3"]),
    ],
)
def test_ids_that_are_missing_are_made_of_the_file_and_the_line(name, data, ids, tmp_path, vocab):
    path = save(tmp_path / name, data)
    assert [doc._.document_id for doc in read(path, vocab)] == ids
    assert [one._.document_id for one in read_each(path, vocab, stem="b")] == [id.replace("a-", "b-") for id in ids]


BAD = {
    "an empty file": ("a.txt", "", [(None, 1, "the file is empty")]),
    "a blank file": ("a.txt", " \n", [("a", 1, "it has no text")]),
    "a text in another encoding": (
        "a.txt",
        "one\nfi\xe8vre".encode("latin-1"),
        [("a", 1, "line 2: not UTF-8 text: invalid continuation byte at byte 6")],
    ),
    "a text in UTF-16": ("a.txt", TEXT.encode("utf-16"), [("a", 1, "line 1: not UTF-8 text: invalid start byte at")]),
    "a table in UTF-16": ("a.csv", "id,text\n1,one".encode("utf-16"), [(None, 1, "line 1: not UTF-8 text: inv")]),
    "no column of texts": (
        "a.csv",
        "id,title,Abstract (English)\n1,one,two\n",
        [
            (
                None,
                1,
                "the first row names no column of texts (text, abstract, abstracttext, body), but 'id', 'title', 'A",
            )
        ],
    ),
    "a column twice": ("a.tsv", "id\ttext\ttext\n", [(None, 1, "the first row names the column 'text' twice")]),
    "names of columns alone": ("a.csv", "id,text\n", [(None, 1, "it holds no document")]),
    "rows of other lengths": (
        "a.csv",
        "id,text\n1\n2,two\n3,three,more\n4,four\n",
        [
            (None, 1, "line 2: it has 1 columns, and the first row has 2"),
            ("2", "two"),
            (None, 3, "line 4: it has 3 columns, and the first row has 2"),
            ("4", "four"),
        ],
    ),
    "a quote inside a cell": (
        "a.tsv",
        'id\ttext\n1\t"one" two\n2\t"the\nrest" x\n3\tthree\n4\t"four\n5\tfive\n',
        [
            (None, 1, "line 2: not a row of a table, as far as line 2: "),
            (None, 2, "line 3: not a row of a table, as far as line 4: "),
            ("3", "three"),
            (None, 4, "line 6: not a row of a table, as far as line 7: unexpected end of data"),
        ],
    ),
    "a row in another encoding": (
        "a.csv",
        b'id,text\n1,one\n2,"t\nw\xe8"\n3,three\n',
        [("1", "one"), (None, 2, "line 3: not UTF-8 text: invalid"), ("3", "three")],
    ),
    "a row without a text": ("a.csv", "id,text\n1, \n2,two\n", [("1", 1, "it has no text"), ("2", "two")]),
    "ids that repeat": (
        "a.csv",
        "id,text\n1,one\n2,two\n1,three\n",
        [("1", "one"), ("2", "two"), ("1", 3, "two documents have this id (number 1 and 3)")],
    ),
    "objects without a text": (
        "a.jsonl",
        '{"id": 1, "text": ""}\n{"id": 2, "title": "two"}\n{"id": 3, "text": 3}\n{"text": "four", "id": [4]}\n',
        [
            ("1", 1, "it has no text"),
            (None, 2, "not BioC: document 2 of the file is not an object with passages, nor one with a text"),
            (None, 3, "not BioC: document 3 of the file is not an object with passages, nor one with a text"),
            (None, 4, "not BioC: the id of document 4 of the file is neither text nor a whole number"),
        ],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_text_is_set_aside(name, tmp_path, vocab):
    file, data, expected = BAD[name]
    found = outcome(save(tmp_path / file, data), vocab)
    assert len(found) == len(expected), found
    for one, wanted in zip(found, expected):
        assert one == wanted or (one[:2] == wanted[:2] and one[2].startswith(wanted[2])), one


def test_what_is_read_only_cannot_be_written(tmp_path, vocab):
    (doc,) = read(save(tmp_path / "a.txt", TEXT), vocab)
    assert set(INPUT_FORMATS) - set(FORMATS) == {"text", "text-lines", "csv", "tsv", "pubmed-xml", "jats"}
    for name, format in [("b.txt", None), ("b.csv", None), ("b.xml", "text"), ("b.xml", "pubmed-xml")]:
        with pytest.raises(InputError, match="unknown"):
            write([doc], tmp_path / name, format=format)


def test_other_columns_go_along(tmp_path, vocab):
    data = table(
        ["id", "title", "text", "journal", "year"], ["1", TITLE, TEXT, "Lancet", "1999"], ["2", "", TEXT, "", ""]
    )
    save(tmp_path / "a.csv", data)
    save(tmp_path / "b.jsonl", json.dumps({"id": "1", "title": TITLE, "text": TEXT, "meta": {"year": 1999}}))
    for source, infons in (("a.csv", {"journal": "Lancet", "year": "1999"}), ("b.jsonl", {"meta": {"year": 1999}})):
        write(read(tmp_path / source, vocab), tmp_path / "out.json")
        first, *rest = json.loads((tmp_path / "out.json").read_text())["documents"]
        assert first["infons"] == infons and all(one["infons"] == {} for one in rest)


def test_files_of_other_storage(vocab):
    for name, data, count in [("a.txt", TEXT, 1), ("a.csv.gz", table(["id", "title", "text"], *ROWS), 3)]:
        with open_output(f"memory://plain/{name}") as file:
            file.write(data.encode())
        assert len(list(read(f"memory://plain/{name}", vocab))) == count
    fsspec.filesystem("memory").rm("/plain", recursive=True)


def test_a_long_text_in_every_format(tmp_path, vocab):
    text = "Aspirin lowers fever in 12 of 40 mice. " * 5_200
    save(tmp_path / "a.txt", text)
    save(tmp_path / "lines.txt", f"{text}\n{text}\n")
    save(tmp_path / "a.csv", table(["id", "text"], ["1", text], ["2", text]))
    save(tmp_path / "a.jsonl", json.dumps({"text": text}))
    for name, format in [("a.txt", None), ("lines.txt", "text-lines"), ("a.csv", None), ("a.jsonl", None)]:
        assert {doc.text for doc in read(tmp_path / name, vocab, format=format)} == {text}


# Lines end where line feeds are; XML and PubTator have no control characters.
characters = st.one_of(
    st.sampled_from(["BRCA1 ", "α-catenin", "e\u0301", "😀", '"', ",", ";", "\t", "|", "&", "<", "'"]),
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]),
)
texts = st.lists(characters, min_size=1, max_size=20).map("".join).filter(str.strip)


@SETTINGS
@given(
    rows=st.lists(st.tuples(st.one_of(st.just(""), texts), texts), min_size=1, max_size=5),
    suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".json"]),
    target=st.sampled_from([".xml", ".json", ".jsonl", ".spacy"]),
)
def test_texts_come_through_every_format(rows, suffix, target, tmp_path, vocab):
    rows = [(str(number), *row) for number, row in enumerate(rows)]
    if suffix.startswith(".json"):
        objects = [dict(zip(["id", "title", "text"], row)) for row in rows]
        data = "\n".join(map(json.dumps, objects)) if suffix == ".jsonl" else json.dumps(objects)
    else:
        data = table(["id", "title", "text"], *rows, delimiter="," if suffix == ".csv" else "\t")
    docs = list(read(save(tmp_path / f"a{suffix}", data), vocab, strict=True))
    expected = [(id, f"{title} {text}" if title.strip() else text) for id, title, text in rows]
    assert [(doc._.document_id, doc.text) for doc in docs] == expected
    write(docs, tmp_path / f"b{target}")
    again = list(read(tmp_path / f"b{target}", vocab, strict=True))
    assert [(doc._.document_id, doc.text, doc._.passages) for doc in again] == [
        (doc._.document_id, doc.text, doc._.passages) for doc in docs
    ]


@SETTINGS
@given(text=texts, suffix=st.sampled_from([".txt", ".jsonl"]))
def test_texts_come_through_pubtator(text, suffix, tmp_path, vocab):
    save(tmp_path / f"a{suffix}", text if suffix == ".txt" else json.dumps({"id": "a", "title": "", "text": text}))
    write(read(tmp_path / f"a{suffix}", vocab), tmp_path / "b.pubtator")
    (doc,) = read(tmp_path / "b.pubtator", vocab, strict=True)
    assert (doc._.document_id, doc.text.rstrip(" ")) == ("a", text.replace("\t", " ").rstrip(" "))


@SETTINGS
@given(
    data=st.lists(
        st.sampled_from(
            [b"id,title,text\n", b"1,one,two\n", b'"', b",", b";", b"\t", b"\n", b"\r", b"\xff", b"\0", b"{}"]
        ),
        max_size=12,
    ).map(b"".join),
    format=st.sampled_from(["text", "text-lines", "csv", "tsv", "bioc-jsonl", "bioc-json"]),
)
def test_no_bytes_end_in_another_error(data, format, tmp_path, vocab):
    found = list(read_each(save(tmp_path / "a", data), vocab, format=format))
    assert found and all(one.cause for one in found if isinstance(one, Rejected))
