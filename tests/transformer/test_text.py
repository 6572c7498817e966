"""Wordpieces, tags, special tokens and windows."""

import pytest
from encoders import make_tiny_encoder, use_plain_tokenizer
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from embre_spacy.transformer import (
    TaggedText,
    add_tags,
    encode,
    get_tag_ids,
    load_checkpoint,
    special_tokens,
    split_windows,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return load_checkpoint(str(make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")))


@given(length=st.integers(0, 5000), size=st.integers(1, 600), data=st.data())
def test_windows_cover_everything_and_overlap_enough(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    windows = split_windows(length, size, overlap)
    assert windows[0][0] == 0 and windows[-1][1] == length
    assert all(end - start <= size for start, end in windows)
    assert all(first[1] - second[0] >= overlap for first, second in zip(windows, windows[1:]))
    assert all(first[0] < second[0] for first, second in zip(windows, windows[1:]))


def test_an_overlap_as_large_as_the_window_is_refused():
    with pytest.raises(ValueError, match="overlap"):
        split_windows(10, 5, 5)


def test_tags_enclose_mentions_outer_ones_first(tiny):
    transformer, tokenizer = tiny
    tags = add_tags(transformer, tokenizer, ["Gene", "Drug"])
    texts = [
        TaggedText("a cat sat", [(2, 5), (2, 9), (6, 9)], [tags["Gene"], tags["Drug"], None]),
        TaggedText("", []),
        TaggedText("a cat", [(2, 5)]),
    ]
    first, empty, last = encode(tokenizer, texts)
    tokens = tokenizer.convert_ids_to_tokens(first.ids)
    assert [token for token in tokens if "[" in token and token != "[UNK]"] == [
        "[Drug]",
        "[Gene]",
        "[/Gene]",
        "[/Drug]",
    ]
    assert tokens.index("[Drug]") < tokens.index("[Gene]")
    assert first.is_tag.sum() == 4
    for (start, end), opening in zip(first.mentions[:2], ("[Gene]", "[Drug]")):
        assert tokens[start] == opening and tokens[end - 1] == opening.replace("[", "[/")
    assert len(empty) == 0 and len(empty.mentions) == 0
    assert not last.is_tag.any() and last.mentions[0, 1] == len(last)


def test_tags_are_added_once_and_start_from_the_words_of_the_type(tiny):
    transformer, tokenizer = tiny
    tags = add_tags(transformer, tokenizer, ["CellLine"])
    size = len(tokenizer)
    assert add_tags(transformer, tokenizer, ["CellLine"]) == tags
    assert len(tokenizer) == size <= transformer.get_input_embeddings().weight.shape[0]
    embeddings = transformer.get_input_embeddings().weight
    pieces = tokenizer("Cell Line", add_special_tokens=False)["input_ids"]
    assert embeddings[tags["CellLine"][0]].allclose(embeddings[pieces].mean(dim=0))
    assert "Nothing" not in get_tag_ids(tokenizer, ["Nothing"])


def test_special_tokens_are_what_the_tokenizer_puts_around_a_text(tiny):
    _, tokenizer = tiny
    assert special_tokens(tokenizer) == ([tokenizer.cls_token_id], [tokenizer.sep_token_id])


def test_special_tokens_of_a_tokenizer_without_a_class_of_its_own(tmp_path):
    use_plain_tokenizer(make_tiny_encoder(tmp_path / "tiny"))
    _, tokenizer = load_checkpoint(str(tmp_path / "tiny"))
    assert type(tokenizer) is PreTrainedTokenizerFast
    assert special_tokens(tokenizer) == ([tokenizer.cls_token_id], [tokenizer.sep_token_id])
    unknown = tokenizer.unk_token_id
    for template, expected in (
        ("$A", ([], [])),
        ("$A [SEP]", ([], [tokenizer.sep_token_id])),
        # A special token may be the same as the wordpiece of an unknown word.
        ("[UNK] [CLS] $A [SEP] [SEP]", ([unknown, tokenizer.cls_token_id], [tokenizer.sep_token_id] * 2)),
    ):
        names = [("[UNK]", unknown), ("[CLS]", tokenizer.cls_token_id), ("[SEP]", tokenizer.sep_token_id)]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=names)
        assert special_tokens(tokenizer) == expected
