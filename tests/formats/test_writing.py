"""What is written around and between documents: ids, keys that a format does not have, warnings."""

import warnings

import pytest
import spacy
from builders import annotation, document, passage, relation, save
from canonical import content
from spacy.tokens import Doc

import embre_spacy
from embre_spacy.errors import InputError


def make_docs(*identifiers):
    nlp = spacy.blank("en")
    for number, identifier in enumerate(identifiers):
        doc = nlp(f"text {number}")
        doc._.document_id = identifier
        yield doc


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".xml", ".pubtator"])
def test_documents_without_an_id_get_one_that_no_other_has(suffix, tmp_path, vocab):
    path = tmp_path / f"a{suffix}"
    embre_spacy.write(make_docs("", "0", "", "x", "2", ""), path)
    docs = list(embre_spacy.read(path, vocab))
    assert [doc._.document_id for doc in docs] == ["1", "0", "3", "x", "2", "4"]
    assert [doc.text for doc in docs] == [f"text {number}" for number in range(6)]


@pytest.mark.parametrize("identifiers", [["a", "a"], ["a", "", "a"], ["", "a", "a"]])
@pytest.mark.parametrize("suffix", [".json", ".spacy"])
def test_two_documents_with_one_id_are_refused(identifiers, suffix, tmp_path):
    with pytest.raises(InputError, match="document a: two documents have this id"):
        embre_spacy.write(make_docs(*identifiers), tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


def test_documents_are_written_as_they_come(tmp_path):
    """Each can be changed, or forgotten, when the next one is asked for."""
    doc = Doc(spacy.blank("en").vocab, words=["one"])

    def docs():
        for identifier in "abc":
            doc._.document_id = identifier
            yield doc

    embre_spacy.write(docs(), tmp_path / "a.json")
    assert [one["id"] for one in content(tmp_path / "a.json")["documents"]] == ["a", "b", "c"]


def test_keys_that_bioc_does_not_have_become_infons_in_xml(tmp_path, vocab):
    mention = {**annotation("a", "x", (0, 1), type="Gene", note="old"), "score": 0.5, "count": 0, "empty": None}
    named = {**relation("R0", entity1="1", entity2="2", type="Bind"), "checked": True}
    part = passage(0, "x", mention, relations=[named], section={"a": [1]})
    path = save(tmp_path / "a.json", document("1", part))
    lines = []
    docs = list(embre_spacy.read(path, vocab, on_anomalies=lambda line: None))
    embre_spacy.write(docs, tmp_path / "b.xml", on_anomalies=lines.append)
    assert lines == []
    (again,) = embre_spacy.read(tmp_path / "b.xml", vocab, on_anomalies=lambda line: None)
    embre_spacy.write([again], tmp_path / "c.json")
    (written,) = content(tmp_path / "c.json")["documents"]
    (written,) = written["passages"]
    assert written["infons"] == {"section": '{"a": [1]}'}
    assert written["annotations"][0]["infons"] == {"type": "Gene", "note": "old", "score": "0.5", "count": "0"}
    assert written["relations"][0]["infons"] == {"entity1": "1", "entity2": "2", "type": "Bind", "checked": "true"}


def test_what_xml_cannot_have_is_told(tmp_path, vocab):
    mention = annotation("a", "x", (0, 1), type="Gene")
    mention["locations"][0]["certain"] = False
    mention["type"] = "gene"
    path = save(tmp_path / "a.json", document("1", passage(0, "x", mention)))
    docs = list(embre_spacy.read(path, vocab))
    with pytest.warns(UserWarning) as caught:
        embre_spacy.write(docs, tmp_path / "b.xml")
    kind = "keys of JSON that BioC XML cannot express (left out)"
    assert [str(each.message) for each in caught] == [
        f"{tmp_path / 'b.xml'}: {kind}: 2 (first in document 1: certain of a location)"
    ]


def test_warnings_name_the_line_that_reads_or_writes(tmp_path, vocab):
    path = save(tmp_path / "a.json", document("1", passage(0, "x", annotation("a", "y", (0, 1), type="Gene"))))
    other = save(tmp_path / "b.json", document("1", passage(0, "x", annotation("a", "x", type="Gene"))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        docs = list(embre_spacy.read(path, vocab))
        for _ in embre_spacy.read(path, vocab):
            pass
        docs = list(embre_spacy.read(other, vocab, on_anomalies=lambda line: None))
        embre_spacy.write(docs, tmp_path / "c.pubtator")
        list(embre_spacy.from_bioc(embre_spacy.to_bioc(docs), vocab))
    assert len(caught) == 4 and {each.filename for each in caught} == {__file__}
