"""A run: files in, files and tables out, what is set aside, and what is refused."""

import gzip
import json
import os
import re
import subprocess
import sys

import pytest
import spacy
from annotate_files import block, no_space_for, pubtator, relations, written
from pubtator3_service import serve
from typer.testing import CliRunner

from embre_spacy.annotate import COLUMNS
from embre_spacy.annotate.units import UNIT_BYTES
from embre_spacy.cli import app
from embre_spacy.errors import InputError
from embre_spacy.formats import read, write


def command(*arguments, code):
    result = CliRunner().invoke(app, ["annotate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("suffix", ["xml", "json", "jsonl", "spacy", "pubtator.gz", "xml.gz"])
def test_every_format_comes_in(suffix, run, nlp, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(5)))
    write(read(tmp_path / "a.pubtator", nlp.vocab), tmp_path / f"in.{suffix}")
    run("a.pubtator", "expected.csv")
    run(f"in.{suffix}", "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_texts_come_in(run, tmp_path):
    """Without mentions nothing is related; the documents come out all the same, each with an id of its own."""
    title, text = "Aspirin lowers fever", "It binds PTGS2."
    for folder in ("in/a", "in/b"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "one.txt").write_text(text)
    (tmp_path / "in" / "c.csv").write_text(f"title,abstract\n{title},{text}\n,\nx,y,z\n")
    (tmp_path / "in" / "d.jsonl").write_text(json.dumps({"pmid": 5, "text": text}) + "\n{}\n")
    article = f"<ArticleTitle>{title}</ArticleTitle><Abstract><AbstractText>{text}</AbstractText></Abstract>"
    citation = f"<PubmedArticle><MedlineCitation><PMID>6</PMID>{article}</MedlineCitation></PubmedArticle>"
    xml = f"<PubmedArticleSet>{citation}{citation.replace('<PMID>6</PMID>', '')}</PubmedArticleSet>"
    (tmp_path / "in" / "e.xml.gz").write_bytes(gzip.compress(xml.encode()))
    summary = run("in", "out.jsonl")
    assert (summary.documents, summary.rejected) == (6, 2)
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [one["id"] for one in found] == ["one", "one.1", "c-2", "5", "6", "e-2"]
    assert [len(one["passages"]) for one in found] == [1, 1, 2, 1, 2, 2]
    rejects = (tmp_path / "out.jsonl.rejects.jsonl").read_text().splitlines()
    assert [(one["file"], one["number"]) for one in map(json.loads, rejects)] == [("in/c.csv", 2), ("in/d.jsonl", 2)]
    run("in/a", "out/", to="pubtator")
    assert (tmp_path / "out" / "one.pubtator").read_text() == f"one|t|{text}\none|a|\n\n"


def test_documents_of_pubtator3(run, model, tmp_path, monkeypatch):
    with serve(tmp_path / "cache", monkeypatch) as service:
        service.absent = {"8"}
        (tmp_path / "pmids.txt").write_text("9 8 7")
        result = command(model, "out.csv", "--pmids", tmp_path / "pmids.txt", code=3)
        assert result.stdout.startswith("out.csv: documents 2, relations ")
        reject = json.loads((tmp_path / "out.csv.rejects.jsonl").read_text())
        assert reject["document"] == "8" and reject["file"] == f"pubtator3:@{tmp_path}/pmids.txt"
        assert run("pubtator3:7", "pubtator3:9", "out/", to="bioc-xml").documents == 2
        assert sorted(written(tmp_path / "out")) == ["7.xml", "9.xml"] and len(service.asked) == 1
        with pytest.raises(InputError, match="pubtator3:8: PubTator3 has none of these documents"):
            run("pubtator3:8", "more.csv")
        with pytest.raises(InputError, match="pubtator3: documents of PubTator3 have their format"):
            run("pubtator3:7", "more.csv", from_format="csv")
    assert "name an INPUT, or a file of PMIDs" in command(model, "more.csv", code=1).stderr


def test_folders_patterns_and_files(run, nlp, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "b.pubtator").write_text(pubtator([1, 2]))
    (tmp_path / "in" / "deep" / "a.PubTator.gz").write_bytes(gzip.compress(pubtator([3]).encode()))
    (tmp_path / "in" / "notes.md").write_text("no documents")
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
    assert run("notes.spacy", "more", "out.jsonl").rejected == 0
    found = list(relations(tmp_path / "out.jsonl", nlp.vocab))
    assert found == ["notes-1", "notes-2", "notes-3", "notes.1-1", "notes.1-2", "notes.1-3"]


def bad_lines():
    """Documents as JSON lines, one of them without an id, one broken, one no document, one twice, and one not text."""
    documents = [{"id": str(number), "passages": [{"offset": 0, "text": f"text {number}"}]} for number in range(40)]
    lines = [json.dumps(document).encode() for document in documents]
    lines[7], lines[20], lines[21] = lines[7].replace(b'"id": "7", ', b""), b"{", b'{"documents": [5]}'
    lines[30], lines[35], lines[36] = lines[3], lines[35].replace(b"text 3", b"\xff"), b" "
    return b"\n".join(lines)


def bad_blocks():
    blocks = [block(number).encode() for number in range(40)]
    blocks[7], blocks[20] = blocks[7].replace(b"|a|", b"|"), b"wrong\n"
    blocks[30], blocks[35] = blocks[3], blocks[35].replace("“".encode(), b"\xff")
    return b"\n".join(blocks)


def bad_xml():
    passage = "<passage><offset>{}</offset><text>Aspirin</text></passage>"
    parts = [f"<document><id>{number}</id>{passage.format(0)}</document>" for number in range(40)]
    parts[7] = parts[7].replace("<id>7</id>", "<id></id>")
    parts[20], parts[30] = f"<document><id>20</id>{passage.format('x')}</document>", parts[3]
    head = '<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd"><collection><source>PubMed</source><date/>'
    return "\n".join([head, *parts, "</collection>"]).encode()


@pytest.mark.parametrize("name, make", [("a.jsonl", bad_lines), ("a.pubtator", bad_blocks), ("a.xml", bad_xml)])
def test_a_file_that_is_cut_gives_what_it_gives_as_a_whole(name, make, run, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(make())
    whole = run(name, "whole.xml")
    folder = run(name, "whole/", to="relations-jsonl")
    assert 34 <= whole.documents < 40 and whole[:3] == folder[:3]
    # Single documents, and some together.
    for unit_bytes in (1, 600):
        monkeypatch.setitem(UNIT_BYTES, "cpu", (unit_bytes, unit_bytes))
        assert run(name, "cut.xml", overwrite=True)[:3] == whole[:3]
        run(name, "cut/", to="relations-jsonl", overwrite=True)
        for path in ("cut.xml", "cut.xml.rejects.jsonl", "cut/a.jsonl", "cut/rejects.jsonl"):
            assert (tmp_path / path).read_bytes() == (tmp_path / path.replace("cut", "whole", 1)).read_bytes()


def test_five_bad_documents_among_a_thousand(run, nlp, tmp_path):
    blocks = [block(number) for number in range(1000)]
    for number in (0, 17, 18, 500, 999):
        blocks[number] = blocks[number].replace("\tDisease\tD005334", "\t", 1).replace("|a|", "|")
    (tmp_path / "a.pubtator").write_text("\n".join(blocks))
    summary = run("a.pubtator", "out.csv")
    assert (summary.documents, summary.rejected) == (995, 5)
    assert len({row.split(",")[0] for row in (tmp_path / "out.csv").read_text().splitlines()[1:]}) == 995
    rejects = [json.loads(line) for line in (tmp_path / "out.csv.rejects.jsonl").read_text().splitlines()]
    assert [one["number"] for one in rejects] == [1, 18, 19, 501, 1000]


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


def test_wrong_arguments_are_refused_before_anything_is_done(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pubtator").write_text(pubtator([1]))
    (tmp_path / "b.doc").write_text(pubtator([1]))
    (tmp_path / "a.xml").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.csv.parts").mkdir()
    (tmp_path / "mine.csv.parts" / "thesis.txt").write_text("")
    for arguments, cause in [
        ((model, "none.xml", "out.csv"), "none.xml: no such file"),
        ((model, "none*.xml", "out.csv"), "none*.xml: no file fits this pattern"),
        ((model, "empty", "out.csv"), "empty: no file in this folder has a known suffix"),
        ((model, "b.doc", "out.csv"), "b.doc: unknown suffix"),
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
        ((model, "a.pubtator", "unknown://x/out.csv"), "unknown://x/out.csv: Protocol not known"),
        ((model, "a.pubtator", "s3://bucket/", "--to", "docbin"), "s3://bucket/: a folder in the bucket is needed"),
        ((model, "a.pubtator", "s3://b", "--to", "docbin"), "s3://b: a folder in the bucket is needed"),
        ((model, "a.pubtator", "mine.csv"), "mine.csv.parts: a folder of this name exists already"),
    ]:
        result = command(*arguments, code=1)
        assert result.stderr.replace(f"{tmp_path}/", "", 1).startswith(f"Error: {cause}"), result.stderr
        assert result.stdout == "" and result.stderr.count("\n") == 1
    command(model, "a.pubtator", "out.csv", "--to", "excel", code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.pubtator",
        "a.xml",
        "b.doc",
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


def test_an_output_that_is_named_as_an_input_is_refused(run, tmp_path):
    for name in ("a.jsonl", "b.jsonl.rejects.jsonl"):
        (tmp_path / name).write_text("{}")
        with pytest.raises(InputError, match=f"{name}: it is an input too"):
            run(name, name.removesuffix(".rejects.jsonl"), overwrite=True)


def test_an_output_that_a_link_names_or_that_is_no_file_is_refused(run, tmp_path):
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "out.csv").symlink_to("a.jsonl")
    (tmp_path / "b.csv.rejects.jsonl").symlink_to(tmp_path / "a.jsonl")
    (tmp_path / "deep").symlink_to(".")
    for output in ("out.csv", "b.csv", "deep/a.jsonl"):
        with pytest.raises(InputError, match=r"^a\.jsonl: it is an input too"):
            run("a.jsonl", output, overwrite=True)
    os.mkfifo(tmp_path / "c.csv")
    os.mkfifo(tmp_path / "d.csv.rejects.jsonl")
    (tmp_path / "e.csv").symlink_to("/dev/null")
    for output in ("c.csv", "d.csv", "e.csv"):
        with pytest.raises(InputError, match="it is a device or a pipe"):
            run("a.jsonl", output, overwrite=True)
    assert (tmp_path / "a.jsonl").read_text() == "{}" and not list(tmp_path.glob("*.parts"))


def test_rejects_of_an_earlier_run_are_not_replaced_unawares(run, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator([1]) + "\nwrong\n")
    (tmp_path / "b.pubtator").write_text(pubtator([2]))
    run("a.pubtator", "out/", to="relations-csv")
    before = (tmp_path / "out" / "rejects.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"out/rejects\.jsonl: it exists: --overwrite replaces it"):
        run("b.pubtator", "out/", to="relations-csv")
    assert (tmp_path / "out" / "rejects.jsonl").read_bytes() == before
    run("b.pubtator", "out/", to="relations-csv", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("identifier", ["", "\t-", "\t-1"])
def test_mentions_without_identifiers_are_noted_once(identifier, run, tmp_path):
    for name, numbers in (("a", range(4)), ("b", range(4, 6))):
        blocks = [re.sub(r"\t(D\d+|500\d)$", identifier, block(number), flags=re.M) for number in numbers]
        # One mention that has an identifier is enough, and no mention is no matter.
        text = "\n".join([*blocks, block(10 + min(numbers)), f"{20 + min(numbers)}|t|Nothing here\n"])
        (tmp_path / f"{name}.pubtator").write_text(text.replace("\tGold", "\tOther"))
    for output in ("out.csv", "out/"):
        notes = run("a.pubtator", "b.pubtator", output, to="relations-csv").notes
        found = [note for note in notes if "identifier" in note and "mentions" in note]
        assert len(found) == 1 and found[0].startswith(
            "documents with mentions of which none has an identifier: 6 (relations are between identifiers"
        )
    (tmp_path / "c.pubtator").write_text(block(1))
    assert run("c.pubtator", "c.csv").notes == []


def test_a_name_that_is_not_utf8_gives_ids_and_rejects(run, nlp, tmp_path):
    write([spacy.blank("en")("no id"), spacy.blank("en")("id")], tmp_path / "a.spacy")
    (tmp_path / "a.spacy").rename(os.fsdecode(os.fsencode(tmp_path) + b"/a\xe9.spacy"))
    (tmp_path / os.fsdecode(b"b\xe8.pubtator")).write_text(pubtator([1]) + "\nwrong\n")
    for names in (("a\udce9.spacy", "b\udce8.pubtator"), (".",)):
        summary = run(*names, "out.jsonl", overwrite=True)
        assert (summary.documents, summary.rejected) == (3, 1)
        assert sorted(relations(tmp_path / "out.jsonl", nlp.vocab)) == ["1", "a?-1", "a?-2"]
        assert json.loads((tmp_path / "out.jsonl.rejects.jsonl").read_text())["file"].endswith("\udce8.pubtator")


def test_a_folder_for_the_outputs_of_its_own_files(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pubtator").write_text(pubtator(range(3)))
    assert run("in", "in/", to="relations-csv").documents == 3
    assert run("in/*.pubtator", "in/", to="relations-csv", overwrite=True).documents == 3


@pytest.mark.parametrize(
    "output, file", [("out/", r"out/a\.jsonl"), ("out.jsonl", r"out\.jsonl\.parts/00000000\.[0-9a-f]{8}")]
)
def test_a_file_that_there_is_no_space_for_is_named(output, file, run, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(40)))
    with pytest.raises(InputError) as error, no_space_for(10_000):
        run("a.pubtator", output, to="bioc-jsonl")
    assert re.fullmatch(f"{re.escape(str(tmp_path))}/{file}: file too large", str(error.value))
    assert not list(tmp_path.rglob("*.part"))
    assert run("a.pubtator", output, to="bioc-jsonl").documents == 40
