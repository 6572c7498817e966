"""Relations and passages belong to a text, whatever takes them to another."""

import pytest
import spacy
from spacy.tokens import Doc

from embre_spacy.errors import InputError
from embre_spacy.tokens import Mention, Passage, get_passages, set_mentions, set_passages


@pytest.fixture
def doc(vocab) -> Doc:
    doc = Doc(vocab, words=["Salt", "lowers", "fever", ".", "Sugar", "raises", "it", "."])
    set_mentions(
        doc, [Mention(0, 4, "Chemical", "D1"), Mention(12, 17, "Disease", "D2"), Mention(20, 25, "Chemical", "D3")]
    )
    set_passages(doc, [Passage(0, 19, "title"), Passage(20, len(doc.text), "abstract")])
    doc._.relations = [{"source": "D1", "target": "D2", "type": "Negative_Correlation"}]
    doc._.document_id = "7"
    return doc


def cut(doc):
    return doc[4:].as_doc(copy_user_data=True)


def lengthen(doc):
    return Doc(doc.vocab, words=[token.text for token in doc] * 2, user_data=doc.user_data)


def put_on_another(doc):
    return Doc(doc.vocab, words=["Salt"], user_data=doc.user_data)


@pytest.mark.parametrize("change", [cut, lengthen, put_on_another])
def test_a_changed_text_has_no_relations_and_one_passage(change, doc):
    changed = change(doc)
    with pytest.warns(UserWarning, match="relations of another text are left out of document 7"):
        assert changed._.relations == []
    assert changed._.passages == [Passage(0, len(changed.text), "")]
    assert changed._.document_id == "7"
    # What is set now belongs to it.
    changed._.relations = [{"source": "D1", "target": "D2", "type": "Bind"}]
    assert [relation.type for relation in changed._.relations] == ["Bind"]


def test_relations_that_are_set_bring_no_passages_back(doc):
    part = cut(doc)
    with pytest.warns(UserWarning, match="of another text"):
        part._.relations = []
    assert get_passages(part) == [Passage(0, len(part.text), "")]


def test_the_same_text_keeps_them(doc):
    whole = doc[:].as_doc(copy_user_data=True)
    assert (whole._.relations, whole._.passages) == (doc._.relations, doc._.passages)
    spacy.pipeline.functions.merge_entities(doc)
    assert (doc._.relations, doc._.passages) == (whole._.relations, whole._.passages)


@pytest.mark.parametrize("ends", [(0, 999), (5, 4), (-1, 4), ("0", 4)])
def test_passages_that_cannot_be_are_refused(ends, doc):
    set_passages(doc, [Passage(*ends, "title")])
    with pytest.raises(InputError, match="document 7: damaged passages"):
        get_passages(doc)
