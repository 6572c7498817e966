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
    path = write_bytes(tmp_path / "a.txt", PUBTATOR)
    with pytest.raises(InputError, match=r"a\.txt: unknown suffix: name the format or use one of \.xml"):
        embre_spacy.read(path, vocab)
    docs = list(embre_spacy.read(path, vocab, format="pubtator", on_anomalies=lambda line: None))
    assert len(docs) == 3
    embre_spacy.write(docs, tmp_path / "b.txt", format="bioc-json")
    assert len(json.loads((tmp_path / "b.txt").read_text())["documents"]) == 3
    with pytest.raises(InputError, match="unknown format 'brat'"):
        embre_spacy.write(docs, tmp_path / "c.txt", format="brat")
