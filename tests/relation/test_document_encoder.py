"""The document encoder: every mention of a document of any length is read, whatever stands beside it in the batch."""

import numpy
import pytest
import spacy
from encoders import make_tiny_encoder, use_plain_tokenizer
from relation_docs import make_doc

from embre_spacy.relation.model import get_network
from embre_spacy.tokens import copy_mentions


@pytest.fixture
def encoder_kind():
    return "document"


def long_doc(vocab, repeats):
    text = " ".join(f"Aspirin causes ulcer number {i} and lowers fever." for i in range(repeats))
    mentions = []
    for i in range(repeats):
        mentions.append(("Aspirin", i, "ChemicalEntity", f"D{i % 7}"))
        mentions.append(("fever", i, "DiseaseOrPhenotypicFeature", f"C{i % 5}"))
    return make_doc(vocab, text, mentions, [("D0", "C0", "Association", "Novel")])


def test_every_mention_lies_whole_in_a_window(initialized):
    pipe = initialized.get_pipe("embre_relation")
    doc = long_doc(initialized.vocab, 60)
    arrays = pipe.prepare([doc]).arrays
    assert len(arrays.windows) > 3
    assert len(arrays.features.mentions) == len(doc.ents) == 120
    for start, end in arrays.features.mentions:
        assert any(set(range(start, end)) <= set(places.tolist()) for places in arrays.places)
    assert set(numpy.concatenate(arrays.places)) == set(range(arrays.features.n_units))
    longest = get_network(pipe.model).encoder.transformer.config.max_position_embeddings
    assert max(map(len, arrays.windows)) <= longest


def test_scores_do_not_depend_on_the_batch(initialized):
    pipe = initialized.get_pipe("embre_relation")
    docs = [long_doc(initialized.vocab, repeats) for repeats in (1, 9, 3, 30)]
    alone = zip(*(pipe.predict([doc])[1] for doc in docs))
    for of_each, together in zip(alone, pipe.predict(docs)[1]):
        # Only the order of additions in float32 differs.
        numpy.testing.assert_allclose(numpy.concatenate(of_each), together, atol=1e-5)


def test_tags_are_around_every_mention_and_can_be_left_out(make_nlp, make_examples):
    texts = {}
    for tags in (True, False):
        nlp = make_nlp(encoder={"tags": tags})
        examples = make_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)
        pipe = nlp.get_pipe("embre_relation")
        arrays = pipe.prepare([examples[1].predicted]).arrays
        texts[tags] = get_network(pipe.model).encoder.tokenizer.convert_ids_to_tokens(arrays.windows[0])
    assert [token for token in texts[True] if token.startswith(("[G", "[/G", "[D", "[/D"))] == [
        "[GeneOrGeneProduct]",
        "[/GeneOrGeneProduct]",
        "[DiseaseOrPhenotypicFeature]",
        "[/DiseaseOrPhenotypicFeature]",
    ]
    assert [token for token in texts[True] if not token.startswith(("[G", "[/G", "[D", "[/D"))] == texts[False]


def test_overlapping_mentions_take_part(initialized):
    doc = make_doc(
        initialized.vocab,
        "PTGS1 inhibitor fever.",
        [("PTGS1", 0, "GeneOrGeneProduct", "5742"), ("fever", 0, "DiseaseOrPhenotypicFeature", "D005334")],
        [],
    )
    doc.spans["mentions"] = [doc.char_span(0, 15, label="ChemicalEntity", kb_id="D016861")]
    pairs = {frozenset((a.id, b.id)) for a, b in initialized.get_pipe("embre_relation").candidates(doc)}
    assert frozenset(("D016861", "D005334")) in pairs
    copied = copy_mentions(doc)
    initialized.get_pipe("embre_relation").cfg["threshold"] = 0.0
    assert {relation.pair for relation in initialized(copied)._.relations} == {tuple(sorted(pair)) for pair in pairs}


def test_bfloat16_is_close_to_float32(make_nlp, make_examples):
    results = []
    for precision in ("float32", "bfloat16"):
        spacy.util.fix_random_seed(0)
        nlp = make_nlp(encoder={"precision": precision})
        examples = make_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)
        results.append(nlp.get_pipe("embre_relation").predict([examples[0].predicted])[1][0])
    numpy.testing.assert_allclose(*results, atol=0.05)


def test_a_tokenizer_without_a_class_of_its_own_has_its_special_tokens(make_nlp, make_examples, tmp_path):
    folders = [make_tiny_encoder(tmp_path / name) for name in ("bert", "plain")]
    use_plain_tokenizer(folders[1])
    probabilities = []
    for folder in folders:
        spacy.util.fix_random_seed(0)
        nlp = make_nlp(encoder={"name": str(folder)})
        examples = make_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)
        nlp.to_disk(tmp_path / "pipeline")
        for pipeline in (nlp, spacy.load(tmp_path / "pipeline")):
            component = pipeline.get_pipe("embre_relation")
            probabilities.append(component.predict([example.predicted for example in examples])[1][0])
    for others in probabilities[1:]:
        numpy.testing.assert_allclose(others, probabilities[0], atol=1e-6)
