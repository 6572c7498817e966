"""The tokenizer: no character lost, a token boundary wherever one is asked for."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from embre_spacy.tokens import build_tokenizer, get_tokenizer, tokenize_at

TOKENIZER = build_tokenizer(spacy.blank("en").vocab)
texts = st.lists(
    st.one_of(
        st.sampled_from(
            ["BRCA1", " ", "  ", "\n", "\u00a0", "don't", "IL-2/IL-4", "e\u0301", "😀", "10 mg/kg.", "U.S."]
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=15,
).map("".join)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cocaine-induced IL-2/IL-4", "cocaine - induced IL - 2 / IL - 4"),
        ("(V600E)+(BRAF)", "( V600E ) + ( BRAF )"),
        ("p53.", "p53 ."),
    ],
)
def test_words(text, words):
    assert [token.text for token in TOKENIZER(text)] == words.split()


@settings(deadline=None)
@given(text=texts, data=st.data())
def test_every_range_can_be_a_span(text, data):
    spans = []
    if text:
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(text) - 1))
            spans.append((start, data.draw(st.integers(start + 1, len(text)))))
    edges = [edge for start, end in spans for edge in (start, end - 1) if text[edge].isspace()]
    doc = tokenize_at(TOKENIZER, text, [edge for span in spans for edge in span], spaces=edges)
    assert doc.text == text
    for start, end in spans:
        assert doc.char_span(start, end).text == text[start:end]


@settings(deadline=None)
@given(text=texts)
def test_without_boundaries_it_is_the_tokenizer(text):
    doc = tokenize_at(TOKENIZER, text, [])
    assert [token.text_with_ws for token in doc] == [token.text_with_ws for token in TOKENIZER(text)]


def test_boundaries_at_tokens_change_nothing():
    text = "one two-three"
    doc = tokenize_at(TOKENIZER, text, [0, 3, 4, 7, 8, 13])
    assert [token.text for token in doc] == ["one", "two", "-", "three"]


def test_a_vocabulary_keeps_one_tokenizer_but_none_of_a_memory_zone():
    nlp = spacy.blank("en")
    with nlp.memory_zone():
        inside = get_tokenizer(nlp.vocab)
        assert [token.text for token in inside("IL-2s don't")] == ["IL", "-", "2s", "do", "n't"]
    outside = get_tokenizer(nlp.vocab)
    assert outside is not inside
    with nlp.memory_zone():
        assert get_tokenizer(nlp.vocab) is outside
        assert [token.text for token in outside("IL-2s don't")] == ["IL", "-", "2s", "do", "n't"]
    assert get_tokenizer(spacy.blank("en").vocab) is not outside


@pytest.mark.parametrize(
    "text", ["-" * 8000, "word" + "'s" * 4000, "(" * 4000 + ")" * 4000, ("+" * 499 + " ") * 16, "(" + "=." * 4000]
)
def test_the_work_for_runs_of_marks_grows_with_their_length(text):
    tokenizer = build_tokenizer(spacy.blank("en").vocab)
    looked_at = []
    for setting in ("prefix_search", "suffix_search", "token_match"):
        search = getattr(tokenizer, setting)
        setattr(tokenizer, setting, lambda piece, search=search: looked_at.append(len(piece)) or search(piece))
    doc = tokenizer(text)
    assert doc.text == text
    # It was half of the square of the length.
    assert sum(looked_at) < 1000 * len(text)


def test_long_stretches_are_cut_at_boundaries_and_stay_long_in_saved_pipelines():
    text = "see " + "-" * 800 + " end"
    doc = tokenize_at(TOKENIZER, text, [10, 20])
    assert [len(token) for token in doc] == [3, 6, 10, 784, 3]
    saved = build_tokenizer(spacy.blank("en").vocab).from_bytes(TOKENIZER.to_bytes())
    assert [len(token) for token in saved(text)] == [len(token) for token in TOKENIZER(text)] == [3, 800, 3]
