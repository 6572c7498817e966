"""The document encoder: mentions are read whole in documents of any length; markers; masks."""

import numpy
import pytest
import spacy
import torch
from encoders import make_modern_encoder, make_tiny_encoder, use_plain_tokenizer
from relation_docs import make_doc
from transformers import AutoConfig, AutoModel, AutoTokenizer

from embre_spacy.errors import EmbreError
from embre_spacy.relation import document_encoder
from embre_spacy.relation.document_encoder import create_document_encoder
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


@pytest.fixture
def read_words(make_nlp, make_examples):
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


def test_concepts_are_masked_whole_and_tags_never(read_words):
    plain, _ = read_words(is_train=False, mention_dropout=0.5)
    words, concepts = read_words(is_train=True, mention_dropout=0.5)
    assert "[MASK]" not in plain and len(plain) == len(words)
    masked = [["[MASK]" in inside for inside in concept] for concept in concepts]
    assert any(map(all, masked)) and not all(map(all, masked))
    assert all(len(set(concept)) == 1 for concept in masked)
    changed = plain != words
    assert set(words[changed]) == {"[MASK]"}
    assert not any(word.startswith(("[Gene", "[/Gene", "[Chem", "[/Chem", "[Dis", "[/Dis")) for word in plain[changed])


def test_words_are_masked(read_words):
    plain, _ = read_words(is_train=False)
    words, _ = read_words(is_train=True, word_dropout=0.9)
    assert 0.5 < (words == "[MASK]").mean() < 1.0
    assert {word for word in plain if word.startswith("[")} <= set(words)


def test_without_dropout_training_reads_what_prediction_reads(read_words):
    assert read_words(is_train=True)[0].tolist() == read_words(is_train=False)[0].tolist()


@pytest.mark.parametrize("shares", [{"mention_dropout": 1.0}, {"word_dropout": -0.1}])
def test_impossible_shares_are_errors(shares):
    with pytest.raises(EmbreError, match="at least 0 and less than 1"):
        create_document_encoder("any", **shares)


@pytest.fixture
def make_pipe(make_nlp, make_examples):
    def make(**encoder):
        spacy.util.fix_random_seed(0)
        nlp = make_nlp(encoder=encoder)
        examples = make_examples(nlp)
        nlp.initialize(lambda: examples)
        return nlp.get_pipe("embre_relation"), nlp.vocab

    return make


@pytest.mark.parametrize("kind", ["byte-level", "sentencepiece"])
def test_encoders_that_count_the_space_to_the_word_read_the_text_as_it_is(kind, make_pipe, make_examples, tmp_path):
    pipe, vocab = make_pipe(name=str(make_modern_encoder(tmp_path / "encoder", kind)), markers=False)
    encoder = get_network(pipe.model).encoder
    doc = make_doc(vocab)
    [window] = pipe.prepare([doc]).arrays.windows
    tags = {id for pair in encoder.tag_ids.values() for id in pair}
    text = encoder.tokenizer.backend_tokenizer.encode(doc.text).ids
    assert len(tags) == 6 and [id for id in window.tolist() if id not in tags] == text
    assert encoder.tokenizer.convert_ids_to_tokens([text[0], text[-1]]) == ["[CLS]", "[SEP]"]
    expected = pipe.predict([doc])[1]
    pipe.to_disk(tmp_path / "saved")
    again, _ = make_pipe(name=str(tmp_path / "encoder"), markers=False)
    for found, right in zip(again.from_disk(tmp_path / "saved").predict([doc])[1], expected):
        numpy.testing.assert_allclose(found, right, atol=1e-6)


def read(pipe, docs, candidates=None):
    """The vectors of wordpieces, and those of the markers of each candidate, zeros for one without."""
    arrays = pipe.prepare(docs, candidates).arrays
    pieces, marked, markers = get_network(pipe.model).encoder.read(arrays, range(len(arrays.windows)))
    if markers is None:
        return pieces, None
    of_all = torch.zeros(len(arrays.features.candidates), *markers.shape[1:], device=markers.device)
    of_all[marked.tolist()] = markers
    return pieces, of_all


def test_what_a_marker_reads_does_not_depend_on_other_candidates(make_pipe):
    pipe, vocab = make_pipe()
    doc = make_doc(vocab)
    candidates = pipe.candidates(doc)
    text, together = read(pipe, [doc])
    assert len(candidates) > 2 and (together.abs().sum(dim=(1, 2)) > 0).all()
    for candidate, expected in zip(candidates, together):
        alone_text, alone = read(pipe, [doc], [[candidate]])
        numpy.testing.assert_allclose(alone[0].detach().cpu(), expected.detach().cpu(), atol=1e-5)
        # Nor does the text see any marker.
        numpy.testing.assert_allclose(alone_text.detach().cpu(), text.detach().cpu(), atol=1e-5)


