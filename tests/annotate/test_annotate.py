"""Files in, files and tables out."""

import csv
import gzip
import io
import json
import subprocess
import sys

import pytest
import spacy
from annotate_files import block, pubtator
from typer.testing import CliRunner

from embre_spacy.annotate import COLUMNS, relation_rows, write_table
from embre_spacy.cli import app
from embre_spacy.errors import EmbreError, InputError
from embre_spacy.formats import read, write


def relations(path, vocab):
    docs = read(path, vocab, on_anomalies=lambda line: None)
    return {doc._.document_id: [(one.pair, one.type, one.novelty) for one in doc._.relations] for doc in docs}


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
    return [[*row[:8], row[8] or None, *(float(value) if value else None for value in row[9:])] for row in rows]


@pytest.mark.parametrize("name", ["out.xml", "out.json", "out.jsonl", "out.pubtator", "out.spacy", "out.xml.gz"])
def test_every_format_is_what_write_makes(name, run, nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(7)))
    summary = run("a.pubtator", name, shard_size=3)
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
    run("a.pubtator", name, to=to, shard_size=2)
    docs = predicted(nlp, tmp_path / "a.pubtator")
    expected = [row for doc in docs for row in relation_rows(doc)]
    assert rows_of(tmp_path / name) == expected
    first, relation = expected[0], docs[0]._.relations[0]
    assert first == [
        *("1", relation.source.id, relation.source.type, relation.source.name),
        *(relation.target.id, relation.target.type, relation.target.name, relation.type, relation.novelty),
        *(relation.pair_probability, relation.type_probabilities[relation.type]),
        relation.novelty_probabilities[relation.novelty],
    ]
    kind = to or f"relations-{name.split('.')[1]}"
    write_table(docs, tmp_path / f"expected.{name}", kind)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"expected.{name}").read_bytes()


