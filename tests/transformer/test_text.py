"""Wordpieces, tags, special tokens and windows."""

import pytest
from encoders import make_modern_encoder, make_tiny_encoder, use_plain_tokenizer
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from embre_spacy.transformer.checkpoint import load_checkpoint
from embre_spacy.transformer.text import TaggedText, add_tags, encode, get_tag_ids, special_tokens, split_windows


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


TEXT = "(aspirin) raises cancer risk,  not fever; in breastcancer (gene2protein) it is aspirin/pain"
WHOLE_WORDS = ["aspirin", "cancer", "cancer risk", "fever", "gene2protein", "aspirin/pain", "pain", TEXT]
PARTS = ["breast", "cancer (", "gene", "2", "protein", "ancer", "s"]


def find_mentions(words):
    """The first place of each, as a mention."""
    return [(TEXT.index(one), TEXT.index(one) + len(one)) for one in words]


@pytest.fixture(scope="module", params=["byte-level", "trimmed", "sentencepiece", "wordpiece"])
def any_tokenizer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "any"
    make = make_tiny_encoder(folder) if request.param == "wordpiece" else make_modern_encoder(folder, request.param)
    return load_checkpoint(str(make))[1]


def read_pieces(tokenizer, ids):
    """The text of wordpieces, without what they say of spaces."""
    return tokenizer.backend_tokenizer.decode(list(ids)).replace(" ", "").replace("##", "")


def test_mentions_change_nothing_of_a_text_whose_words_they_do_not_cut(any_tokenizer):
    mentions = find_mentions(WHOLE_WORDS)
    whole = any_tokenizer.backend_tokenizer.encode(TEXT, add_special_tokens=False).ids
    [marked] = encode(any_tokenizer, [TaggedText(TEXT, mentions)])
    assert marked.ids.tolist() == whole
    for word, (first, last) in zip(WHOLE_WORDS, marked.mentions):
        assert read_pieces(any_tokenizer, whole[first:last]) == word.replace(" ", "")


def test_no_piece_crosses_the_border_of_a_mention(any_tokenizer):
    mentions = find_mentions([*WHOLE_WORDS, *PARTS])
    tags = (len(any_tokenizer), len(any_tokenizer) + 1)
    [plain, tagged] = encode(
        any_tokenizer, [TaggedText(TEXT, mentions), TaggedText(TEXT, mentions, [tags] * len(mentions))]
    )
    assert tagged.ids[~tagged.is_tag].tolist() == plain.ids.tolist() and tagged.is_tag.sum() == 2 * len(mentions)
    pieces = [any_tokenizer.convert_ids_to_tokens(id) for id in plain.ids.tolist()]
    for (start, end), (first, last), (opening, closing) in zip(mentions, plain.mentions, tagged.mentions):
        assert read_pieces(any_tokenizer, plain.ids[first:last]) == TEXT[start:end].replace(" ", "")
        inside = tagged.ids[opening:closing]
        assert inside[[0, -1]].tolist() == list(tags)
        assert inside[~tagged.is_tag[opening:closing]].tolist() == plain.ids[first:last].tolist()
        # Where a word is cut there is no space that the text has not.
        if start and not TEXT[start - 1].isspace():
            assert not pieces[first].startswith(("\u2581", "\u0120"))


@pytest.mark.parametrize("token", ["[MASK]", "[SEP]", "[CLS]", "[PAD]", "[UNK]", "[Gene]"])
def test_special_tokens_in_a_text_are_text(any_tokenizer, tmp_path, token):
    any_tokenizer.add_special_tokens({"additional_special_tokens": ["[Gene]"]})
    text = f"aspirin {token} fever{token}"
    for mentions in ([], [(8, 8 + len(token))], [(9, 10)]):
        [found] = encode(any_tokenizer, [TaggedText(text, mentions)])
        # The text is all there, in pieces of which none is a special token.
        read = read_pieces(any_tokenizer, found.ids)
        assert read == text.replace(" ", "").lower() or read == text.replace(" ", "")
        assert not {*any_tokenizer.all_special_ids} & {*found.ids.tolist()}


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
