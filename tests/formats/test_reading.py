"""One bad document among good ones, in every format: it is set aside alone."""

import gzip
import json
import zlib
from typing import List

import pytest
from builders import block
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from embre_spacy.errors import InputError
from embre_spacy.files import FileSection
from embre_spacy.formats import Rejected, read, read_each, write
from embre_spacy.formats.reading import CUTS
from embre_spacy.tokens import get_mentions

XML = (
    "<document><id>{id}</id><passage><offset>{offset}</offset><text>one two</text>"
    '<annotation id="a"><infon key="type">Gene</infon><location offset="{start}" length="3"/></annotation>'
    "</passage></document>"
)


def xml(*documents: str) -> str:
    return f"<?xml version='1.0'?><collection><source/><date/><key/>{''.join(documents)}</collection>"


def good_xml(identifier) -> str:
    return XML.format(id=identifier, offset=0, start=4)


def as_json(identifier, start=4):
    mention = {"id": "a", "infons": {"type": "Gene"}, "text": "two", "locations": [{"offset": start, "length": 3}]}
    return {"id": identifier, "passages": [{"offset": 0, "text": "one two", "annotations": [mention]}]}


def lines(*documents) -> str:
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in documents)


def outcome(path, vocab, **options) -> List[object]:
    """The ids of the documents, and what was set aside."""
    return [one if isinstance(one, Rejected) else one._.document_id for one in read_each(path, vocab, **options)]


