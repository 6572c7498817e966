"""What keeps the novelty from being learned by heart: smoothed labels, and a dropout of its own."""

import numpy
import pytest
import spacy
from thinc.api import NumpyOps
from torch.nn import Dropout

from embre_spacy.errors import EmbreError
from embre_spacy.relation.loss import RelationLoss, Targets
from embre_spacy.relation.model import get_network

OPS = NumpyOps()


@pytest.fixture
def encoder_kind() -> str:
    return "document"


def test_the_loss_is_least_where_the_probability_is_the_smoothed_one():
    targets = Targets()
    targets.add(1, 1)
    loss = RelationLoss(relation_weight=1.0, novelty_weight=1.0, novelty_smoothing=0.2)
    relations = numpy.zeros((1, 3))
    losses = {}
    for probability in (0.5, 0.85, 0.9, 0.95):
        novelties = numpy.log([[1.0 - probability, probability]])
        losses[probability], (_, gradient) = loss(OPS, (relations, novelties), targets)
        assert gradient[0] == pytest.approx([0.9 - probability, probability - 0.9], abs=1e-6)
    assert min(losses, key=losses.__getitem__) == 0.9
    # The relation types are not smoothed.
    certain = numpy.asarray([[0.0, 50.0, 0.0]])
    assert loss(OPS, (certain, numpy.log([[0.1, 0.9]])), targets)[1][0] == pytest.approx(numpy.zeros((1, 3)), abs=1e-9)


def test_a_pipeline_learns_the_novelty_but_is_never_certain(make_nlp, make_examples):
    found = {}
    for smoothing in (0.0, 0.4):
        spacy.util.fix_random_seed(0)
        nlp = make_nlp(novelty_smoothing=smoothing)
        examples = make_examples(nlp)
        optimizer = nlp.initialize(lambda examples=examples: examples)
        optimizer.learn_rate = 0.0005
        for _ in range(80):
            nlp.update(examples, sgd=optimizer)
        relations = nlp(examples[1].predicted.copy())._.relations
        assert [relation.novelty for relation in relations] == ["Novel"]
        found[smoothing] = relations[0].novelty_probabilities["Novel"]
    assert found[0.4] == pytest.approx(0.8, abs=0.1) and found[0.0] > 0.95


def test_the_novelty_has_a_dropout_of_its_own(make_nlp, make_examples, tmp_path):
    nlp = make_nlp(model={"novelty_dropout": 0.9})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path / "pipeline")
    for some in (nlp, spacy.load(tmp_path / "pipeline")):
        classifier = get_network(some.get_pipe("embre_relation").model).classifier
        rates = [
            [layer.p for layer in head if isinstance(layer, Dropout)]
            for head in (classifier.relation, classifier.novelty)
        ]
        assert rates == [[0.1], [0.9]]


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_what_it_cannot_be(make_nlp, smoothing):
    with pytest.raises(EmbreError, match=f"must be at least 0 and below 1, not {smoothing}"):
        make_nlp(novelty_smoothing=smoothing)
