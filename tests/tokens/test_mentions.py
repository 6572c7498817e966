"""Mentions: those of other components, and those of documents whose tokens were merged."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from embre_spacy import read, write
from embre_spacy.tokens import Mention, copy_mentions, get_mentions, set_mentions

TEXT = "Calcium channel blockers slow the heart , calcium does not ."


@pytest.fixture
def doc(vocab) -> Doc:
    doc = Doc(vocab, words=TEXT.split())
    set_mentions(
        doc,
        [
            Mention(0, 24, "Chemical", "D1"),
            Mention(0, 7, "Chemical", "D2"),
            Mention(8, 15, "Gene", "41"),
            Mention(34, 39, "Disease", "D3"),
            Mention(42, 49, "Chemical", "D2"),
        ],
        [Mention(25, 29, "Disease", "D3")],
    )
    return doc


def merge(doc, *ranges):
    with doc.retokenize() as retokenizer:
        for start, end in ranges:
            retokenizer.merge(doc[start:end])
    return doc


def test_mentions_that_overlap_and_pieces_are_in_a_span_group(doc):
    assert [span.text for span in doc.ents] == ["Calcium channel blockers", "heart", "calcium"]
    assert [span.text for span in doc.spans["mentions"]] == ["Calcium", "channel", "slow"]
    assert [(mention.start, mention.end) for mention in get_mentions(doc)] == [
        (0, 24),
        (0, 7),
        (8, 15),
        (25, 29),
        (34, 39),
        (42, 49),
    ]
    assert get_mentions(copy_mentions(doc)) == get_mentions(doc)


@pytest.mark.parametrize("ranges", [[(0, 3)], [(4, 6)], [(0, 2), (3, 8)], [(0, 10)], [(0, 3), (3, 10)]])
def test_merged_tokens_leave_what_only_the_span_group_holds(ranges, doc, tmp_path):
    before = get_mentions(doc)
    names = {concept.id: concept.name for concept in doc._.concepts}
    only_in_group = [Mention(0, 7, "Chemical", "D2"), Mention(8, 15, "Gene", "41"), Mention(25, 29, "Disease", "D3")]
    assert set(only_in_group) <= set(before)
    merge(doc, *ranges)
    after = get_mentions(doc)
    assert [mention for mention in after if mention in only_in_group] == only_in_group
    assert {concept.id: concept.name for concept in doc._.concepts}["D2"] == names["D2"] == "Calcium"
    for concept in doc._.concepts:
        assert None not in concept.spans(doc)
    for suffix in ("json", "pubtator"):
        doc._.document_id = "1"
        write([doc], tmp_path / f"a.{suffix}")
        (again,) = read(tmp_path / f"a.{suffix}", doc.vocab)
        assert get_mentions(again) == after


def test_merged_entities_leave_everything(doc):
    before = doc._.concepts
    assert spacy.pipeline.functions.merge_entities(doc)._.concepts == before


def with_entity_ruler(text, patterns):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp(text)


def with_span_ruler(text, patterns):
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", config={"spans_key": "mentions"}).add_patterns(patterns)
    return nlp(text)


def with_linker_of_scispacy(text, patterns):
    doc = with_entity_ruler(text, [{**pattern, "id": ""} for pattern in patterns])
    if not Span.has_extension("kb_ents"):
        Span.set_extension("kb_ents", default=[])
    for entity, pattern in zip(doc.ents, patterns):
        entity._.kb_ents = [(pattern["id"], 0.9), ("D9", 0.8)]
    return doc


def test_asking_for_ids_of_other_components_leaves_nothing_behind():
    doc = with_linker_of_scispacy(TEXT, [])
    set_mentions(doc, [Mention(0, 7, "ChemicalEntity", ""), Mention(17, 22, "DiseaseOrPhenotypicFeature", "D1")])
    before = dict(doc.user_data)
    assert len(get_mentions(doc)) == 2 and not any(key[1] == "kb_ents" for key in before if isinstance(key, tuple))
    assert doc.user_data == before


@pytest.mark.parametrize("find", [with_entity_ruler, with_span_ruler, with_linker_of_scispacy])
def test_ids_of_other_components_are_identifiers(find, tmp_path):
    patterns = [
        {"label": "Chemical", "pattern": "Calcium", "id": "MESH:D2"},
        {"label": "Disease", "pattern": "heart", "id": "MESH:D3"},
    ]
    doc = find(TEXT, patterns)
    expected = [("MESH:D2", "Calcium"), ("MESH:D3", "heart")]
    assert [(concept.id, concept.name) for concept in doc._.concepts] == expected
    assert len(doc._.candidates) == 1
    # Also in what training gets, and in what is written.
    assert [(concept.id, concept.name) for concept in copy_mentions(doc)._.concepts] == expected
    write([doc], tmp_path / "a.json")
    (again,) = read(tmp_path / "a.json", doc.vocab)
    assert [(concept.id, concept.name) for concept in again._.concepts] == expected


@pytest.mark.parametrize(
    ("kb_id", "id", "expected"),
    [("D1", "D2", ["D1"]), ("", "D2", ["D2"]), ("NIL", "D2", ["D2"]), ("NIL", "", []), ("D1,D3", "D2", ["D1", "D3"])],
)
def test_kb_id_comes_first(kb_id, id, expected, vocab):
    doc = Doc(vocab, words=["one", "two"])
    doc.ents = [Span(doc, 0, 1, label="Chemical", kb_id=kb_id, span_id=id)]
    assert [concept.id for concept in doc._.concepts] == expected
    assert [mention.identifier for mention in get_mentions(doc)] == [",".join(expected) or kb_id]