# File name, content, and the documents: an id, or the id, number and cause of a reject.
BAD = {
    "lines of PubTator": (
        "a.pubtator",
        block(1) + "2|t|x\n2\t0\t9\tx\tGene\n2\t0\t1\tx\tGene\n\n" + block(3),
        ["1", ("2", 2, "line 9: the annotation 0 to 9 lies outside the text (1 characters)"), "3"],
    ),
    "no blank line after bad PubTator": (
        "a.pubtator",
        "2|t|x\nnothing\n2|a|y\n" + block(3),
        [("2", 1, "line 2: it belongs to document 'nothing'"), "3"],
    ),
    "no title": (
        "a.pubtator",
        "prose\n2|a|y\n\n" + block(3),
        [(None, 1, "line 1: a document must start with its title (id|t|title)"), "3"],
    ),
    "bytes in PubTator that are no text": (
        "a.pubtator",
        block(1).encode() + b"\n2|t|x\n2|a|\xff y\n\n" + block(3).encode(),
        ["1", ("2", 2, "not UTF-8 text: invalid start byte at byte {at}"), "3"],
    ),
    "one id twice": (
        "a.pubtator",
        block(1) + "\n" + block(1) + "\n" + block(2),
        ["1", ("1", 2, "two documents have this id (number 1 and 2)"), "2"],
    ),
    "XML with a wrong offset": (
        "a.xml",
        xml(good_xml(1), XML.format(id=2, offset="x", start=4), good_xml(3)),
        ["1", ("2", 2, "not BioC: passages.0.offset: input should be"), "3"],
    ),
    "XML outside the text": (
        "a.xml",
        xml(good_xml(1), XML.format(id=2, offset=0, start=6), good_xml(3)),
        ["1", ("2", 2, "annotation a lies outside"), "3"],
    ),
    "an id that is none": (
        "a.json",
        json.dumps([as_json([1]), as_json(True), as_json(3)]),
        [
            (None, 1, "not BioC: the id of document 1 of the file is neither text nor a whole number"),
            (None, 2, "not BioC: the id of document 2 of the file is neither text nor a whole number"),
            "3",
        ],
    ),
    "a document without an id": (
        "a.json",
        json.dumps([as_json("", 6), as_json(3)]),
        [(None, 1, "annotation a lies outside"), "3"],
    ),
    "XML that breaks off": ("a.xml", xml(good_xml(1), good_xml(2))[:-60], ["1", (None, 2, "not valid XML")]),
    "a document of JSON": (
        "a.json",
        json.dumps({"documents": [as_json(1), 5, as_json(2, 6), as_json(3)]}),
        [
            "1",
            (None, 2, "not BioC: document 2 of the file is not an object with passages"),
            ("2", 3, "annotation a lies outside"),
            "3",
        ],
    ),
    "JSON that breaks off": ("a.json", json.dumps([as_json(1)])[:-1], [(None, 1, "not valid JSON")]),
    "lines of JSON": (
        "a.jsonl",
        lines(as_json(1), '{"id": 2', {"id": "3"}, as_json(4)),
        ["1", (None, 2, "line 2: not valid JSON"), (None, 3, "not BioC: document 3 of the file is not"), "4"],
    ),
    "lines of JSON in a file of JSON": (
        "a.json",
        lines(as_json(1), "nonsense", as_json(3)),
        ["1", (None, 2, "line 2: not valid JSON"), "3"],
    ),
    "bytes in lines of JSON that are no text": (
        "a.jsonl",
        lines(as_json(1)).encode() + b"\n\xff\n" + lines(as_json(3)).encode(),
        ["1", (None, 2, "not UTF-8 text: invalid start byte at byte {at}"), "3"],
    ),
    "an archive that breaks off": (
        "a.pubtator.gz",
        gzip.compress("\n".join(map(block, range(99))).encode())[:-50],
        [..., (None, ..., "not gzip, or truncated")],
    ),
    "no archive": ("a.xml.gz", good_xml(1), [(None, 1, "not gzip, or truncated")]),
    "no DocBin": ("a.spacy", b"\x00\xff\xfe", [(None, 1, "not a DocBin, or damaged")]),
    "nothing": ("a.jsonl", "", [(None, 1, "the file is empty")]),
    "blank lines": ("a.pubtator", "\n\n", [(None, 1, "it holds no document")]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_set_aside_alone(name, tmp_path, vocab):
    file, data, expected = BAD[name]
    path = tmp_path / file
    data = data if isinstance(data, bytes) else data.encode()
    path.write_bytes(data)
    found = outcome(path, vocab)
    if expected[0] is ...:
        # As many documents as could be unpacked.
        assert len(found) > 1 and all(isinstance(one, str) for one in found[:-1])
        expected = [*found[:-1], (None, len(found), expected[1][2])]
    assert len(found) == len(expected), found
    for one, wanted in zip(found, expected):
        if isinstance(wanted, str):
            assert one == wanted
        else:
            document, number, cause = wanted
            assert (one.file, one.document, one.number) == (str(path), document, number)
            assert one.cause.startswith(cause.format(at=data.find(b"\xff"))), one.cause
    with pytest.raises(InputError) as error:
        list(read(path, vocab))
    # The strict reader says the same of the first of them.
    assert error.value.cause == next(one.cause for one in found if isinstance(one, Rejected))


@pytest.mark.parametrize("nothing", [{"id": ""}, {"id": " "}, {"id": None}, {}])
@pytest.mark.parametrize("target", ["b.json", "b.jsonl", "b.xml", "b.pubtator", "b.spacy"])
def test_documents_without_an_id_are_documents_of_their_own(nothing, target, tmp_path, vocab):
    """Libraries make documents without an id, and write them so."""
    first, second = ({**passages, **nothing} for passages in ({"passages": as_json(0)["passages"]}, {"passages": []}))
    (tmp_path / "a.json").write_text(json.dumps({"documents": [first, second, as_json(0)]}))
    docs = list(read(tmp_path / "a.json", vocab, strict=True))
    assert [(doc._.document_id, len(doc.ents)) for doc in docs] == [("", 1), ("", 0), ("0", 1)]
    write(docs, tmp_path / target)
    again = list(read(tmp_path / target, vocab, strict=True))
    assert [len(doc.ents) for doc in again] == [1, 0, 1]
    # In a text format, each gets a number that no other has.
    assert [doc._.document_id for doc in again] == ["", "", "0"] if target == "b.spacy" else ["1", "2", "0"]


@pytest.mark.parametrize("name", ["<id/>", "<id> </id>", ""])
def test_xml_without_an_id(name, tmp_path, vocab):
    (tmp_path / "a.xml").write_text(xml(good_xml(1), good_xml(2), good_xml(3)).replace("<id>2</id>", name))
    assert outcome(tmp_path / "a.xml", vocab) == ["1", "", "3"]


@pytest.mark.parametrize("nothing", [[], {}, "", None])
@pytest.mark.parametrize("part", ["document", "passage", "sentence", "annotation", "relation"])
def test_empty_lists_and_objects_are_alike(nothing, part, tmp_path, vocab):
    """Some languages have one type for both, and write [] or {} whatever was meant."""
    mention = {"id": "a", "infons": {"type": "Gene"}, "text": "one", "locations": [{"offset": 0, "length": 3}]}
    sentence = {"offset": 0, "text": "one two", "infons": {"n": "1"}, "annotations": [mention]}
    related = {"id": "R", "infons": {"entity1": "1", "entity2": "2", "type": "Bind"}, "nodes": nothing}
    passage = {"offset": 0, "infons": {"type": "title"}, "sentences": [sentence]}
    one = {"id": "1", "infons": {"year": "1"}, "passages": [passage], "relations": [related]}
    parts = {"document": one, "passage": passage, "sentence": sentence, "annotation": mention, "relation": related}
    lists = {"document": "annotations", "passage": "relations", "sentence": "relations", "relation": "nodes"}
    parts[part].update({"infons": nothing, lists.get(part, "more"): nothing})
    (tmp_path / "a.json").write_text(json.dumps({"documents": [one]}))
    (doc,) = read(tmp_path / "a.json", vocab, on_anomalies=lambda line: None)
    assert [doc.text[mention.start : mention.end] for mention in get_mentions(doc)] == ["one"]
    for target in ("b.xml", "b.pubtator", "b.json"):
        write([doc], tmp_path / target, on_anomalies=lambda line: None)
        (again,) = read(tmp_path / target, vocab, on_anomalies=lambda line: None)
        assert get_mentions(again) == get_mentions(doc)
    assert json.loads((tmp_path / "b.json").read_text())["documents"] == [one]


def test_good_files_are_read_as_ever(sample_dir, vocab, tmp_path):
    expected = [doc._.document_id for doc in read(sample_dir / "dev.xml", vocab)]
    assert outcome(sample_dir / "dev.xml", vocab) == expected
    write(read(sample_dir / "dev.xml", vocab), tmp_path / "a.spacy")
    assert outcome(tmp_path / "a.spacy", vocab) == expected


@pytest.mark.parametrize("name", ["a.json.gz", "a.jsonl.gz", "a.pubtator.gz", "a.xml.gz", "a.spacy"])
def test_what_unpacks_to_far_more_than_texts_do_is_refused(name, tmp_path, vocab):
    data = b" " * 2**20 * 100
    if name == "a.xml.gz":
        data = b"<collection>" + (b"<!--" + b" " * 2**20 + b"-->") * 100
    (tmp_path / name).write_bytes(zlib.compress(data) if name == "a.spacy" else gzip.compress(data))
    (rejected,) = read_each(tmp_path / name, vocab)
    assert rejected.cause == "refused: it unpacks to more than 100 times its size"


def test_a_lack_of_memory_is_no_bad_document(tmp_path, vocab):
    (tmp_path / "a.pubtator").write_text(block(1))

    def tokenize(text):
        raise MemoryError

    with pytest.raises(MemoryError):
        list(read_each(tmp_path / "a.pubtator", vocab, tokenizer=tokenize))


def test_what_the_system_refuses_is_an_error(tmp_path, vocab):
    (tmp_path / "a.xml").mkdir()
    for name in ("a.xml", "b.xml"):
        with pytest.raises(InputError, match=name):
            read_each(tmp_path / name, vocab)
    (tmp_path / "c.xml").write_text(xml(good_xml(1)))
    found = read_each(tmp_path / "c.xml", vocab)
    (tmp_path / "c.xml").unlink()
    with pytest.raises(InputError, match=r"c\.xml: no such file"):
        list(found)


# Lines that are no good where they stand, of a document with the number 77.
BAD_LINES = [
    "77|a|a second abstract",
    "77\tx",
    "77\t0\t9999\tx\tGene",
    "77\t5\t2\tx\tGene",
    "prose",
    "77|t|",
    "7\t1\t2\tx\tG",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.integers(100, 999), min_size=2, max_size=6, unique=True),
    where=st.integers(0, 6),
    at=st.integers(0, 7),
    line=st.sampled_from(BAD_LINES),
    damage=st.sampled_from(["line", "cut", "bytes"]),
    gap=st.sampled_from(["\n", ""]),
)
def test_good_documents_around_a_bad_one_come_out(numbers, where, at, line, damage, gap, tmp_path, vocab):
    bad = block(77).splitlines(keepends=True)
    # Without a blank line before it, what comes before its title would be the end of another document.
    assume(gap or (at and damage != "cut"))
    at = min(at, len(bad))
    if damage == "line":
        bad.insert(at, line + "\n")
    elif damage == "bytes":
        bad[at - 1] = bad[at - 1].replace("7", "7\udcff", 2)
    else:
        del bad[0]
    documents = [block(number) for number in numbers]
    where = min(where, len(documents))
    documents.insert(where, "".join(bad))
    path = tmp_path / "a.pubtator"
    path.write_bytes(gap.join(documents).encode("utf-8", "surrogateescape"))
    found = outcome(path, vocab)
    assert [one for one in found if one != "77" and isinstance(one, str)] == [str(number) for number in numbers]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["xml", "json", "jsonl"]),
    documents=st.lists(st.sampled_from(["good", "offset", "twice", "no id"]), min_size=1, max_size=8),
)
def test_good_documents_come_out_in_every_format(kind, documents, tmp_path, vocab):
    identifiers = [{"twice": "7", "no id": ""}.get(one, str(100 + number)) for number, one in enumerate(documents)]
    starts = [6 if one == "offset" else 4 for one in documents]
    path = tmp_path / f"a.{kind}"
    if kind == "xml":
        parts = [XML.format(id=name, offset=0, start=start) for name, start in zip(identifiers, starts)]
        path.write_text(xml(*parts))
    else:
        parts = [as_json(name, start) for name, start in zip(identifiers, starts)]
        path.write_text(lines(*parts) if kind == "jsonl" else json.dumps(parts))
    found = outcome(path, vocab)
    assert len(found) == len(documents)
    for number, (one, which) in enumerate(zip(found, documents)):
        is_good = which in ("good", "no id") or (which == "twice" and documents.index("twice") == number)
        assert isinstance(one, str) == is_good


