"""The pairs encoder: one pass for each candidate, with tags around the mentions of its two concepts and no others."""

import numpy
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from relation_docs import make_doc

from embre_spacy.relation.model import get_network
from embre_spacy.relation.pairs_encoder import MIN_WINDOW, PairsEncoder, choose_excerpts

GENE, DISEASE, DRUG = "GeneOrGeneProduct", "DiseaseOrPhenotypicFeature", "ChemicalEntity"
FAR_APART = [("Aspirin", 0, DRUG, "D1"), ("fever", 0, DISEASE, "C1")]
SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 12) | st.integers(0, 200)), min_size=1, max_size=12)


@pytest.fixture
def encoder_kind():
    return "pairs"


@pytest.fixture
def make_initialized(make_nlp, make_examples):
    def make(**encoder):
        spacy.util.fix_random_seed(0)
        nlp = make_nlp(encoder=encoder, candidates={"@misc": "embre_spacy.AllPairsCandidates.v1"})
        examples = make_examples(nlp)
        nlp.initialize(lambda: examples)
        return nlp

    return make


@pytest.fixture
def initialized(make_initialized):
    return make_initialized()


def encoder_of(nlp):
    return get_network(nlp.get_pipe("embre_relation").model).encoder


def lay_out(nlp, doc, *identifiers):
    """The batch of the candidate with two identifiers, or of all candidates."""
    candidates = nlp.get_pipe("embre_relation").candidates(doc)
    if identifiers:
        candidates = [pair for pair in candidates if [concept.id for concept in pair] == list(identifiers)]
        assert len(candidates) == 1
    return nlp.get_pipe("embre_relation").prepare([doc], [candidates]).arrays


def passes(nlp, doc, *identifiers):
    """The wordpieces of each pass, and those that stand for the source and the target."""
    tokenizer = encoder_of(nlp).tokenizer
    batch = lay_out(nlp, doc, *identifiers)
    return [
        (
            " ".join(tokenizer.convert_ids_to_tokens(ids)),
            tokenizer.convert_ids_to_tokens(ids[source]),
            tokenizer.convert_ids_to_tokens(ids[target]),
        )
        for ids, source, target in zip(batch.inputs, batch.sources, batch.targets)
    ]


def long_doc(vocab, repeats):
    text = " ".join(f"Aspirin causes ulcer number {i} and lowers fever." for i in range(repeats))
    mentions = []
    for i in range(repeats):
        mentions.append(("Aspirin", i, DRUG, f"D{i % 4}"))
        mentions.append(("fever", i, DISEASE, f"C{i % 3}"))
    return make_doc(vocab, text, mentions, [])


def test_the_text_has_tags_around_the_mentions_of_source_and_target_only(initialized):
    doc = make_doc(
        initialized.vocab,
        "Aspirin lowers fever in mice. Treatment with aspirin is in the ulcer of the fever.",
        [
            ("Aspirin", 0, DRUG, "D1"),
            ("fever", 0, DISEASE, "C1"),
            ("mice", 0, "OrganismTaxon", "10090"),
            ("aspirin", 0, DRUG, "D1"),
            ("ulcer", 0, DISEASE, "C2"),
            ("fever", 1, DISEASE, "C1"),
        ],
        [],
    )
    [(wordpieces, source, target)] = passes(initialized, doc, "D1", "C1")
    assert wordpieces == (
        "[CLS] [ChemicalEntity] aspirin [/ChemicalEntity] lowers "
        "[DiseaseOrPhenotypicFeature] fever [/DiseaseOrPhenotypicFeature] in mice . treatment with "
        "[ChemicalEntity] aspirin [/ChemicalEntity] is in the ulcer of the "
        "[DiseaseOrPhenotypicFeature] fever [/DiseaseOrPhenotypicFeature] . [SEP]"
    )
    assert source == ["[ChemicalEntity]"] * 2
    assert target == ["[DiseaseOrPhenotypicFeature]"] * 2


