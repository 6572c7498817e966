"""The command `convert`: what it writes, says, and refuses."""

import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from spacy.lang.en import English
from typer.testing import CliRunner

import embre_spacy
from embre_spacy.cli import app
from embre_spacy.errors import InputError

XML = (
    '<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd"><collection><source/><date/><key/><document><id>7</id>'
    '<passage><offset>0</offset><text>one two</text><annotation id="a"><infon key="type">Gene</infon>'
    '<location offset="4" length="3"/><text>two</text></annotation></passage></document></collection>'
)
PUBTATOR = "7|t|one two\n7|a|three\n7\t0\t3\tone\tGene\t1\n"
MENTION = {"id": "a", "infons": {"type": "Gene"}, "text": "two", "locations": [{"offset": 4, "length": 3}]}
DOCUMENT = {"id": "7", "passages": [{"offset": 0, "text": "one two", "annotations": [MENTION]}]}


def as_json(**changes):
    return json.dumps({"documents": [{**DOCUMENT, **changes}]})


def with_mention(**changes):
    return as_json(passages=[{"offset": 0, "text": "one two", "annotations": [{**MENTION, **changes}]}])


BOMB = "<!DOCTYPE collection [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>"
OUTSIDE = [{"offset": 5, "length": 3}]

# File name, content, what the line says after the name of the file.
BAD_INPUT = {
    "truncated XML": ("a.xml", XML[:-40], "not valid XML"),
    "XML that ends after a document": ("a.xml", XML[:-13], "not valid XML"),
    "invalid XML": ("a.xml", XML.replace("</text>", "</txt>", 1), "not valid XML"),
    "text after the end of XML": ("a.xml", XML + "x", "not valid XML"),
    "JSON in a file of XML": ("a.xml", as_json(), "not valid XML"),
    "XML that is no BioC": ("a.xml", "<html/>", "neither BioC nor PubMed nor JATS: the root element is <html>"),
    "XML without a document": ("a.xml", "<collection/>", "it holds no document"),
    "XML with a wrong offset": ("a.xml", XML.replace('"4"', '"x"'), "document 7: not BioC: passages.0."),
    "XML without an offset": ("a.xml", XML.replace("<offset>0</offset>", ""), "document 7: not BioC: passages.0."),
    "annotation outside the text, XML": ("a.xml", XML.replace('"4"', '"6"'), "document 7: annotation a lies outside"),
    "entity bomb": ("a.xml", XML.replace('<!DOCTYPE collection SYSTEM "BioC.dtd">', BOMB), "refused: the XML declares"),
    "entity that is not declared": ("a.xml", XML.replace("one", "&x;"), "document 7: not valid XML: the entity &x;"),
    "elements in a text": ("a.xml", XML.replace("one", "<b>one</b>"), "document 7: not BioC: <b> inside <text>"),
    "truncated JSON": ("a.json", as_json()[:-9], "not valid JSON"),
    "truncated JSON of many lines": ("a.json", json.dumps(DOCUMENT, indent=1)[:-9], "not valid JSON"),
    "JSON with NaN": ("a.json", as_json(score=float("nan")), "document 7: cannot be kept: "),
    "JSON that is nested deeply": ("a.json", "[" * 100_000, "not valid JSON: maximum recursion"),
    "JSON with a number of many digits": ("a.json", "9" * 10_000, "not valid JSON"),
    "half a surrogate pair": ("a.json", as_json(x="\ud800"), "document 7: cannot be kept"),
    "JSON that is no BioC": ("a.json", '{"a": 1}', "not BioC: document 1 of the file is not an object"),
    "a number": ("a.json", "5", "not BioC"),
    "documents that are no list": ("a.json", '{"documents": {}}', "not BioC: its documents are not a list"),
    "a list of numbers": ("a.json", "[1]", "not BioC: document 1 of the file is not an object with passages"),
    "no documents": ("a.json", '{"PubTator3": []}', "it holds no document"),
    "an id that is a list": ("a.json", as_json(id=[7]), "not BioC: the id of document 1 of the file is neither"),
    "passages that are no list": (
        "a.json",
        as_json(passages="x"),
        "document 7: not BioC: passages: input should be a valid list",
    ),
    "a passage that is no object": (
        "a.json",
        as_json(passages=[1]),
        "document 7: not BioC: passages.0: input should be",
    ),
    "a text that is a number": (
        "a.json",
        as_json(passages=[{"offset": 0, "text": 1}]),
        "document 7: not BioC: passages.0.text: input should be a valid string",
    ),
    "an offset that is text": (
        "a.json",
        as_json(passages=[{"offset": "0"}]),
        "document 7: not BioC: passages.0.offset: input",
    ),
    "infons that are a list": (
        "a.json",
        with_mention(infons=[1]),
        "document 7: not BioC: passages.0.annotations.0.infons: ",
    ),
    "a location of negative length": (
        "a.json",
        with_mention(locations=[{"offset": 1, "length": -1}]),
        "document 7: not BioC: passages.0.annotations.0.locations.0.length: input should be greater",
    ),
    "annotation outside the text, JSON": (
        "a.json",
        with_mention(locations=OUTSIDE),
        "document 7: annotation a lies out",
    ),
    "two documents with one id, JSON": (
        "a.json",
        f"[{json.dumps(DOCUMENT)}, {json.dumps(DOCUMENT)}]",
        "document 7: two",
    ),
    "two documents with one id, lines": ("a.json", f"{json.dumps(DOCUMENT)}\n" * 2, "document 7: two documents"),
    "a line that is no JSON": ("a.jsonl", f"{json.dumps(DOCUMENT)}\n\n{{", "line 3: not valid JSON"),
    "a line that is no BioC": ("a.jsonl", "{}\n", "not BioC"),
    "no title": ("a.pubtator", "7\t0\t3\tone\tGene\n", "line 1: a document must start with its title"),
    "an abstract first": ("a.pubtator", "\n7|a|x\n7|t|y\n", "line 2: a document must start with its title"),
    "two titles": ("a.pubtator", "7|t|x\n7|t|y\n", "document 7: line 2: a second title"),
    "two abstracts": ("a.pubtator", "7|t|x\n7|a|y\n7|a|y\n", "document 7: line 3: a second abstract"),
    "a line of another document": (
        "a.pubtator",
        PUBTATOR + "8\t0\t3\tone\tGene\n",
        "document 7: line 4: it belongs to",
    ),
    "offsets that are no numbers": (
        "a.pubtator",
        PUBTATOR.replace("\t3\t", "\tx\t"),
        "document 7: line 3: offsets '0'",
    ),
    "offsets that are no range": ("a.pubtator", PUBTATOR.replace("\t0\t", "\t5\t"), "document 7: line 3: offsets '5'"),
    "an annotation without a type": ("a.pubtator", PUBTATOR + "7\t0\t3\tone\n", "document 7: line 4: an annotation"),
    "prose": ("a.pubtator", PUBTATOR + "some words\n", "document 7: line 4: it belongs to document 'some words'"),
    "too few columns": ("a.pubtator", PUBTATOR + "7\tx\n", "document 7: line 4: neither text nor annotation"),
    "annotation outside the text, PubTator": (
        "a.pubtator",
        PUBTATOR.replace("\t3\t", "\t14\t"),
        "document 7: line 3: the",
    ),
    "two documents with one id, PubTator": (
        "a.pubtator",
        f"{PUBTATOR}\n{PUBTATOR}",
        "document 7: two documents have this",
    ),
    "XML in a file of PubTator": ("a.pubtator", XML, "line 1: a document must start"),
    "empty XML": ("a.xml", "", "the file is empty"),
    "empty JSON": ("a.json", "", "the file is empty"),
    "empty lines of JSON": ("a.json", "\n\n", "the file is empty"),
    "empty lines": ("a.jsonl", "", "the file is empty"),
    "empty PubTator": ("a.pubtator", "", "the file is empty"),
    "empty DocBin": ("a.spacy", "", "the file is empty"),
    "empty lines of PubTator": ("a.pubtator", "\n\n", "it holds no document"),
    "rubbish in XML": ("a.xml", b"\x00\xff\xfe\x13", "not valid XML"),
    "rubbish in JSON": ("a.json", b"\xff\x00\x13", "not UTF-8 text"),
    "rubbish in lines": ("a.jsonl", b"\xff\x00\x13", "not UTF-8 text"),
    "rubbish in PubTator": ("a.pubtator", b"7|t|\xff\n", "not UTF-8 text"),
    "rubbish in a DocBin": ("a.spacy", b"\x00\xff\xfe\x13", "not a DocBin, or damaged"),
    "JSON in a DocBin": ("a.spacy", as_json(), "not a DocBin, or damaged"),
    "what is not gzipped": ("a.json.gz", as_json(), "not gzip, or truncated"),
    "truncated gzip": ("a.json.gz", gzip.compress(as_json().encode() * 9)[:-12], "not gzip, or truncated"),
    "truncated gzip of XML": ("a.xml.gz", gzip.compress(XML.encode())[:-12], "not gzip, or truncated"),
    "truncated gzip of PubTator": ("a.pubtator.gz", gzip.compress(PUBTATOR.encode())[:-12], "not gzip, or truncated"),
    "a gzipped DocBin": ("a.spacy.gz", b"x", "a .spacy file is compressed already"),
    "an unknown suffix": ("a.doc", PUBTATOR, "unknown suffix"),
    "no suffix": ("a", PUBTATOR, "unknown suffix"),
}


