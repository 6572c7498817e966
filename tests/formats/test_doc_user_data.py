"""What a DocBin brings in `doc.user_data`: damaged, it is one clear error; of another text, it does not count."""

import json

import pytest
from builders import annotation, document, passage, relation, save
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from embre_spacy import read, write
from embre_spacy.errors import InputError
from embre_spacy.formats import read_each

GONE = object()


@pytest.fixture
def sound(tmp_path, vocab) -> Doc:
    mentions = [
        annotation("0", "one", (0, 3), type="Chemical", identifier="MESH:D1"),
        annotation("1", "two", (4, 3), type="Disease", identifier="MESH:D2"),
    ]
    related = relation("R0", entity1="D1", entity2="D2", type="Association", novel="No")
    path = save(tmp_path / "a.json", document("d7", passage(0, "one two", *mentions), relations=[related]))
    (doc,) = read(path, vocab)
    return Doc(Vocab()).from_bytes(doc.to_bytes())


def damage(doc, key, path, value):
    """Put a value at a place of the user data of a document."""
    old = doc.user_data[key]
    whole = {"": json.loads(old if key == "embre_record" else json.dumps(old))}
    place = whole
    *steps, last = ["", *path]
    for step in steps:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    doc.user_data[key] = json.dumps(whole[""]) if key == "embre_record" else whole[""]
    return doc


IN_PASSAGE = ("document", "passages", 0)


@pytest.mark.parametrize(
    ("key", "path", "value"),
    [
        ("embre_document_id", (), 7),
        ("embre_document_id", (), None),
        ("embre_passages", (), "title"),
        ("embre_passages", (0, 1), 8),
        ("embre_passages", (0, 0), -1),
        ("embre_passages", (0, 2), None),
        ("embre_relations", (), {"type": "Bind"}),
        ("embre_relations", (), None),
        ("embre_relations", (0,), None),
        ("embre_relations", (0, "type"), GONE),
        ("embre_relations", (0, "type"), None),
        ("embre_relations", (0, "novelty"), 1),
        ("embre_relations", (0, "sort"), ""),
        ("embre_relations", (0, "target"), []),
        ("embre_relations", (0, "target", "sort"), ""),
        ("embre_relations", (0, "target", "type"), ["Disease"]),
        ("embre_relations", (0, "target", "name"), None),
        ("embre_relations", (0, "target", "mentions"), [[4, 7, 9]]),
        ("embre_relations", (0, "target", "mentions"), [[7, 4]]),
        ("embre_relations", (0, "target", "mentions"), [[4, 8]]),
        ("embre_relations", (0, "target", "mentions"), [[True, 7]]),
        ("embre_relations", (0, "type_probabilities"), [0.5]),
        ("embre_relations", (0, "type_probabilities"), {"Bind": 5}),
        ("embre_relations", (0, "novelty_probabilities"), {"No": None}),
        ("embre_record", (), []),
        ("embre_record", (), {}),
        ("embre_record", ("format",), None),
        ("embre_record", ("shape",), 5),
        ("embre_record", ("doctype",), []),
        ("embre_record", ("collection", "infons"), [1]),
        ("embre_record", ("document",), None),
        ("embre_record", ("document", "passages"), {"0": 1}),
        ("embre_record", ("document", "relations", 0, "nodes"), [1]),
        ("embre_record", ("document", "relations", 0, "infons"), "Bind"),
        ("embre_record", (*IN_PASSAGE, "infons"), 5),
        ("embre_record", (*IN_PASSAGE, "annotations", 0, "locations", 0, "length"), 800),
        ("embre_record", (*IN_PASSAGE, "annotations", 0, "locations", 0, "offset"), -1),
    ],
)
def test_damage_is_one_clear_error(key, path, value, sound, tmp_path):
    file = tmp_path / "damaged.spacy"
    file.write_bytes(DocBin(store_user_data=True, docs=[damage(sound, key, path, value)]).to_bytes())
    with pytest.raises(InputError) as caught:
        list(read(file, Vocab()))
    where, *_, cause = str(caught.value).split(": ", 2)
    assert where == str(file) and cause
    assert "document d7" in str(caught.value) or key == "embre_document_id"


def test_a_record_that_is_no_json_is_one_clear_error(sound, tmp_path):
    for number, record in enumerate(["{", "5", 5, None, b"{}", "[" * 100_000]):
        sound.user_data["embre_record"] = record
        file = tmp_path / f"{number}.spacy"
        file.write_bytes(DocBin(store_user_data=True, docs=[sound]).to_bytes())
        with pytest.raises(InputError, match=f"{number}.spacy: document d7: the record in `doc.user_data` is damaged"):
            list(read(file, Vocab()))


def test_the_documents_around_a_damaged_one_are_read(sound, tmp_path):
    first, last = sound.copy(), sound.copy()
    first._.document_id, last._.document_id = "first", "last"
    damage(sound, "embre_relations", (0, "type"), 5)
    file = tmp_path / "some.spacy"
    file.write_bytes(DocBin(store_user_data=True, docs=[first, sound, last]).to_bytes())
    before, damaged, after = read_each(file, Vocab())
    assert [before._.document_id, after._.document_id] == ["first", "last"]
    assert (damaged.document, damaged.number) == ("d7", 2)
    assert "not a relation" in damaged.cause


def test_part_of_a_document_can_be_saved_and_written(sound, tmp_path, vocab):
    part = sound[1:2].as_doc(copy_user_data=True)
    for suffix in ("spacy", "json"):
        write([part], tmp_path / f"a.{suffix}")
        (again,) = read(tmp_path / f"a.{suffix}", vocab)
        assert (again.text, again._.document_id, again._.relations) == ("two", "d7", [])
        assert [concept.id for concept in again._.concepts] == ["MESH:D2"]
