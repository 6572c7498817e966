"""Sentences of a text, whatever its tokens, its mentions and its passages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

from embre_spacy.tokens import Mention, Passage, build_tokenizer, get_sentences, set_mentions, set_passages


def split(doc):
    return [doc.text[start:end] for start, end in get_sentences(doc)]


@pytest.mark.parametrize(
    "text",
    [
        "One rose.|Two fell!|Did three?",
        "It fell (P < 0.05).|“It rose.”|[Three stayed.]|(Four went.)",
        "As Lee et al. 2019 and Ray et al. (2020) say, so does Fig. 1 (vs. Fig. 2, i.e. both, e.g. No. 3; cf. No. 4).",
        "By Lee et al.|The others rose.",
        "E. coli and S. aureus, 3. 45 kb and c. *469 C>A were found (p. Glu104X), approx. 7 of 9.",
        "Rats got 5 mg/kg i.p. 1 h before (2 mg s.c.) and after.|Mice got 5 mg/kg i.p.|None died.",
        "It lacks vitamin D.|The group C.|After 24 h.|In exon 4.|Then nothing.",
        "It needs miRNA.|miR-21 is one.|p53 is none.|rs4073 rose.|5-FU fell.|(R)-salt stayed.",
        "Ray, A. B., Lee, C. and Doe, D. E. found it.",
        "no mark at all",
    ],
)
def test_punctuation(text, vocab):
    doc = build_tokenizer(vocab)(text.replace("|", " "))
    assert split(doc) == text.split("|")
    # Whatever tokens there are.
    assert get_sentences(Tokenizer(vocab)(doc.text)) == get_sentences(doc)


def test_empty_lines_and_texts(vocab):
    assert split(Doc(vocab, words=["A title\n \nand a text.\nIt", "goes"])) == ["A title", "and a text.", "It goes"]
    assert split(Doc(vocab)) == split(Doc(vocab, words=["\n"])) == []


def test_passages_end_sentences_and_mentions_do_not(vocab):
    doc = build_tokenizer(vocab)("Salt and fever It is lowered. Salt")
    set_passages(doc, [Passage(0, 14, "title"), Passage(15, 34, "abstract")])
    set_mentions(doc, [Mention(0, 4, "Chemical", "D1"), Mention(18, 34, "Chemical", "D2")])
    assert split(doc) == ["Salt and fever", "It is lowered.", "Salt"]


def test_sentences_that_a_component_has_set_are_taken(vocab):
    doc = Doc(vocab, words=["One", "two", ".", "Three", "four"], sent_starts=[True, True, False, False, True])
    assert split(doc) == ["One", "two . Three", "four"]
    set_passages(doc, [Passage(0, 9, "title"), Passage(10, 20, "abstract")])
    assert split(doc) == ["One", "two .", "Three", "four"]
    doc = Doc(vocab, words=["One", ".", "Two"])
    assert get_sentences(doc) and not doc.has_annotation("SENT_START")


@pytest.mark.parametrize("text", ["x" * 200_000, "。文" * 100_000, ". " * 100_000, "." * 200_000, "\n" * 200_000])
def test_long_texts_take_no_longer_than_their_length(text, vocab):
    doc = Doc(vocab, words=[text])
    assert "".join(split(doc)).replace(" ", "") == text.replace(" ", "").strip()


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.sampled_from([*'aA1 .?!)("\n', "et al. ", "E. coli", "\u00a0", "“B.” "]), max_size=30))
def test_sentences_follow_each_other_and_leave_out_spaces_only(parts, vocab):
    text = "".join(parts)
    doc = Tokenizer(vocab)(text)
    sentences = get_sentences(doc)
    assert all(start < end for start, end in sentences)
    edges = [0, *(edge for sentence in sentences for edge in sentence), len(text)]
    assert edges == sorted(edges)
    gaps = zip(edges[::2], edges[1::2])
    assert not any(text[start:end].strip() for start, end in gaps)
