"""Which wordpieces are masked, and which tags stay."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embre_spacy.pretraining.config import MaskingConfig
from embre_spacy.pretraining.data import count_labels, encode_docs, find_entity_types, make_rng
from embre_spacy.pretraining.masking import Masker, choose_concepts
from embre_spacy.transformer.checkpoint import load_checkpoint
from embre_spacy.transformer.text import add_tags

TEXT = "aspirin causes gastric ulcer. PTGS1 binds aspirin."


@pytest.fixture
def tiny(tiny_encoder):
    return load_checkpoint(str(tiny_encoder))


@pytest.fixture
def encode_doc(tiny):
    """Encodes one document with tags, and gives its tokenizer."""

    def encode(doc, unidentified=False, tags=True):
        transformer, tokenizer = tiny
        tag_ids = add_tags(transformer, tokenizer, find_entity_types([doc])) if tags else None
        (document,) = encode_docs([doc], tokenizer, tag_ids, unidentified=unidentified)
        return document, tokenizer

    return encode


def mask_only(document, tokenizer, index):
    """The document with one concept masked."""
    masker = Masker(tokenizer, MaskingConfig(concept_rate=0.5))
    for draw in range(1000):
        masked = masker(document, make_rng(0, draw))
        if len(masked.concepts) == 1 and masked.concepts[0].identifier == document.concepts[index].identifier:
            return masked
    raise AssertionError("never drawn")


def test_every_wordpiece_of_every_mention_is_masked_and_nothing_else(make_doc, encode_doc):
    document, tokenizer = encode_doc(make_doc(TEXT))
    assert len(document.concepts) == 3
    masked = mask_only(document, tokenizer, 0)
    aspirin, ulcer = "[ChemicalEntity] aspirin [/ChemicalEntity]", "gastric ulcer"
    whole = tokenizer.decode(document.wordpieces.ids)
    assert whole.count(aspirin) == 2 and ulcer in whole
    assert tokenizer.decode(masked.ids) == whole.replace(aspirin, "[MASK]")
    assert [tokenizer.convert_ids_to_tokens(int(masked.ids[i])) for i in masked.concepts[0].pieces] == ["[MASK]"] * 2


def test_words_of_many_wordpieces_are_masked_whole(make_doc, encode_doc):
    document, tokenizer = encode_doc(make_doc(TEXT))
    index = [len(concept.pieces) for concept in document.concepts].index(5)
    masked = mask_only(document, tokenizer, index)
    decoded = tokenizer.decode(masked.ids)
    assert decoded.count("[MASK]") == 5 and "p" not in decoded.split("binds")[0].split(".")[1]
    assert "GeneOrGeneProduct" not in decoded


def test_a_mention_with_several_identifiers_belongs_to_each(make_doc, encode_doc):
    text = "BRCA1/2 and BRCA2 and fever"
    mentions = [
        (0, 7, "GeneOrGeneProduct", "672,675"),
        (12, 17, "GeneOrGeneProduct", "675"),
        (22, 27, "DiseaseOrPhenotypicFeature", "D005334"),
    ]
    document, _ = encode_doc(make_doc(text, mentions), tags=False)
    first, second, fever = document.concepts
    assert set(first.pieces) < set(second.pieces) and not set(second.pieces) & set(fever.pieces)


def test_tags_of_nested_mentions_of_a_masked_one_go_too(make_doc, encode_doc):
    text = "breast cancer is not fever"
    mentions = [
        (0, 13, "DiseaseOrPhenotypicFeature", "D001943"),
        (7, 13, "ChemicalEntity", "D000001"),
        (21, 26, "DiseaseOrPhenotypicFeature", "D005334"),
    ]
    document, tokenizer = encode_doc(make_doc(text, mentions))
    fever = "is not [DiseaseOrPhenotypicFeature] fever [/DiseaseOrPhenotypicFeature]"
    assert tokenizer.decode(mask_only(document, tokenizer, 0).ids) == f"[MASK] [MASK] {fever}"
    assert tokenizer.decode(mask_only(document, tokenizer, 1).ids) == f"breast [MASK] {fever}"


@given(count=st.integers(0, 30), rate=st.floats(0, 0.99), seed=st.integers(0, 2**32 - 1))
def test_never_all_concepts_and_never_none(count, rate, seed):
    chosen = choose_concepts(count, rate, make_rng(seed))
    assert len(set(chosen)) == len(chosen) and all(0 <= index < count for index in chosen)
    assert 1 <= len(chosen) < count if count > 1 and rate else not len(chosen)


def test_the_rate_is_the_one_asked_for():
    counts = [len(choose_concepts(60, 0.2, make_rng(0, draw))) for draw in range(2000)]
    assert numpy.mean(counts) / 60 == pytest.approx(0.2, abs=0.005)


def test_each_concept_is_as_likely(make_doc):
    chosen = numpy.concatenate([choose_concepts(3, 0.2, make_rng(0, draw)) for draw in range(6000)])
    shares = numpy.bincount(chosen) / len(chosen)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)


def test_draws_depend_on_their_place_alone(make_doc, encode_doc):
    document, tokenizer = encode_doc(make_doc(TEXT))
    masker = Masker(tokenizer, MaskingConfig(concept_rate=0.2, word_rate=0.2))
    numpy.random.seed(0)
    first = [masker(document, make_rng(0, epoch)).ids.tolist() for epoch in range(20)]
    numpy.random.seed(1)
    assert [masker(document, make_rng(0, epoch)).ids.tolist() for epoch in reversed(range(20))][::-1] == first
    assert len({tuple(ids) for ids in first}) > 10


def test_words_are_masked_besides(make_doc, encode_doc):
    document, tokenizer = encode_doc(make_doc(" ".join([TEXT] * 20)))
    masker = Masker(tokenizer, MaskingConfig(concept_rate=0.0, word_rate=0.15))
    words = changed = 0
    for draw in range(50):
        masked = masker(document, make_rng(0, draw))
        assert not masked.concepts and len(masked) == len(document.wordpieces)
        assert (document.wordpieces.ids[masked.words] == masked.word_ids).all()
        assert not document.wordpieces.is_tag[masked.words].any()
        words += len(masked.words)
        changed += (masked.ids == tokenizer.mask_token_id).sum()
        others = numpy.setdiff1d(numpy.arange(len(masked)), masked.words)
        assert (masked.ids[others] == document.wordpieces.ids[others]).all()
    assert words / 50 / (~document.wordpieces.is_tag).sum() == pytest.approx(0.15, abs=0.01)
    assert changed / words == pytest.approx(0.8, abs=0.05)


def test_words_and_concepts_never_share_a_wordpiece(make_doc, encode_doc):
    document, tokenizer = encode_doc(make_doc(TEXT))
    masker = Masker(tokenizer, MaskingConfig(concept_rate=0.5, word_rate=0.5))
    for draw in range(100):
        masked = masker(document, make_rng(0, draw))
        concepts = {int(piece) for concept in masked.concepts for piece in concept.pieces}
        assert not concepts & set(masked.words.tolist())
        assert all(masked.ids[piece] == tokenizer.mask_token_id for piece in concepts)


def test_mentions_without_identifiers_go_by_their_text(make_doc, encode_doc):
    doc = make_doc("Fever, fever and aspirin", [(0, 5, "Disease", "-"), (7, 12, "Disease", ""), (17, 24, "Drug", "-1")])
    assert encode_doc(doc)[0].concepts == []
    document, _ = encode_doc(doc, unidentified=True)
    assert [len(concept.pieces) for concept in document.concepts] == [2, 1]
    found = [(concept.identifier, concept.type) for concept in document.concepts]
    assert found == [(None, "DiseaseOrPhenotypicFeature"), (None, "ChemicalEntity")]


def test_labels_are_counted(make_doc, tiny):
    docs = [make_doc(text) for text in ("warfarin and fever and fever", "aspirin and warfarin")]
    labels = count_labels(list(encode_docs(docs, tiny[1], None, unidentified=False)))
    assert list(labels["identifier"].items()) == [("D001241", 1), ("D005334", 1), ("D014859", 2)]
    assert list(labels["type"].items()) == [("ChemicalEntity", 3), ("DiseaseOrPhenotypicFeature", 1)]
    assert labels["word"][tiny[1].convert_tokens_to_ids("and")] == 3
