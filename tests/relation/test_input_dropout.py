"""Masks in training: of whole concepts and of words, never of tags, and never in prediction."""

import numpy
import pytest
import spacy
from relation_docs import make_doc

from embre_spacy.errors import EmbreError
from embre_spacy.relation.document_encoder import create_document_encoder
from embre_spacy.relation.model import get_network


@pytest.fixture
def encoder_kind() -> str:
    return "document"


@pytest.fixture
def read(make_nlp, make_examples):
    """Gives the tokens that a document is read as, with the tokens of each concept between their tags."""

    def read(*, is_train, **encoder):
        spacy.util.fix_random_seed(0)
        nlp = make_nlp(encoder={"markers": False, **encoder})
        examples = make_examples(nlp)
        nlp.initialize(lambda: examples)
        pipe = nlp.get_pipe("embre_relation")
        arrays = pipe.prepare([make_doc(nlp.vocab)], is_train=is_train).arrays
        tokenizer = get_network(pipe.model).encoder.tokenizer
        words = numpy.asarray(tokenizer.convert_ids_to_tokens(numpy.concatenate(arrays.windows).tolist()))
        spans = [arrays.features.mentions[row[row >= 0]] for row in arrays.features.concept_mentions]
        # One special token stands before the text.
        return words, [[set(words[start + 2 : end]) for start, end in concept] for concept in spans]

    return read


def test_concepts_are_masked_whole_and_tags_never(read):
    plain, _ = read(is_train=False, mention_dropout=0.5)
    words, concepts = read(is_train=True, mention_dropout=0.5)
    assert "[MASK]" not in plain and len(plain) == len(words)
    masked = [["[MASK]" in inside for inside in concept] for concept in concepts]
    assert any(map(all, masked)) and not all(map(all, masked))
    assert all(len(set(concept)) == 1 for concept in masked)
    changed = plain != words
    assert set(words[changed]) == {"[MASK]"}
    assert not any(word.startswith(("[Gene", "[/Gene", "[Chem", "[/Chem", "[Dis", "[/Dis")) for word in plain[changed])


def test_words_are_masked(read):
    plain, _ = read(is_train=False)
    words, _ = read(is_train=True, word_dropout=0.9)
    assert 0.5 < (words == "[MASK]").mean() < 1.0
    assert {word for word in plain if word.startswith("[")} <= set(words)


def test_without_dropout_training_reads_what_prediction_reads(read):
    assert read(is_train=True)[0].tolist() == read(is_train=False)[0].tolist()


@pytest.mark.parametrize("shares", [{"mention_dropout": 1.0}, {"word_dropout": -0.1}])
def test_impossible_shares_are_errors(shares):
    with pytest.raises(EmbreError, match="at least 0 and less than 1"):
        create_document_encoder("any", **shares)
