"""BioC XML as BioC allows it, and as it does not."""

import pytest
from builders import annotation, document, passage, save
from canonical import content

import embre_spacy
from embre_spacy.errors import InputError


def write_bytes(path, text, **options):
    path.write_bytes(text.encode("utf-8", **options))
    return path


def read_quietly(path, vocab):
    return list(embre_spacy.read(path, vocab, on_anomalies=lambda line: None))


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


def test_inputs_of_several_collections(tmp_path, vocab):
    first = list(embre_spacy.read(save(tmp_path / "a.json", document("1", passage(0, "x"))), vocab))
    second = read_quietly(write_bytes(tmp_path / "b.xml", XML.replace("<id>1<", "<id>7<")), vocab)
    embre_spacy.write([*first, *second], tmp_path / "c.json")
    written = content(tmp_path / "c.json")
    assert (written["source"], [one["id"] for one in written["documents"]]) == ("made up", ["1", "7", "2"])


def test_what_xml_cannot_have_is_said_once(tmp_path, vocab):
    mention = annotation("0", "x", (0, 1), type="Gene", note="a\x00b")
    (doc,) = embre_spacy.read(save(tmp_path / "a.json", document("1", passage(0, "x", mention))), vocab)
    with pytest.raises(InputError) as error:
        embre_spacy.write([doc], tmp_path / "b.xml")
    assert str(error.value).startswith(f"{tmp_path / 'b.xml'}: document 1: cannot be written as XML: All strings must")


def test_keys_of_places_are_told(tmp_path, vocab):
    """BioC has nothing for them, and infons of a location are no exception."""
    mention = annotation("0", "x", (0, 1), type="Gene")
    mention["locations"][0]["infons"] = {"sure": "no"}
    (doc,) = embre_spacy.read(save(tmp_path / "a.json", document("1", passage(0, "x", mention))), vocab)
    with pytest.warns(
        UserWarning, match=r"BioC XML cannot express \(left out\): 1 \(first in document 1: infons of a loc"
    ):
        embre_spacy.write([doc], tmp_path / "b.xml")
