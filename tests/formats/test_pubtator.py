"""PubTator: columns, line ends, and what it cannot have."""

import json

import pytest
from builders import annotation, document, passage, save
from canonical import content

import embre_spacy
from embre_spacy.errors import InputError

PUBTATOR = """1|t|Title one
1|a|Abstract of it.
1\t0\t5\tTitle\tGene
1\t6\t9\tone\tGene\t
1\t10\t18\tAbstract\tDisease\tD1|D2\tone|two
1\t22\t24\tit\tChemical\t-1
1\tCID\tD1|D2\tD3
1\tAssociation\tDisease|D1|D2\tChemical|D3\tNovel

2|t|Only a title

3|t|
3|a|Only an abstract
3\t1\t5\tOnly\tGene\t7
"""


def write_bytes(path, text, **options):
    path.write_bytes(text.encode("utf-8", **options))
    return path


def read_quietly(path, vocab):
    return list(embre_spacy.read(path, vocab, on_anomalies=lambda line: None))


def test_pubtator_columns(tmp_path, vocab):
    path = write_bytes(tmp_path / "a.pubtator", PUBTATOR)
    docs = read_quietly(path, vocab)
    assert [doc.text for doc in docs] == ["Title one Abstract of it.", "Only a title", "Only an abstract"]
    assert [(ent.text, ent.label_, ent.kb_id_) for ent in docs[0].ents] == [
        ("Title", "Gene", ""),
        ("one", "Gene", ""),
        ("Abstract", "Disease", "D1|D2"),
        ("it", "Chemical", "-1"),
    ]
    assert [ent.text for ent in docs[2].ents] == ["Only"]
    assert [(one.pair, one.type, one.novelty) for one in docs[0]._.relations] == [
        (("D1|D2", "D3"), "CID", None),
        (("D1|D2", "D3"), "Association", "Novel"),
    ]
    embre_spacy.write(docs, tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_text() == PUBTATOR + "\n"


def test_pubtator_with_windows_line_ends_and_a_byte_order_mark(tmp_path, vocab):
    path = write_bytes(tmp_path / "a.pubtator", "\ufeff" + PUBTATOR.replace("\n", "\r\n"))
    embre_spacy.write(read_quietly(path, vocab), tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_text() == PUBTATOR + "\n"


def test_pubtator_without_empty_lines_between_documents(tmp_path, vocab):
    path = write_bytes(tmp_path / "a.pubtator", "\n\n" + PUBTATOR.replace("\n\n", "\n"))
    embre_spacy.write(read_quietly(path, vocab), tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_text() == PUBTATOR + "\n"


def test_pubtator_text_with_anything_in_it(tmp_path, vocab):
    title = "1|t|a|t|b\u2028c\x85d\te \x0b "
    text = f"{title}\n1|a| x\n1\t0\t7\ta|t|b\u2028c\tGene\t1\n\n"
    path = write_bytes(tmp_path / "a.pubtator", text)
    (doc,) = embre_spacy.read(path, vocab, strict=True)
    assert doc.text == title[4:] + "  x"
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_bytes() == path.read_bytes()


def test_pubtator_has_no_line_breaks_in_texts(tmp_path, vocab):
    one = document("1", passage(0, "a\nb\tc"), passage(6, "d\r\ne f", annotation("0", "d\r\ne", (6, 4), type="Gene")))
    (doc,) = embre_spacy.read(save(tmp_path / "a.json", one), vocab, strict=True)
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert content(tmp_path / "b.pubtator") == [["1|t|a b c", "1|a|d  e f", "1\t6\t10\td  e\tGene"]]
    assert len(next(embre_spacy.read(tmp_path / "b.pubtator", vocab)).text) == len(doc.text)


@pytest.mark.parametrize("identifier", ["a|b", "a\tb"])
def test_ids_that_pubtator_cannot_have(identifier, tmp_path, vocab):
    (doc,) = embre_spacy.read(save(tmp_path / "a.json", document(identifier, passage(0, "x"))), vocab)
    with pytest.raises(InputError, match=r"b\.pubtator: document a.b: PubTator cannot have"):
        embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert not (tmp_path / "b.pubtator").exists()


def test_wrong_suffix_and_named_format(tmp_path, vocab):
    path = write_bytes(tmp_path / "a.doc", PUBTATOR)
    with pytest.raises(InputError, match=r"a\.doc: unknown suffix: name the format or use one of \.xml"):
        embre_spacy.read(path, vocab)
    docs = list(embre_spacy.read(path, vocab, format="pubtator", on_anomalies=lambda line: None))
    assert len(docs) == 3
    embre_spacy.write(docs, tmp_path / "b.txt", format="bioc-json")
    assert len(json.loads((tmp_path / "b.txt").read_text())["documents"]) == 3
    with pytest.raises(InputError, match="unknown format 'brat'"):
        embre_spacy.write(docs, tmp_path / "c.txt", format="brat")


def read_one(path, vocab):
    (doc,) = embre_spacy.read(path, vocab, strict=True)
    return doc


def mentions(doc):
    return [(mention.text, mention.kb_id_) for mention in doc.ents]


@pytest.mark.parametrize("end", ["\n", "\n\n", "\r\n"])
def test_header_lines(end, tmp_path, vocab):
    """Some tools say before the first document what they did. It comes back, from other formats too."""
    blocks = "1|t|one two\n1\t4\t7\ttwo\tGene\t2\n\n2|t|three\n\n"
    header = "##MADE-WITH\n## words | of a tool"
    path = write_bytes(tmp_path / "a.pubtator", header.replace("\n", end) + end + blocks)
    docs = list(embre_spacy.read(path, vocab, strict=True))
    assert [(doc._.document_id, doc.text) for doc in docs] == [("1", "one two"), ("2", "three")]
    for name in ("b.json", "c.xml", "d.spacy", "e.pubtator"):
        embre_spacy.write(docs, tmp_path / name)
        docs = list(embre_spacy.read(tmp_path / name, vocab, strict=True))
    lines = [line for line in (tmp_path / "e.pubtator").read_text().split("\n") if not line.endswith("|a|")]
    assert "\n".join(lines) == f"{header}\n{blocks}"


def test_header_lines_where_files_were_joined(tmp_path, vocab):
    one, two = "##MADE\n1|t|one\n1\tBind\t3\t4\n", "##MADE\n##2|t|two\n##2\t0\t3\ttwo\tGene\t2\n"
    path = write_bytes(tmp_path / "a.pubtator", one + two)
    docs = read_quietly(path, vocab)
    # An id may begin with the same sign.
    assert [(doc._.document_id, doc.text, len(doc.ents)) for doc in docs] == [("1", "one", 0), ("##2", "two", 1)]
    embre_spacy.write(docs, tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_text().startswith("##MADE\n1|t|one\n")


@pytest.mark.parametrize("kinds", [("title", "abstract"), ("front", "abstract", "title_1", "paragraph", "paragraph")])
def test_a_line_for_each_passage(kinds, tmp_path, vocab):
    """Tools that convert full texts from BioC write the type of the passage where PubTator has t and a."""
    texts = [f"part {number} of it" for number in range(len(kinds))]
    lines = [f"1|{kind}|{text}" for kind, text in zip(kinds, texts)]
    start = " ".join(texts).rindex("of it")
    lines.append(f"1\t{start}\t{start + 2}\tof\tGene\t7")
    path = write_bytes(tmp_path / "a.pubtator", "\n".join([*lines, "2|front|other"]) + "\n\n")
    first, second = embre_spacy.read(path, vocab, strict=True)
    assert (first.text, second.text) == (" ".join(texts), "other")
    assert [passage.section for passage in first._.passages] == list(kinds)
    assert mentions(first) == [("of", "7")] and first.ents[0].start_char == start
    embre_spacy.write([first], tmp_path / "b.pubtator")
    short = {"title": "t", "abstract": "a"} if len(kinds) == 2 else {}
    assert content(tmp_path / "b.pubtator")[0] == [
        *(f"1|{short.get(kind, kind)}|{text}" for kind, text in zip(kinds, texts)),
        lines[-1],
    ]
    again = read_one(tmp_path / "b.pubtator", vocab)
    assert (again.text, again._.passages, mentions(again)) == (first.text, first._.passages, mentions(first))


def test_an_abstract_needs_a_title(tmp_path, vocab):
    path = write_bytes(tmp_path / "a.pubtator", "1|a|two\n1\t0\t3\ttwo\tGene\n")
    with pytest.raises(InputError, match=r"line 1: a document must start with its title \(id\|t\|title\)"):
        list(embre_spacy.read(path, vocab))


@pytest.mark.parametrize("first", [0, 1])
def test_an_empty_title(first, tmp_path, vocab):
    """Some tools count the space after it, others do not."""
    rows = [(first, first + 3, "one", "Gene", "1"), (first + 4, first + 7, "two", "Gene", "2")]
    lines = ["1|t|", "1|a|one two", *("\t".join(["1", *map(str, row)]) for row in rows)]
    path = write_bytes(tmp_path / "a.pubtator", "\n".join(lines) + "\n\n")
    doc = read_one(path, vocab)
    assert mentions(doc) == [("one", "1"), ("two", "2")]
    doc.ents = [*doc.ents]
    embre_spacy.write([doc], tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_bytes() == path.read_bytes()
    for name in ("c.xml", "d.json", "e.pubtator"):
        embre_spacy.write([doc], tmp_path / name)
        doc = read_one(tmp_path / name, vocab)
        assert mentions(doc) == [("one", "1"), ("two", "2")]


@pytest.mark.parametrize("end", ["\r\r\n", "\r\r\r\n"])
def test_files_that_were_converted_for_windows_twice(end, tmp_path, vocab):
    lines = ["1|t|one", "1|a|two", "1\t4\t7\ttwo\tGene\t2", "1\tBind\t2\t2", ""]
    path = write_bytes(tmp_path / "a.pubtator", end.join([*lines, "2|t|\rb\rc", ""]))
    first, second = embre_spacy.read(path, vocab, strict=True)
    assert (first.text, mentions(first), second.text) == ("one two", [("two", "2")], "\rb\rc")
    embre_spacy.write([first, second], tmp_path / "b.pubtator")
    assert (tmp_path / "b.pubtator").read_bytes().decode() == "\n".join([*lines, "2|t|\rb\rc", "", ""])
    again = list(embre_spacy.read(tmp_path / "b.pubtator", vocab, strict=True))
    assert [doc.text for doc in again] == [first.text, second.text]


def test_full_texts_of_one_id(tmp_path, vocab):
    """A block for each passage cannot be told from a document that is there twice: the error says what to do."""
    path = write_bytes(tmp_path / "a.pubtator", "1|t|Methods\n1|a|\n\n1|t|Mice ate.\n1|a|\n\n")
    with pytest.raises(
        InputError, match=r"document 1: two documents have this id .*must be one document, or have ids of"
    ):
        list(embre_spacy.read(path, vocab))
