"""What is special in each format."""

import json
import warnings

import pytest
from builders import annotation, collection, document, passage, relation, save
from canonical import content

import embre_spacy
from embre_spacy.errors import InputError
from embre_spacy.tokens import get_mentions

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


def test_json_shapes(tmp_path, vocab):
    documents = [
        document(str(number), passage(0, f"text {number}"), pmid=number, _id=f"{number}|None") for number in (1, 2)
    ]
    values = {
        "collection": {**collection(*documents), "extra": {"a": [1, 2.5, None, True]}},
        "pubtator3": {"PubTator3": documents, "took": 3},
        "list": documents,
        "single": documents[0],
        "minimal": {"documents": [{"passages": [{"offset": 3, "text": "x"}], "id": 5}]},
        "pretty": collection(*documents),
    }
    for name, value in values.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(value, indent=2 if name == "pretty" else None))
        docs = list(embre_spacy.read(path, vocab, strict=True))
        embre_spacy.write(docs, tmp_path / "between.spacy")
        embre_spacy.write(embre_spacy.read(tmp_path / "between.spacy", vocab), tmp_path / "out.json")
        assert content(tmp_path / "out.json") == value
    # One that was alone in its file is not, once there are others.
    single = next(embre_spacy.read(tmp_path / "single.json", vocab))
    embre_spacy.write([single, docs[1]], tmp_path / "out.json")
    assert [one["id"] for one in content(tmp_path / "out.json")["documents"]] == ["1", "2"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson"])
def test_a_document_on_every_line(name, tmp_path, vocab):
    documents = [document(str(number), passage(0, f"text\u2028{number}\x85"), pmid=number) for number in (1, 2, 3)]
    path = tmp_path / name
    path.write_text("\n" + "\n\n".join(json.dumps(one, ensure_ascii=False) for one in documents), encoding="utf-8")
    embre_spacy.write(embre_spacy.read(path, vocab, strict=True), tmp_path / "b.jsonl")
    assert content(tmp_path / "b.jsonl") == documents
    embre_spacy.write(embre_spacy.read(path, vocab, strict=True), tmp_path / "b.json")
    assert content(tmp_path / "b.json")["documents"] == documents


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


XML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>s</source><date/><key>k</key><infon key="about">all &amp; more</infon>
  <document><id>1</id><infon key="a">1</infon><infon key="a">2</infon>
    <passage><infon key="type">title</infon><offset>0</offset><text>x &lt; <!-- no text -->y &#233;</text>
      <annotation><infon key="type">Gene</infon><location offset="0" length="1"/></annotation>
      <relation><infon key="entity1">1</infon><node refid="R9" role=""/></relation>
    </passage>
  </document>
  <document><id>2</id><passage><offset>0</offset><text> </text></passage></document>
</collection>
"""


def test_xml_as_bioc_allows_it(tmp_path, vocab):
    path = write_bytes(tmp_path / "a.xml", XML)
    docs = read_quietly(path, vocab)
    assert [doc.text for doc in docs] == ["x < y é", " "]
    embre_spacy.write(docs, tmp_path / "b.xml")
    out = (tmp_path / "b.xml").read_text(encoding="utf-8")
    assert '<!DOCTYPE collection SYSTEM "BioC.dtd">' in out
    assert '<infon key="about">all &amp; more</infon>' in out
    assert '<infon key="a">1</infon><infon key="a">2</infon>' in out
    assert '<annotation><infon key="type">Gene</infon><location offset="0" length="1"/></annotation>' in out
    assert '<relation><infon key="entity1">1</infon><node refid="R9"/></relation>' in out
    embre_spacy.write(docs, tmp_path / "b.json")
    embre_spacy.write(read_quietly(tmp_path / "b.json", vocab), tmp_path / "c.xml")
    assert content(tmp_path / "c.xml")[1] == content(tmp_path / "b.xml")[1]


def test_xml_in_another_encoding(tmp_path, vocab):
    path = tmp_path / "a.xml"
    path.write_bytes(XML.replace("UTF-8", "ISO-8859-1").encode("iso-8859-1"))
    assert read_quietly(path, vocab)[0].text == "x < y é"


def test_xml_that_bioc_does_not_have(tmp_path, vocab):
    path = write_bytes(
        tmp_path / "a.xml", XML.replace("<id>2</id>", "<id>2</id><extra/>").replace("<offset>", "<offset u='1'>")
    )
    lines = []
    list(embre_spacy.read(path, vocab, on_anomalies=lines.append))
    odd = "XML elements, attributes and text that BioC does not have (left out)"
    assert f"{odd}: 3 (first in document 1: the attribute u of <offset> is not BioC)" in lines[0]


def test_values_that_are_not_text_are_json_in_xml(tmp_path, vocab):
    mention = annotation(
        "0", "x", (0, 1), type="Gene", identifier=672, valid=True, none=None, names=["a"], two=["a", "b"]
    )
    one = document("1", passage(0, "x", mention), infons={"own": "kept"}, authors=["A é"], journal="J", pmcid=None)
    (doc,) = embre_spacy.read(save(tmp_path / "a.json", one), vocab, strict=True)
    assert doc.ents[0].kb_id_ == "672"
    embre_spacy.write([doc], tmp_path / "b.xml")
    (again,) = embre_spacy.read(tmp_path / "b.xml", vocab, strict=True)
    embre_spacy.write([again], tmp_path / "c.json")
    (written,) = content(tmp_path / "c.json")["documents"]
    assert written["infons"] == {"own": "kept", "authors": '["A é"]', "journal": "J"}
    assert written["passages"][0]["annotations"][0]["infons"] == {
        "type": "Gene",
        "identifier": "672",
        "valid": "true",
        "none": "null",
        "names": '["a"]',
        "two": ["a", "b"],
    }


def test_messy_pubtator3(tmp_path, vocab):
    """What real exports have: other Unicode forms, unknown identifiers, nulls, no infons, no locations."""
    text = "\u03b2-catenin and I\u03baB in SLE"
    one = {
        "_id": "1|PMC1",
        "id": "1",
        "infons": None,
        "passages": [
            {
                "offset": 0,
                "text": text,
                "annotations": [
                    annotation("2", "\u03d0-catenin", (0, 9), type="Gene", identifier="1499;1500", normalized=[1499]),
                    annotation("3", "IkB", (14, 3), type="Gene", identifier=None),
                    annotation("4", "SLE", type="Disease", identifier="MESH:D008180"),
                    annotation("5", "", (21, 0), type="Disease", identifier="MESH:D008180"),
                    annotation("6", None, (21, 3), type="Disease", identifier="MESH:D008180"),
                ],
            },
            {"infons": None, "offset": 500, "text": None, "annotations": None, "relations": None},
        ],
        "relations": [
            relation("R1", role1={"identifier": "1499", "type": "Gene"}, role2={"identifier": None}, type="Bind"),
            relation(
                "R2", role1={"identifier": "1499"}, role2={"identifier": "MESH:D9", "type": "Disease"}, type="Bind"
            ),
        ],
        "relations_display": [{"name": "bind|@GENE_1|@GENE_2"}],
        "authors": [],
        "pmcid": None,
    }
    path = save(tmp_path / "a.json", one, container="PubTator3")
    lines = []
    (doc,) = embre_spacy.read(path, vocab, on_anomalies=lines.append)
    (line,) = lines
    assert "\n" not in line
    assert [part.split(" (first")[0] for part in line.removeprefix(f"{path}: ").split("; ")] == [
        "annotations whose text differs from the characters at their offsets: 2",
        "annotations without a location, or of no length: 2",
        "relations that are not between two concepts: 1",
        "relations with an identifier that no annotation has: 1",
    ]
    assert [(span.text, span.kb_id_) for span in get_mentions(doc)] == [
        ("\u03b2-catenin", "1499;1500"),
        ("I\u03baB", ""),
        ("SLE", "MESH:D008180"),
    ]
    embre_spacy.write([doc], tmp_path / "b.spacy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embre_spacy.write(embre_spacy.read(tmp_path / "b.spacy", vocab), tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    with pytest.raises(InputError, match="document 1: annotation 2 says"):
        list(embre_spacy.read(path, vocab, strict=True))


def test_inputs_of_several_collections(tmp_path, vocab):
    first = list(embre_spacy.read(save(tmp_path / "a.json", document("1", passage(0, "x"))), vocab))
    second = read_quietly(write_bytes(tmp_path / "b.xml", XML.replace("<id>1<", "<id>7<")), vocab)
    embre_spacy.write([*first, *second], tmp_path / "c.json")
    written = content(tmp_path / "c.json")
    assert (written["source"], [one["id"] for one in written["documents"]]) == ("made up", ["1", "7", "2"])
