"""Kinds of output: what `annotate` writes in each, and tables of documents."""

import csv
import gzip
import io
import json
import re

import pytest
import spacy
from annotate_files import block, pubtator, relations

from embre_spacy.annotate import COLUMNS, relation_rows, write_table
from embre_spacy.formats import read, write


def predicted(nlp, path):
    """What the pipeline says of a file, without any of what is tested here."""
    return list(nlp.pipe(read(path, nlp.vocab, on_anomalies=lambda line: None)))


def rows_of(path):
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[1]
    if kind == "parquet":
        from pyarrow import parquet

        return [[row[name] for name in COLUMNS] for row in parquet.read_table(path).to_pylist()]
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.name.endswith(".gz") else data).decode()
    if kind == "jsonl":
        return [[row[name] for name in COLUMNS] for row in map(json.loads, text.splitlines())]
    first, *rows = csv.reader(io.StringIO(text), delimiter="," if kind == "csv" else "\t")
    assert tuple(first) == COLUMNS
    return [[*row[:8], row[8] or None, *(float(one) if one else None for one in row[9:12]), *row[12:]] for row in rows]


@pytest.mark.parametrize("name", ["out.xml", "out.json", "out.jsonl", "out.pubtator", "out.spacy", "out.xml.gz"])
def test_every_format_is_what_write_makes(name, run, nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(7)))
    summary = run("a.pubtator", name)
    docs = predicted(nlp, tmp_path / "a.pubtator")
    write(docs, tmp_path / f"expected.{name}", on_anomalies=lambda line: None)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"expected.{name}").read_bytes()
    found = sum(len(doc._.relations) for doc in docs)
    assert (summary.documents, summary.relations, summary.rejected) == (7, found, 0) and found > 7
    assert not any("Gold" in str(one) for one in relations(tmp_path / name, nlp.vocab).values())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.pubtator", name, f"expected.{name}"])


@pytest.mark.parametrize(
    "name, to",
    [("out.csv", None), ("out.tsv.gz", None), ("out.jsonl", "relations-jsonl"), ("out.parquet", None)],
)
def test_every_table_is_what_the_documents_have(name, to, run, nlp, tmp_path):
    if "parquet" in name:
        pytest.importorskip("pyarrow")
    # What CSV must quote.
    text = block(1, title='Aspirin causes gastric ulcer, "so, to say"') + "\n" + pubtator(range(2, 7))
    (tmp_path / "a.pubtator").write_text(text.replace("\tfever\t", "\tfe,ver\t"))
    run("a.pubtator", name, to=to)
    docs = predicted(nlp, tmp_path / "a.pubtator")
    expected = [row for doc in docs for row in relation_rows(doc)]
    assert rows_of(tmp_path / name) == expected
    first, relation = expected[0], docs[0]._.relations[0]
    assert first == [
        *("1", relation.source.id, relation.source.type, relation.source.name),
        *(relation.target.id, relation.target.type, relation.target.name, relation.type, relation.novelty),
        *(relation.pair_probability, relation.type_probabilities[relation.type]),
        relation.novelty_probabilities[relation.novelty],
        *('Aspirin causes gastric ulcer, "so, to say"', "0 42"),
    ]
    assert any(row[13].count(";") == 1 for row in expected)
    kind = to or f"relations-{name.split('.')[1]}"
    write_table(docs, tmp_path / f"expected.{name}", kind)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"expected.{name}").read_bytes()


def test_gold_relations_in_tables_have_no_probabilities(nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(block(1))
    (doc,) = read(tmp_path / "a.pubtator", nlp.vocab)
    evidence = ["Aspirin causes gastric ulcer", "0 28"]
    assert relation_rows(doc)[0][7:] == ["Gold", "Novel", None, None, None, *evidence]
    write_table([doc], tmp_path / "a.csv", "relations-csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[1].endswith(f",Gold,Novel,,,,{','.join(evidence)}")


def test_relations_of_the_input_do_not_keep_their_probabilities(run, nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(block(1))
    run("a.pubtator", "first.json")
    found = json.loads((tmp_path / "first.json").read_text())
    assert found["documents"][0]["relations"]
    for relation in found["documents"][0]["relations"]:
        assert relation["infons"].pop("type_score")
        relation["infons"]["score"] = "0.0000"
    (tmp_path / "other.json").write_text(json.dumps(found))
    run("other.json", "second.json")
    assert [doc._.relations for doc in predicted(nlp, tmp_path / "other.json")]
    again = json.loads((tmp_path / "second.json").read_text())
    first = json.loads((tmp_path / "first.json").read_text())
    assert again["documents"][0]["relations"] == first["documents"][0]["relations"]


def test_documents_that_the_output_cannot_have_are_set_aside(run, nlp, tmp_path):
    texts = {"1": "good", "2": "a\u0000b", "3": "good"}
    lines = [json.dumps({"id": key, "passages": [{"offset": 0, "text": text}]}) for key, text in texts.items()]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert run("a.jsonl", "out.xml").rejected == 1
    assert list(relations(tmp_path / "out.xml", nlp.vocab)) == ["1", "3"]
    reject = json.loads((tmp_path / "out.xml.rejects.jsonl").read_text())
    assert reject["document"] == "2" and reject["cause"].startswith("cannot be written as XML")
    assert run("a.jsonl", "out.pubtator").rejected == 0


def names_of(*names):
    """Documents whose concepts have these names, with a relation each."""
    for number, name in enumerate(names):
        doc = spacy.blank("en")("text")
        doc._.document_id = str(number)
        doc._.relations = [{"source": "D1", "target": "D2", "type": "Bind"}]
        doc._.relations[0].source["name"] = name
        yield doc


@pytest.mark.parametrize("kind, delimiter", [("relations-csv", ","), ("relations-tsv", "\t")])
def test_line_ends_in_names_end_no_row(kind, delimiter, tmp_path):
    names = ["one\rtwo", "one\ntwo", "\r\n", "a\u2028b", "plain"]
    write_table(names_of(*names), tmp_path / "out", kind)
    for newline in ("", None):
        with (tmp_path / "out").open(newline=newline, encoding="utf8") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter))
        expected = names if newline == "" else [re.sub("\r\n?", "\n", name) for name in names]
        assert [row["source_name"] for row in rows] == expected
    assert (tmp_path / "out").read_bytes().endswith(b"\n") and b"plain" in (tmp_path / "out").read_bytes()


def test_text_that_is_a_formula_is_quoted_if_that_is_asked_for(nlp, run, tmp_path):
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a=1", "1"]
    for quotes in (False, True):
        write_table(names_of(*names), tmp_path / "out.csv", "relations-csv", quote_formulas=quotes)
        with (tmp_path / "out.csv").open(newline="", encoding="utf8") as file:
            found = [row["source_name"] for row in csv.DictReader(file)]
        assert found == ([f"'{name}" for name in names[:6]] + names[6:] if quotes else names)
    (tmp_path / "a.pubtator").write_text(block(1).replace("Aspirin", "=spirin"))
    for output, to in (("t.tsv", None), ("t/", "relations-csv")):
        run("a.pubtator", output, to=to, quote_formulas=True)
        path = tmp_path / ("t/a.csv" if to else output)
        assert "'=spirin" in path.read_text() and not re.search(r"(^|[,\t])=", path.read_text())