def test_there_is_a_pass_for_each_candidate_with_both_concepts_in_it(initialized):
    doc = long_doc(initialized.vocab, 20)
    candidates = initialized.get_pipe("embre_relation").candidates(doc)
    batch = lay_out(initialized, doc)
    assert len(batch.inputs) == len(candidates) == 28
    assert batch.documents == [(0, 28)]
    longest = encoder_of(initialized).transformer.config.max_position_embeddings
    tokenizer = encoder_of(initialized).tokenizer
    for ids, source, target, candidate in zip(batch.inputs, batch.sources, batch.targets, candidates):
        # One wordpiece more would have been a whole mention with its tags.
        assert longest - 3 <= len(ids) <= longest
        for concept, places in zip(candidate, (source, target)):
            assert len(places) and set(tokenizer.convert_ids_to_tokens(ids[places])) == {f"[{concept.type}]"}
        # The nearest two are never further apart than a pass is long.
        assert (ids == tokenizer.sep_token_id).sum() == 1


def test_concepts_too_far_apart_for_one_pass_have_an_excerpt_each(initialized):
    middle = "the cells of the mice are in the protein of the cells " * 20
    doc = make_doc(initialized.vocab, f"In mice Aspirin is on. {middle}. In cells fever is on.", FAR_APART, [])
    [(wordpieces, source, target)] = passes(initialized, doc, "D1", "C1")
    first, second, rest = wordpieces.split(" [SEP]")
    assert first.startswith("[CLS] in mice [ChemicalEntity] aspirin [/ChemicalEntity] is on . the cells")
    assert second.endswith("in cells [DiseaseOrPhenotypicFeature] fever [/DiseaseOrPhenotypicFeature] is on .")
    # Between the special tokens is room for 62: 30 of each stretch and what is between them.
    assert rest == "" and len(wordpieces.split()) == 1 + 30 + 1 + 30 + 1
    assert source == ["[ChemicalEntity]"] and target == ["[DiseaseOrPhenotypicFeature]"]


def test_a_mention_that_is_longer_than_a_pass_is_read_from_its_opening_tag(initialized):
    text = "Fever is on aspirin " + "of the cells " * 40 + "in mice."
    doc = make_doc(initialized.vocab, text, [("Fever", 0, DISEASE, "C1")], [])
    doc.spans["mentions"] = [doc.char_span(text.index("aspirin"), len(text) - 1, label=DRUG, kb_id="D1")]
    [(wordpieces, source, target)] = passes(initialized, doc, "C1", "D1")
    assert "[ChemicalEntity] aspirin of the cells" in wordpieces
    assert wordpieces.endswith("[/ChemicalEntity] [SEP]")
    assert source == ["[DiseaseOrPhenotypicFeature]"] and target == ["[ChemicalEntity]"]
    assert len(initialized.get_pipe("embre_relation").predict([doc])[1][0]) == 1


def test_overlapping_mentions_have_tags_within_each_other(initialized):
    doc = make_doc(
        initialized.vocab,
        "Gene inhibits fever gene pain.",
        [("Gene", 0, GENE, "1"), ("fever", 0, DISEASE, "C1")],
        [],
    )
    whole = doc.char_span(0, 13, label=DRUG, kb_id="D1")
    crossing = doc.char_span(14, 24, label=DRUG, kb_id="D1")
    crossed = doc.char_span(20, 29, label=GENE, kb_id="1")
    doc.spans["mentions"] = [crossed, whole, crossing]
    [(wordpieces, source, target)] = passes(initialized, doc, "D1", "1")
    assert wordpieces == (
        "[CLS] [ChemicalEntity] [GeneOrGeneProduct] gene [/GeneOrGeneProduct] inhibits [/ChemicalEntity] "
        "[ChemicalEntity] fever [GeneOrGeneProduct] gene [/ChemicalEntity] pain [/GeneOrGeneProduct] . [SEP]"
    ).replace("inhibits", " ".join(encoder_of(initialized).tokenizer.tokenize("inhibits")))
    assert source == ["[ChemicalEntity]"] * 2 and target == ["[GeneOrGeneProduct]"] * 2