def run(*arguments):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def check_refused(result, folder, before, line):
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {line}"), result.stderr
    assert result.stderr.count("\n") == 1
    assert isinstance(result.exception, SystemExit)
    assert sorted(path.name for path in folder.iterdir()) == before


def rejects_of(output):
    """What is said of each document that was set aside, as an error says it."""
    lines = Path(f"{output}.rejects.jsonl").read_text(encoding="utf8").splitlines()
    return [str(InputError(row["cause"], file=row["file"], document=row["document"])) for row in map(json.loads, lines)]


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input(name, tmp_path):
    file, data, cause = BAD_INPUT[name]
    path = tmp_path / file
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    check_refused(run(path, tmp_path / "out.spacy", "--strict"), tmp_path, [file], f"{path}: {cause}")
    result = run(path, tmp_path / "out.xml")
    if result.exit_code == 3:
        # There is a good document before it.
        assert rejects_of(tmp_path / "out.xml")[-1].startswith(f"{path}: {cause}")
    else:
        check_refused(result, tmp_path, [file], f"{path}: {cause}")


@pytest.mark.parametrize("name", [f"a.{suffix}" for suffix in ("xml", "json", "jsonl", "pubtator", "spacy")])
def test_missing_file_and_folder(name, tmp_path):
    path = tmp_path / name
    check_refused(run(path, tmp_path / "out.xml"), tmp_path, [], f"{path}: no such file")
    path.mkdir()
    check_refused(run(path, tmp_path / "out.xml"), tmp_path, [name], f"{path}: it is a folder")