def cut(data, places):
    """The sections of a file that is cut at these places."""
    starts = [0, *places]
    return [FileSection(start, end, 1 + data[:start].count(b"\n")) for start, end in zip(starts, [*places, len(data)])]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["xml", "jsonl", "pubtator"]),
    documents=st.lists(st.sampled_from(["good", "good", "bad", "damaged"]), min_size=1, max_size=8),
    newline=st.sampled_from(["\n", "\r\n"]),
    data=st.data(),
)
def test_sections_give_what_the_whole_file_gives(kind, documents, newline, data, tmp_path, vocab):
    parts = []
    for number, one in enumerate(documents):
        start = 4 if one == "good" else 6
        if kind == "xml":
            offset = "x" if one == "damaged" else 0
            parts.append(XML.format(id=number, offset=offset, start=start))
        elif kind == "jsonl":
            parts.append("{" if one == "damaged" else json.dumps(as_json(number, start)))
        else:
            changed = {"bad": ("\tGene\t", "\t"), "damaged": ("binds", "b\udcffnds"), "good": ("", "")}[one]
            parts.append(block(number).replace(*changed).replace("\n", newline))
    content = xml(*[f"{part}{newline}" for part in parts]) if kind == "xml" else newline.join(parts)
    content = content.encode("utf-8", "surrogateescape")
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    whole = list(read_each(path, vocab))
    format = {"xml": "bioc-xml", "jsonl": "bioc-jsonl", "pubtator": "pubtator"}[kind]
    places = [match.end() for match in CUTS[format].finditer(content) if match.end() < len(content)]
    chosen = [place for place in places if data.draw(st.booleans())]
    found = [list(read_each(path, vocab, section=section)) for section in cut(content, chosen)]
    joined = [one for part in found for one in part]
    assert len(joined) == len(whole) == len(documents)
    for one, other in zip(joined, whole):
        if isinstance(one, Rejected):
            assert (one.document, one.cause) == (other.document, other.cause)
        else:
            assert (one._.document_id, one.text) == (other._.document_id, other.text)
            assert one.user_data["embre_record"] == other.user_data["embre_record"]


@pytest.mark.parametrize("sign", ["<!-- {} -->", "<![CDATA[{}]]>"])
def test_documents_that_xml_hides_are_none(sign, tmp_path, vocab):
    path = tmp_path / "a.xml"
    path.write_text(xml(good_xml(1), sign.format(good_xml(8) + good_xml(9)), good_xml(2)))
    assert outcome(path, vocab) == ["1", "2"]
