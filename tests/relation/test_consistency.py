"""Candidates that are classified twice in training, and shall be classified alike."""

import numpy
import pytest
import spacy
from loss_gradients import assert_gradient_is_that_of_the_loss
from thinc.api import NumpyOps

from embre_spacy.errors import EmbreError
from embre_spacy.relation.loss import RelationLoss, Targets

OPS = NumpyOps()


@pytest.fixture
def encoder_kind() -> str:
    return "document"


@pytest.fixture
def targets() -> Targets:
    """Three candidates, the second of them not related."""
    targets = Targets()
    for type, novelty in ((2, 1), (0, None), (1, 0)):
        targets.add(type, novelty)
    return targets


def draw_scores(n_views: int, n_classes: int, seed: int) -> numpy.ndarray:
    return numpy.random.RandomState(seed).normal(size=(3 * n_views, n_classes))


def test_the_gradient_is_that_of_the_loss(targets):
    loss = RelationLoss(relation_weight=1.0, novelty_weight=2.0, consistency_weight=1.5)
    scores = draw_scores(2, 4, 0), draw_scores(2, 2, 1)
    assert_gradient_is_that_of_the_loss(loss, scores, targets, 1e-5)


def test_views_that_agree_cost_nothing_more(targets):
    loss = RelationLoss(relation_weight=1.0, novelty_weight=2.0, consistency_weight=3.0)
    assert loss.n_views == 2
    once = draw_scores(1, 4, 0), draw_scores(1, 2, 1)
    twice = tuple(numpy.concatenate([found, found]) for found in once)
    assert loss(OPS, twice, targets)[0] == pytest.approx(loss(OPS, once, targets)[0])


def test_views_that_differ_cost_more_the_more_it_counts(targets):
    scores = draw_scores(2, 4, 0), draw_scores(2, 2, 1)
    found = []
    for weight in (0.0, 1.0, 2.0):
        loss = RelationLoss(relation_weight=1.0, novelty_weight=0.0, consistency_weight=weight)
        found.append(loss(OPS, scores, targets)[0])
    assert found[0] < found[1]
    assert found[2] - found[1] == pytest.approx(found[1] - found[0])
    # The novelty of what is not related is nobody's business.
    loss = RelationLoss(relation_weight=0.0, novelty_weight=1.0, consistency_weight=1.0)
    gradient = loss(OPS, scores, targets)[1][1]
    assert gradient.any(axis=1).tolist() == [True, False, True] * 2


def test_a_pipeline_learns_with_it(make_nlp, make_examples):
    spacy.util.fix_random_seed(0)
    nlp = make_nlp(consistency_weight=1.0)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.0005
    first = nlp.update(examples, sgd=optimizer)["embre_relation"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["embre_relation"]
    assert last < 0.3 * first
    # Documents without candidates have nothing to be classified twice.
    assert nlp.update(examples[3:], sgd=optimizer) == {"embre_relation": 0.0}


def test_what_it_cannot_be(make_nlp):
    with pytest.raises(EmbreError, match="must not be below 0"):
        make_nlp(consistency_weight=-1.0)


@pytest.mark.parametrize("encoder_kind", ["tokens"])
def test_shared_layers_read_documents_once(make_nlp):
    with pytest.raises(EmbreError, match="reads each document once"):
        make_nlp(consistency_weight=1.0)