def test_a_concept_with_itself_has_its_tags_once(initialized):
    mentions = [("aspirin", 0, DRUG, "D1"), ("aspirin", 1, DRUG, "D1"), ("fever", 0, DISEASE, "C1")]
    doc = make_doc(initialized.vocab, "The aspirin and aspirin for fever", mentions, [])
    [(wordpieces, source, target)] = passes(initialized, doc, "D1", "D1")
    tagged = "[ChemicalEntity] aspirin [/ChemicalEntity]"
    assert wordpieces == f"[CLS] the {tagged} and {tagged} for fever [SEP]"
    assert source == target == ["[ChemicalEntity]"] * 2


def test_a_mention_of_two_concepts_has_its_tags_once(initialized):
    doc = make_doc(initialized.vocab, "Pain and fever.", [("Pain", 0, DISEASE, "C1,C2")], [])
    [(wordpieces, source, target)] = passes(initialized, doc, "C1", "C2")
    assert wordpieces.count("[DiseaseOrPhenotypicFeature]") == wordpieces.count("[/DiseaseOrPhenotypicFeature]") == 1
    assert source == target == ["[DiseaseOrPhenotypicFeature]"]


def test_a_type_that_was_not_trained_has_no_tags(initialized):
    mentions = [("mice", 0, "OrganismTaxon", "10090"), ("fever", 0, DISEASE, "C1")]
    doc = make_doc(initialized.vocab, "In mice fever", mentions, [])
    [(wordpieces, source, target)] = passes(initialized, doc, "10090", "C1")
    assert wordpieces == "[CLS] in mice [DiseaseOrPhenotypicFeature] fever [/DiseaseOrPhenotypicFeature] [SEP]"
    assert source == ["mice"] and target == ["[DiseaseOrPhenotypicFeature]"]


def test_scores_do_not_depend_on_the_batch(make_initialized):
    results = []
    for batch_candidates in (1, 4, 1000):
        nlp = make_initialized(batch_candidates=batch_candidates)
        pipe = nlp.get_pipe("embre_relation")
        docs = [long_doc(nlp.vocab, repeats) for repeats in (1, 5, 3, 8)]
        alone = [numpy.concatenate(of_each) for of_each in zip(*(pipe.predict([doc])[1] for doc in docs))]
        for scores, together in zip(alone, pipe.predict(docs)[1]):
            # The heads take all candidates at once, so the order of additions in float32 may differ.
            numpy.testing.assert_allclose(scores, together, atol=1e-6)
        results.append(alone[0])
    for found in results[1:]:
        numpy.testing.assert_allclose(found, results[0], atol=1e-5)


def test_calls_of_documents_do_not_mix_in_prediction_but_in_training(make_initialized):
    nlp = make_initialized(batch_candidates=8)
    encoder = encoder_of(nlp)
    arrays = nlp.get_pipe("embre_relation").prepare([long_doc(nlp.vocab, 1), long_doc(nlp.vocab, 2)]).arrays
    sizes = []
    encoder.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    with torch.no_grad():
        list(encoder.eval()(arrays))
        assert sizes == [1, 6]
        list(encoder.train()(arrays))
    assert sizes == [1, 6, 7]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_are_those_of_one_large_call(make_initialized, precision):
    gradients, calls = [], []
    for batch_candidates in (1, 1000):
        nlp = make_initialized(batch_candidates=batch_candidates, precision=precision)
        encoder = encoder_of(nlp).train()
        batch = lay_out(nlp, long_doc(nlp.vocab, 4))
        encoder.transformer.register_forward_hook(lambda *_: calls.append(1))
        torch.cat([vectors for _, vectors in encoder(batch)]).square().mean().backward()
        gradients.append({name: one.grad for name, one in encoder.named_parameters() if one.grad is not None})
    # With one candidate in a call, each call is made again in the backward pass.
    assert len(calls) == 2 * len(batch.inputs) + 1
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 30
    tolerance = {"float32": 1e-5, "bfloat16": 2e-2}[precision]
    for name, gradient in gradients[0].items():
        scale = gradients[1][name].abs().max()
        assert (gradient - gradients[1][name]).abs().max() <= tolerance * scale + 1e-7, name