def test_gold_relations_in_tables_have_no_probabilities(nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(block(1))
    (doc,) = read(tmp_path / "a.pubtator", nlp.vocab)
    assert relation_rows(doc)[0][7:] == ["Gold", "Novel", None, None, None]
    write_table([doc], tmp_path / "a.csv", "relations-csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[1].endswith(",Gold,Novel,,,")


@pytest.mark.parametrize("suffix", ["xml", "json", "jsonl", "spacy", "pubtator.gz", "xml.gz"])
def test_every_format_comes_in(suffix, run, nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(5)))
    write(read(tmp_path / "a.pubtator", nlp.vocab), tmp_path / f"in.{suffix}")
    run("a.pubtator", "expected.csv")
    run(f"in.{suffix}", "out.csv", shard_size=2)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_folders_patterns_and_files(run, nlp, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "b.pubtator").write_text(pubtator([1, 2]))
    (tmp_path / "in" / "deep" / "a.PubTator.gz").write_bytes(gzip.compress(pubtator([3]).encode()))
    (tmp_path / "in" / "notes.txt").write_text("no documents")
    (tmp_path / "x1.pubtator").write_text(pubtator([4]))
    (tmp_path / "x2.pubtator").write_text(pubtator([5]))
    run("in", "x?.pubtator", "all.jsonl")
    assert list(relations(tmp_path / "all.jsonl", nlp.vocab)) == ["1", "2", "3", "4", "5"]
    run("in/", "x?.pubtator", "out/", to="bioc-xml")
    files = ["b.xml", "deep", "deep/a.xml", "x1.xml", "x2.xml"]
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")) == files
    assert list(relations(tmp_path / "out" / "b.xml", nlp.vocab)) == ["1", "2"]
    assert relations(tmp_path / "out/deep/a.xml", nlp.vocab) == {"3": relations(tmp_path / "all.jsonl", nlp.vocab)["3"]}
    assert not (tmp_path / "out.parts").exists()
    # A folder that is there need not end in "/", and its files are not replaced unawares.
    with pytest.raises(InputError, match=r"b\.xml: it exists: --overwrite"):
        run("in", "out", to="bioc-xml")
    run("in", "out", to="bioc-xml", overwrite=True)


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


def test_a_folder_has_rejects_of_its_own(run, nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator([1]) + "\n9|t|x\nwrong\n")
    (tmp_path / "b.pubtator").write_text("8|t|x\nwrong\n")
    # One id in two files is no matter where each has its own.
    (tmp_path / "c.pubtator").write_text(pubtator([1]))
    summary = run("a.pubtator", "b.pubtator", "c.pubtator", "out/", to="relations-csv")
    assert (summary.documents, summary.rejected) == (2, 2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "b.csv", "c.csv", "rejects.jsonl"]
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()]
    assert [(one["document"], one["number"]) for one in rejects] == [("9", 2), ("8", 1)]
    assert rejects[1]["file"] == "b.pubtator"
    # Where nothing came out there is no file of documents, and a clean run leaves no rejects.
    run("a.pubtator", "b.pubtator", "docs/", to="bioc-json")
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["a.json", "rejects.jsonl"]
    (tmp_path / "a.pubtator").write_text(pubtator([1]))
    run("a.pubtator", "docs/", to="bioc-json", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["a.json"]


def test_one_id_in_two_files(run, nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator([1, 2]))
    (tmp_path / "b.pubtator").write_text(pubtator([3, 1]) + "\nwrong\n\n" + pubtator([4]))
    for name in ("out.csv", "out.jsonl", "out.spacy"):
        summary = run("a.pubtator", "b.pubtator", name)
        rejects = [json.loads(line) for line in (tmp_path / f"{name}.rejects.jsonl").read_text().splitlines()]
        assert rejects == [
            {"file": "b.pubtator", "document": "1", "number": 2, "cause": "a.pubtator has this document too"},
            {
                "file": "b.pubtator",
                "document": None,
                "number": 3,
                "cause": "line 17: a document must start with its title (id|t|title)",
            },
        ]
        assert (summary.documents, summary.rejected) == (4, 2)
    found = relations(tmp_path / "out.jsonl", nlp.vocab)
    assert list(found) == ["1", "2", "3", "4"]
    assert summary.relations == sum(map(len, found.values()))
    # A later run without bad documents leaves no rejects of an earlier one.
    run("a.pubtator", "out.csv", overwrite=True)
    assert not (tmp_path / "out.csv.rejects.jsonl").exists()


def test_documents_without_an_id_get_one(run, nlp, tmp_path):
    docs = [spacy.blank("en")("no id") for _ in range(3)]
    write(docs, tmp_path / "notes.spacy")
    (tmp_path / "more").mkdir()
    write(docs, tmp_path / "more" / "notes.spacy")
    assert run("notes.spacy", "more", "out.jsonl", shard_size=2).rejected == 0
    found = list(relations(tmp_path / "out.jsonl", nlp.vocab))
    assert found == ["notes-1", "notes-2", "notes-3", "notes.1-1", "notes.1-2", "notes.1-3"]


def test_documents_that_the_output_cannot_have_are_set_aside(run, nlp, tmp_path):
    texts = {"1": "good", "2": "a\u0000b", "3": "good"}
    lines = [json.dumps({"id": key, "passages": [{"offset": 0, "text": text}]}) for key, text in texts.items()]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert run("a.jsonl", "out.xml").rejected == 1
    assert list(relations(tmp_path / "out.xml", nlp.vocab)) == ["1", "3"]
    reject = json.loads((tmp_path / "out.xml.rejects.jsonl").read_text())
    assert reject["document"] == "2" and reject["cause"].startswith("cannot be written as XML")
    assert run("a.jsonl", "out.pubtator").rejected == 0


def test_five_bad_documents_among_a_thousand(run, nlp, tmp_path):
    blocks = [block(number) for number in range(1000)]
    for number in (0, 17, 18, 500, 999):
        blocks[number] = blocks[number].replace("\tDisease\tD005334", "\t", 1).replace("|a|", "|b|")
    (tmp_path / "a.pubtator").write_text("\n".join(blocks))
    summary = run("a.pubtator", "out.csv")
    assert (summary.documents, summary.rejected) == (995, 5)
    assert len({row[0] for row in rows_of(tmp_path / "out.csv")}) == 995
    rejects = [json.loads(line) for line in (tmp_path / "out.csv.rejects.jsonl").read_text().splitlines()]
    assert [one["number"] for one in rejects] == [1, 18, 19, 501, 1000]


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_document_that_the_pipeline_fails_on_takes_no_other_with_it(n_process, run, fragile_model, tmp_path):
    blocks = [
        block(
            number, title="Aspirin causes gastric ulcer POISON" if number in (3, 9) else "Aspirin causes gastric ulcer"
        )
        for number in range(12)
    ]
    (tmp_path / "a.pubtator").write_text("\n".join(blocks))
    summary = run("a.pubtator", "out.jsonl", model=fragile_model, batch_size=4, n_process=n_process, shard_size=5)
    assert (summary.documents, summary.rejected) == (10, 2)
    rejects = [json.loads(line) for line in (tmp_path / "out.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [(one["document"], one["number"], one["cause"]) for one in rejects] == [
        ("3", 4, "RuntimeError: the document is poisonous"),
        ("9", 10, "RuntimeError: the document is poisonous"),
    ]
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [one["id"] for one in found] == [str(number) for number in range(12) if number not in (3, 9)]
    # Not one that only shared a batch with it has lost its prediction.
    assert all(relation["infons"]["type"] != "Gold" for one in found for relation in one["relations"])


def test_a_pipeline_that_fails_on_everything_is_an_error(run, fragile_model, tmp_path):
    text = "\n".join(block(number, title="Aspirin causes gastric ulcer POISON") for number in range(101))
    (tmp_path / "a.pubtator").write_text(text)
    with pytest.raises(EmbreError, match="failed on 100 documents in a row, at last with RuntimeError"):
        run("a.pubtator", "out.csv", model=fragile_model)
    assert not (tmp_path / "out.csv").exists()


def test_two_processes_say_the_same_as_one(run, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(40)))
    (tmp_path / "b.pubtator").write_text(pubtator(range(100, 103)))
    run("a.pubtator", "b.pubtator", "one.jsonl", batch_size=8)
    run("a.pubtator", "b.pubtator", "two.jsonl", batch_size=3, n_process=2, shard_size=7)
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    run("a.pubtator", "b.pubtator", "one.csv")
    run("a.pubtator", "b.pubtator", "two.csv", n_process=2, batch_size=4)
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


# For a GPU no batch may go on where a shard ends, in the middle of a DocBin too; how that is done is the same here.
@pytest.mark.parametrize("gpu", [False, True])
def test_the_vocabulary_does_not_grow_with_the_corpus(gpu, model, tmp_path, monkeypatch):
    from embre_spacy.annotate import engine
    from embre_spacy.annotate.sources import find_sources

    nlp = spacy.load(model)
    monkeypatch.setattr(engine, "_REMEMBERED", 30)
    (tmp_path / "a.pubtator").write_text(pubtator(range(200)))
    write(read(tmp_path / "a.pubtator", spacy.blank("en").vocab), tmp_path / "b.spacy")
    sources = find_sources([str(tmp_path / "a.pubtator"), str(tmp_path / "b.spacy")])
    targets = {0: str(tmp_path / "a.csv"), 1: str(tmp_path / "b.csv")}
    settings = engine.Settings("relations-csv", str(tmp_path / "work"), targets, 40, 64, 1, gpu)
    before = len(nlp.vocab.strings)
    engine.annotate_files(nlp, sources, settings)
    # Each document has words of its own.
    assert len(nlp.vocab.strings) < before + 100
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_as_a_program_from_standard_input(model, tmp_path):
    command = [sys.executable, "-m", "embre_spacy", "annotate", model]
    text = pubtator([1, 2]) + "\nwrong\n"
    result = subprocess.run(
        [*command, "-", "new/out.csv", "--from", "pubtator"], cwd=tmp_path, input=text, capture_output=True, text=True
    )
    assert result.returncode == 3, result.stderr
    assert result.stdout.startswith("new/out.csv: documents 2, relations ") and ", set aside 1, " in result.stdout
    assert result.stderr == "new/out.csv.rejects.jsonl: 1 documents were set aside\n"
    assert json.loads((tmp_path / "new" / "out.csv.rejects.jsonl").read_text())["file"] == "-"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["out.csv", "out.csv.rejects.jsonl"]


def command(*arguments, code):
    result = CliRunner().invoke(app, ["annotate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_wrong_arguments_are_refused_before_anything_is_done(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pubtator").write_text(pubtator([1]))
    (tmp_path / "b.txt").write_text(pubtator([1]))
    (tmp_path / "a.xml").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.csv.parts").mkdir()
    (tmp_path / "mine.csv.parts" / "thesis.txt").write_text("")
    for arguments, cause in [
        ((model, "none.xml", "out.csv"), "none.xml: no such file"),
        ((model, "none*.xml", "out.csv"), "none*.xml: no file fits this pattern"),
        ((model, "empty", "out.csv"), "empty: no file in this folder has a known suffix"),
        ((model, "b.txt", "out.csv"), "b.txt: unknown suffix"),
        ((model, "-", "out.csv"), "-: standard input has no suffix"),
        ((model, "a.pubtator", "./a.pubtator", "out.csv"), "./a.pubtator: it is named twice"),
        ((model, "a.pubtator", "a.xml", "out/", "--to", "docbin"), "a.xml: a.pubtator has the same output"),
        ((model, "a.pubtator", "a.pubtator"), "a.pubtator: it is an input too"),
        ((model, "a.pubtator", "a.xml"), "a.xml: it exists: --overwrite replaces it"),
        ((model, "a.pubtator", "out.txt"), "out.txt: unknown suffix"),
        ((model, "a.pubtator", "out.parquet.gz"), "out.parquet.gz: a .parquet file is compressed already"),
        ((model, "a.pubtator", "out/"), "out/: a folder has no suffix"),
        ((tmp_path / "none", "a.pubtator", "out.csv"), "none: no pipeline can be loaded"),
        ((model, "a.pubtator", "out.csv", "--engine", "ray", "-n", "2"), "with Ray, actors are the processes"),
        ((model, "a.pubtator", "out.csv", "--actors", "2"), "--actors is for --engine ray"),
        ((model, "a.pubtator", "out.csv", "-n", "2", "-g", "0"), "one process uses a GPU"),
        ((model, "a.pubtator", "unknown://x/out.csv"), "unknown://x: "),
        ((model, "a.pubtator", "s3://bucket/", "--to", "docbin"), "s3://bucket/: a folder in the bucket is needed"),
        ((model, "a.pubtator", "s3://b", "--to", "docbin"), "s3://b: a folder in the bucket is needed"),
        ((model, "a.pubtator", "mine.csv"), "mine.csv.parts: the work folder would have this name"),
    ]:
        result = command(*arguments, code=1)
        assert result.stderr.replace(f"{tmp_path}/", "", 1).startswith(f"Error: {cause}"), result.stderr
        assert result.stdout == "" and result.stderr.count("\n") == 1
    command(model, "a.pubtator", "out.csv", "--to", "excel", code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.pubtator",
        "a.xml",
        "b.txt",
        "empty",
        "mine.csv.parts",
    ]


def test_where_nothing_comes_out_there_is_no_output(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.xml").write_text("<wrong/>")
    result = command(model, "a.xml", "out.json", code=1)
    assert "no document came out, and there is nothing to write: see out.json.rejects.jsonl" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xml", "out.json.rejects.jsonl"]
    # A table without rows is a table.
    assert "1 documents were set aside" in command(model, "a.xml", "out.csv", code=3).stderr
    assert (tmp_path / "out.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_what_is_odd_is_noted(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pubtator").write_text(block(1).replace("\tfever\t", "\tfewer\t"))
    result = command(model, "a.pubtator", "out.csv", code=0)
    assert result.stderr.startswith("Note: a.pubtator: annotations whose text differs") and "Gold" not in result.stderr


@pytest.mark.parametrize(
    "module, output, options", [("pyarrow", "out.parquet", []), ("ray", "o.csv", ["--engine", "ray"])]
)
def test_a_missing_extra_is_named(module, output, options, model, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator([1]))
    # None in sys.modules is how Python itself marks a module that must not be imported.
    code = f"import sys; sys.modules[{module!r}] = None; from embre_spacy.cli import app; app()"
    arguments = ["annotate", model, "a.pubtator", output, *options]
    result = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"pip install 'embre_spacy[{'parquet' if module == 'pyarrow' else 'ray'}]'" in result.stderr
    assert result.stderr.count("\n") == 1 and not (tmp_path / output).exists()


def test_help_names_every_option():
    result = CliRunner().invoke(app, ["annotate", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for word in ("MODEL", "INPUT", "--n-process", "--batch-size", "--gpu-id", "--engine", "--actors", "relations-csv"):
        assert word in result.stdout
