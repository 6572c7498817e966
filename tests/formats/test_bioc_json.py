"""BioC JSON in its shapes, PubTator3's export, and a document per line."""

import json
import warnings

import pytest
from builders import annotation, collection, document, passage, relation, save
from canonical import content

import embre_spacy
from embre_spacy.errors import InputError
from embre_spacy.tokens import get_mentions


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


def read_ids(path, vocab):
    return [doc._.document_id for doc in embre_spacy.read(path, vocab, strict=True)]


def test_lists_of_collections(tmp_path, vocab):
    """A service sends a list of one collection. Downloads that are joined are lists of several, of lists, or lines."""
    one, two, three = (document(str(number), passage(0, f"text {number}")) for number in (1, 2, 3))
    first = {**collection(one), "source": "PMC", "bioctype": "BioCCollection"}
    values = {
        "one": ([first], ["1"]),
        "several": ([first, collection(two, three)], ["1", "2", "3"]),
        "lists": ([[first], [collection(two)], []], ["1", "2"]),
        "mixed": ([first, two, {"PubTator3": [three]}], ["1", "2", "3"]),
    }
    for name, (value, ids) in values.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(value, indent=1))
        docs = list(embre_spacy.read(path, vocab, strict=True))
        assert [doc._.document_id for doc in docs] == ids
        for target in ("a.json", "a.xml", "a.jsonl", "a.pubtator"):
            embre_spacy.write(docs, tmp_path / target)
            assert read_ids(tmp_path / target, vocab) == ids
        embre_spacy.write(docs, tmp_path / "b.json")
        assert content(tmp_path / "b.json") == {**first, "documents": [one, two, three][: len(ids)]}
    for name in ("lines.json", "lines.jsonl"):
        (tmp_path / name).write_text(
            "".join(json.dumps(value) + "\n" for value in ([first], [collection(two)], [three]))
        )
        assert read_ids(tmp_path / name, vocab) == ["1", "2", "3"]


@pytest.mark.parametrize("between", ["", "\n", " ", "\n\n\r\n"])
@pytest.mark.parametrize("indent", [None, 1])
def test_values_that_follow_each_other(between, indent, tmp_path, vocab):
    """What several downloads give when they are put into one file one after the other."""
    documents = [document(str(number), passage(0, f"text {number}")) for number in (1, 2, 3)]
    values = [documents[0], collection(documents[1]), [documents[2]]]
    path = tmp_path / "a.json"
    path.write_text(between.join(json.dumps(value, indent=indent) for value in values) + between)
    assert read_ids(path, vocab) == ["1", "2", "3"]
    path.write_text(between.join(json.dumps(value, indent=indent) for value in values) + "}")
    with pytest.raises(InputError, match=r"a\.json: (line \d: )?not valid JSON"):
        read_ids(path, vocab)


@pytest.mark.parametrize("key", ["documents", "PubTator3"])
@pytest.mark.parametrize("value", [[], ["x"], 5, None])
@pytest.mark.parametrize("name", ["b.jsonl", "b.json"])
def test_documents_with_the_key_of_a_collection(key, value, name, tmp_path, vocab):
    ones = [document("1", passage(0, "text"), **{key: value}), document("2", passage(0, "more"))]
    for documents in (ones, ones[:1]):
        docs = list(embre_spacy.read(save(tmp_path / "a.json", *documents), vocab, strict=True))
        embre_spacy.write(docs, tmp_path / name)
        assert read_ids(tmp_path / name, vocab) == [one["id"] for one in documents]
        embre_spacy.write(embre_spacy.read(tmp_path / name, vocab), tmp_path / "c.jsonl")
        assert content(tmp_path / "c.jsonl") == documents


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
    assert [(doc.text[one.start : one.end], one.identifier) for one in get_mentions(doc)] == [
        ("\u03b2-catenin", "1499;1500"),
        ("I\u03baB", ""),
        ("SLE", "MESH:D008180"),
    ]
    embre_spacy.write([doc], tmp_path / "b.spacy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embre_spacy.write(embre_spacy.read(tmp_path / "b.spacy", vocab), tmp_path / "b.json")
    assert content(tmp_path / "b.json") == content(path)
    with pytest.raises(InputError, match="document 1: annotation 2 has"):
        list(embre_spacy.read(path, vocab, strict=True))