def test_dropout_is_the_same_when_a_call_is_made_again(make_initialized):
    nlp = make_initialized(batch_candidates=2, hidden_dropout=0.5)
    encoder = encoder_of(nlp).train()
    outputs = []
    encoder.transformer.register_forward_hook(lambda _, __, output: outputs.append(output[0].detach().clone()))
    [(_, vectors)] = encoder(lay_out(nlp, make_doc(nlp.vocab)))
    vectors.sum().backward()
    n_calls = len(outputs) // 2
    # In the backward pass the last call comes first.
    for first, again in zip(outputs[:n_calls], reversed(outputs[n_calls:])):
        assert torch.equal(first, again)
    assert not torch.equal(outputs[0], outputs[1])


def test_a_saved_pipeline_has_the_same_encoder_and_scores(initialized, tmp_path):
    initialized.to_disk(tmp_path / "model")
    reloaded = spacy.load(tmp_path / "model")
    encoder = encoder_of(reloaded)
    assert encoder.settings == encoder_of(initialized).settings and isinstance(encoder, PairsEncoder)
    doc = make_doc(initialized.vocab)
    before, after = (nlp.get_pipe("embre_relation").predict([doc])[1][0] for nlp in (initialized, reloaded))
    numpy.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("encoder", [{"window": 3}, {"batch_candidates": 0}])
def test_settings_that_leave_no_room_are_errors(make_initialized, encoder):
    with pytest.raises(ValueError, match="at least"):
        make_initialized(**encoder)


def choose(spans, nearest, length, size, n_between=1):
    spans = numpy.asarray(spans, dtype="int64")
    n_tags = numpy.full(len(spans), 2)
    return choose_excerpts(spans, n_tags, nearest, length=length, size=size, n_between=n_between)


@given(SPANS, st.integers(MIN_WINDOW, 120), st.data())
def test_both_mentions_are_there_and_everything_fits(found, size, data):
    spans = [(start, start + width) for start, width in found]
    length = max(end for _, end in spans) + data.draw(st.integers(0, 50))
    numbers = st.integers(0, len(spans) - 1)
    nearest = data.draw(st.tuples(numbers, numbers))
    excerpts = choose(spans, nearest, length, size)
    assert len(excerpts) <= 2 and excerpts == sorted(excerpts)
    cost = sum(end - start + 2 * len(mentions) for start, end, mentions in excerpts) + len(excerpts) - 1
    assert cost <= size
    assert set(nearest) <= {mention for *_, mentions in excerpts for mention in mentions}
    for start, end, mentions in excerpts:
        assert 0 <= start <= end <= length
        assert all(start <= spans[mention][0] <= end for mention in mentions)
    first, last = (edge([spans[i][side] for i in nearest]) for edge, side in ((min, 0), (max, 1)))
    if last - first + 2 * len(spans) <= size:
        assert len(excerpts) == 1 and excerpts[0][0] <= first <= last <= excerpts[0][1]
    if length + 2 * len(spans) <= size:
        assert excerpts[0][:2] == (0, length)


def test_an_excerpt_is_as_wide_as_fits_around_the_nearest_mentions():
    assert choose([(50, 52), (58, 60)], (0, 1), 100, 34) == [(40, 70, [0, 1])]
    # At the beginning and the end of the text there is nothing to be in the middle of.
    assert choose([(1, 2), (3, 4)], (0, 1), 100, 34) == [(0, 30, [0, 1])]
    assert choose([(97, 98), (99, 100)], (0, 1), 100, 34) == [(70, 100, [0, 1])]
    # Tags of other mentions take room too.
    assert choose([(50, 52), (58, 60), (45, 46)], (0, 1), 100, 34) == [(41, 69, [0, 1, 2])]


def test_two_excerpts_where_the_mentions_are_too_far_apart():
    assert choose([(80, 81), (10, 11)], (0, 1), 100, 25) == [(5, 15, [1]), (75, 85, [0])]
    assert choose([(80, 81), (10, 11)], (0, 1), 100, 24, n_between=0) == [(5, 15, [1]), (75, 85, [0])]


def test_of_a_mention_that_is_too_long_the_beginning_is_there():
    assert choose([(10, 90)], (0, 0), 100, 20) == [(10, 28, [0])]
    assert choose([(10, 90), (95, 96)], (0, 1), 100, 21) == [(10, 18, [0]), (91, 99, [1])]