def test_truncated_docbin(tmp_path, sample_dir, vocab):
    path = tmp_path / "a.spacy"
    embre_spacy.write(embre_spacy.read(sample_dir / "dev.xml", vocab), path)
    path.write_bytes(path.read_bytes()[:-100])
    check_refused(run(path, tmp_path / "b.xml"), tmp_path, ["a.spacy"], f"{path}: not a DocBin, or damaged")


def test_external_entity_is_not_fetched(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    path = tmp_path / "a.xml"
    for declaration in (f"<!ENTITY x SYSTEM '{secret.as_uri()}'>", f"<!ENTITY % x SYSTEM '{secret.as_uri()}'> %x;"):
        doctype = f"<!DOCTYPE collection [{declaration}]>"
        path.write_text(XML.replace('<!DOCTYPE collection SYSTEM "BioC.dtd">', doctype).replace("one", "&x;"))
        result = run(path, tmp_path / "b.xml")
        check_refused(result, tmp_path, ["a.xml", "secret.txt"], f"{path}: refused: the XML declares entities")


@pytest.mark.parametrize("output", ["b.txt", "b.spacy.gz", "missing/b.xml", "folder.xml"])
def test_bad_output(output, tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    (tmp_path / "folder.xml").mkdir()
    check_refused(run(tmp_path / "a.xml", tmp_path / output), tmp_path, ["a.xml", "folder.xml"], tmp_path / output)


def test_characters_that_xml_cannot_have(tmp_path):
    path, output = tmp_path / "a.json", tmp_path / "b.xml"
    path.write_text(as_json(passages=[{"offset": 0, "text": "a\u0000b"}]))
    check_refused(run(path, output), tmp_path, ["a.json"], f"{path}: document 7: cannot be written as XML")
    assert run(path, tmp_path / "b.pubtator").exit_code == 0
    # One that can be written keeps its place beside one that cannot.
    (tmp_path / "c.json").write_text(as_json(id="8"))
    assert run(path, tmp_path / "c.json", output).exit_code == 3
    assert [line.partition(" as XML")[0] for line in rejects_of(output)] == [f"{path}: document 7: cannot be written"]
    assert [doc._.document_id for doc in embre_spacy.read(output, English().vocab)] == ["8"]


def test_bad_documents_are_set_aside_and_the_others_come_out(tmp_path):
    good, bad = json.dumps(DOCUMENT), json.dumps({**DOCUMENT, "id": "8", "passages": 5})
    (tmp_path / "a.jsonl").write_text(f"{bad}\n{good}\n{{\n{good.replace('7', '9', 1)}\n{good}")
    (tmp_path / "b.pubtator").write_text(f"{PUBTATOR.replace('7', '10')}\n{PUBTATOR}\nprose\n")
    (tmp_path / "c.xml").write_text(XML.replace("<id>7", "<id>11")[:-13])
    inputs = [tmp_path / name for name in ("a.jsonl", "b.pubtator", "c.xml")]
    for name in ("out.json", "out.spacy"):
        result = run(*inputs, tmp_path / name)
        assert result.exit_code == 3
        assert result.stdout == f"{tmp_path / name}: documents 4, mentions 4, relations 0\n"
        assert result.stderr.endswith(f"{name}.rejects.jsonl: 6 documents were set aside\n")
        docs = embre_spacy.read(tmp_path / name, English().vocab)
        assert [doc._.document_id for doc in docs] == ["7", "9", "10", "11"]
        lines = Path(f"{tmp_path / name}.rejects.jsonl").read_text().splitlines()
        rows = [(Path(row["file"]).name, row["document"], row["number"]) for row in map(json.loads, lines)]
        assert rows == [
            ("a.jsonl", "8", 1),
            ("a.jsonl", None, 3),
            ("a.jsonl", "7", 5),
            ("b.pubtator", "7", 2),
            ("b.pubtator", None, 3),
            ("c.xml", None, 2),
        ]
    # The rejects are those of the last run.
    assert run(tmp_path / "out.json", tmp_path / "out.spacy").exit_code == 0
    assert not (tmp_path / "out.spacy.rejects.jsonl").exists()


def test_where_no_document_comes_out_the_old_output_stays(tmp_path):
    (tmp_path / "bad.pubtator").write_text("8|t|x\n8|a|y\n8\t0\t9\tx\tGene\n\nprose\n")
    (tmp_path / "out.json").write_text("old")
    result = run(tmp_path / "bad.pubtator", tmp_path / "out.json")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path}/out.json: no document came out: see {tmp_path}/out.json.rejects.jsonl\n"
    assert len(rejects_of(tmp_path / "out.json")) == 2 and (tmp_path / "out.json").read_text() == "old"


def test_an_error_leaves_the_old_output(tmp_path):
    (tmp_path / "good.xml").write_text(XML)
    (tmp_path / "bad.pubtator").write_text("8|t|x\n8|a|y\n8\t0\t9\tx\tGene\n")
    (tmp_path / "out.json").write_text("old")
    before = sorted(path.name for path in tmp_path.iterdir())
    result = run(tmp_path / "good.xml", tmp_path / "bad.pubtator", tmp_path / "out.json", "--strict")
    check_refused(result, tmp_path, before, f"{tmp_path}/bad.pubtator: document 8: line 3: ")
    assert (tmp_path / "out.json").read_text() == "old"


def test_a_pipe_takes_the_output_and_has_no_place_for_rejects(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    (tmp_path / "bad.pubtator").write_text(f"{PUBTATOR}\nprose\n")
    os.mkfifo(tmp_path / "out")
    for name, code in (("a.xml", 0), ("bad.pubtator", 1)):
        with ThreadPoolExecutor(1) as executor:
            content = executor.submit((tmp_path / "out").read_bytes)
            result = run(tmp_path / name, tmp_path / "out", "--to", "pubtator")
            assert result.exit_code == code, result.output
            assert content.result(60).startswith(b"7|t|one two\n" if not code else b"")
    assert (tmp_path / "out").is_fifo() and len(list(tmp_path.iterdir())) == 3


def test_several_inputs(tmp_path, sample_dir, vocab):
    (tmp_path / "b.pubtator").write_text(PUBTATOR)
    output = tmp_path / "all.spacy"
    result = run(sample_dir / "dev.xml", tmp_path / "b.pubtator", output)
    assert (result.exit_code, result.stderr) == (0, "")
    docs = list(embre_spacy.read(output, vocab))
    assert docs[-1]._.document_id == "7"
    mentions, relations = (sum(len(found) for found in one) for one in zip(*((d.ents, d._.relations) for d in docs)))
    assert result.stdout == f"{output}: documents {len(docs)}, mentions {mentions}, relations {relations}\n"


def test_one_document_in_two_inputs(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    (tmp_path / "b.pubtator").write_text(PUBTATOR)
    paths = [tmp_path / "a.xml", tmp_path / "b.pubtator"]
    line = f"{paths[1]}: document 7: {paths[0]} has this document too"
    check_refused(run(*paths, tmp_path / "out.json", "--strict"), tmp_path, ["a.xml", "b.pubtator"], line)
    line = f"{paths[0]}: document 7: {paths[0]} has this document too"
    result = run(paths[0], paths[0], tmp_path / "out.json", "--strict")
    check_refused(result, tmp_path, ["a.xml", "b.pubtator"], line)


def test_input_is_output(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(as_json())
    assert run(path, path).exit_code == 0
    assert json.loads(path.read_text()) == {"documents": [DOCUMENT]}


def test_named_formats(tmp_path):
    (tmp_path / "a.txt").write_text(PUBTATOR)
    result = run(tmp_path / "a.txt", tmp_path / "b.txt", "--from", "pubtator", "--to", "bioc-jsonl")
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "b.txt").read_text())["id"] == "7"
    assert run(tmp_path / "a.txt", tmp_path / "b.txt", "--from", "brat").exit_code == 2


def test_oddities_are_reported_in_one_line_or_refused(tmp_path):
    path = tmp_path / "a.json"
    odd = [{**MENTION, "text": "Two"}, {**MENTION, "id": "b", "text": "2"}, {**MENTION, "id": "c", "locations": []}]
    path.write_text(as_json(passages=[{"offset": 0, "text": "one two", "annotations": odd}]))
    result = run(path, tmp_path / "b.json")
    assert result.exit_code == 0
    assert result.stderr == (
        f"Note: {path}: annotations whose text differs from the characters at their offsets: 2 (first in document 7: "
        "annotation a has 'Two', the document 'two' at its offsets); annotations without a location, or of no length: "
        "1 (first in document 7: annotation c has no location, or an empty one)\n"
    )
    assert json.loads((tmp_path / "b.json").read_text()) == json.loads(path.read_text())
    line = f"{path}: document 7: annotation a has 'Two', the document 'two' at its offsets"
    check_refused(run(path, tmp_path / "c.json", "--strict"), tmp_path, ["a.json", "b.json"], line)


def test_as_a_program(tmp_path):
    command = [sys.executable, "-m", "embre_spacy", "convert"]
    (tmp_path / "a.xml").write_text(XML)
    good = subprocess.run([*command, "a.xml", "b.pubtator"], cwd=tmp_path, capture_output=True, text=True)
    assert (good.returncode, good.stderr) == (0, "")
    assert (tmp_path / "b.pubtator").read_text() == "7|t|one two\n7|a|\n7\t4\t7\ttwo\tGene\n\n"
    (tmp_path / "a.xml").write_text(XML[:-40])
    bad = subprocess.run([*command, "a.xml", "c.pubtator"], cwd=tmp_path, capture_output=True, text=True)
    assert bad.returncode == 1
    assert bad.stderr.startswith("Error: a.xml: not valid XML")
    assert bad.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["a.xml", "b.pubtator"]


def test_help_names_every_option():
    result = CliRunner().invoke(app, ["convert", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for word in ("INPUT", "OUTPUT", "--from", "--to", "--strict", "bioc-xml", "bioc-jsonl", "docbin", ".pubtator"):
        assert word in result.stdout


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    assert run(tmp_path / "a.xml", tmp_path / "b.xml").exit_code == 0
    assert Path(tmp_path / "b.xml").stat().st_mode == (tmp_path / "a.xml").stat().st_mode