def test_a_marker_sees_its_partner(make_pipe):
    pipe, vocab = make_pipe()
    mentions = [
        ("Aspirin", 0, "ChemicalEntity", "D1"),
        ("fever", 0, "DiseaseOrPhenotypicFeature", "D2"),
        ("pain", 0, "DiseaseOrPhenotypicFeature", "D3"),
    ]
    doc = make_doc(vocab, "Aspirin lowers fever and pain.", mentions, [])
    candidates = pipe.candidates(doc)
    assert [source.id for source, _ in candidates] == ["D1", "D1"]
    _, vectors = read(pipe, [doc])
    assert (vectors[0, 0] - vectors[1, 0]).abs().max() > 1e-4


def test_markers_stand_at_the_nearest_mentions(make_pipe):
    pipe, vocab = make_pipe()
    doc = long_doc(vocab, 30)
    arrays = pipe.prepare([doc]).arrays
    tags = get_network(pipe.model).encoder.tokenizer.convert_ids_to_tokens
    assert len(arrays.windows) > 3
    numbers = []
    for window, found in zip(arrays.windows, arrays.markers):
        for number, source, target, *ids in found:
            assert tags([window[source], window[target]]) == tags(ids)
            of_chemicals, of_diseases = "[ChemicalEntity]", "[DiseaseOrPhenotypicFeature]"
            assert set(tags(ids)) <= {of_chemicals, of_diseases}
            numbers.append(number)
    # In each short sentence there is a mention of both, so what has no markers has its mentions in other windows.
    assert len(set(numbers)) == len(numbers) > len(arrays.features.candidates) / 2


def test_candidates_whose_mentions_are_far_apart_have_none(make_pipe):
    pipe, vocab = make_pipe()
    middle = "and so on " * 60
    mentions = [("Aspirin", 0, "ChemicalEntity", "D1"), ("fever", 0, "DiseaseOrPhenotypicFeature", "D2")]
    doc = make_doc(vocab, f"Aspirin {middle} fever", mentions, [])
    _, vectors = read(pipe, [doc])
    assert vectors.shape[0] == 1 and not vectors.any()
    assert len(pipe.predict([doc])[1][0]) == 1


def test_crowded_windows_are_read_several_times(make_pipe, monkeypatch):
    pipe, vocab = make_pipe()
    docs = [make_doc(vocab), long_doc(vocab, 20)]
    text, expected = read(pipe, docs)
    monkeypatch.setattr(document_encoder, "MAX_MARKED", 2)
    assert len(pipe.prepare(docs).arrays.windows) > 10
    crowded_text, crowded = read(pipe, docs)
    numpy.testing.assert_allclose(crowded_text.detach().cpu(), text.detach().cpu(), atol=1e-5)
    numpy.testing.assert_allclose(crowded.detach().cpu(), expected.detach().cpu(), atol=1e-5)


def test_without_tags_markers_are_masks(make_pipe):
    pipe, vocab = make_pipe(tags=False)
    markers = pipe.prepare([make_doc(vocab)]).arrays.markers
    mask = get_network(pipe.model).encoder.tokenizer.mask_token_id
    assert {id for of_window in markers for id in of_window[:, 3:].flatten()} == {mask}


def test_they_can_be_left_out(make_pipe):
    pipe, vocab = make_pipe(markers=False)
    doc = make_doc(vocab)
    text, vectors = read(pipe, [doc])
    assert vectors is None and len(text)
    assert len(pipe.predict([doc])[1][0]) == len(pipe.candidates(doc))


@pytest.mark.parametrize(
    "kind, settings",
    [("mpnet", {}), ("bert", {"position_embedding_type": "relative_key"}), ("distilbert", {"n_heads": 2, "dim": 32})],
)
def test_a_transformer_that_counts_positions_itself_is_an_error(kind, settings, tiny_encoder):
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = AutoConfig.for_model(kind, vocab_size=50, **{**({} if kind == "distilbert" else shape), **settings})
    transformer, tokenizer = AutoModel.from_config(config), AutoTokenizer.from_pretrained(tiny_encoder)
    encoder = create_document_encoder("any", window=40, overlap=8, n_heads=2)
    with pytest.raises(EmbreError, match="set `markers` of the encoder to false"):
        encoder.build_on(transformer, tokenizer, [])
    encoder = create_document_encoder("any", window=40, overlap=8, n_heads=2, markers=False)
    encoder.build_on(transformer, tokenizer, [])
    assert encoder.width
