"""The targets of candidates, and the loss that learns them."""

from itertools import combinations

import numpy
import pytest
from thinc.api import NumpyOps

from embre_spacy.errors import EmbreError
from embre_spacy.relation.loss import RelationLoss, find_labels, find_targets
from embre_spacy.tokens import get_concepts

OPS = NumpyOps()


@pytest.fixture
def encoder_kind() -> str:
    return "document"


def make_targets(types, novelties, n_types=2, n_novelties=2):
    """Targets of classes: 0 for "not related", -1 where there is no novelty."""
    return numpy.eye(n_types + 1, dtype="f")[types], numpy.eye(n_novelties + 1, n_novelties, dtype="f")[novelties]


def get_candidates(doc):
    return list(combinations(get_concepts(doc), 2))


def test_labels_are_those_of_the_gold_relations(make_nlp, make_examples):
    assert find_labels(make_examples(make_nlp())) == {
        "labels": ["Bind", "Negative_Correlation", "Positive_Correlation"],
        "novelty_labels": ["No", "Novel"],
        "entity_types": ["ChemicalEntity", "DiseaseOrPhenotypicFeature", "GeneOrGeneProduct"],
    }


def test_targets_are_what_gold_says_of_each_candidate(make_nlp, make_examples):
    examples = make_examples(make_nlp())
    examples[1].reference._.relations[0].update(novelty=None)
    candidates = [get_candidates(example.predicted) for example in examples]
    labels = ["Bind", "Negative_Correlation", "Positive_Correlation"]
    gold = [example.reference for example in examples]
    targets = find_targets(gold, candidates, labels, ["No", "Novel"])
    assert set(targets[0].ravel().tolist()) == {0.0, 1.0}
    types, novelties = targets[0].argmax(axis=1), numpy.where(targets[1].any(axis=1), targets[1].argmax(axis=1), -1)
    classes_of_pairs = {
        tuple(sorted((source.key, target.key))): (type, novelty)
        for (source, target), type, novelty in zip(candidates[0], types, novelties)
    }
    assert {pair: classes for pair, classes in classes_of_pairs.items() if classes != (0, -1)} == {
        ("D001241", "D013276"): (3, 1),
        ("D001241", "D005334"): (2, 0),
        ("5742", "D001241"): (1, 1),
    }
    assert len(classes_of_pairs) == 6
    # The second document has one relation, without a novelty; the third has the same candidate, which is not related.
    assert types[6:].tolist() == [3, 0] and novelties[6:].tolist() == [-1, -1]


@pytest.mark.parametrize("labels", [{"labels": ["Bind"]}, {"novelty_labels": ["No"]}])
def test_labels_that_the_component_does_not_have_are_refused(make_nlp, make_examples, labels):
    examples = make_examples(make_nlp())[1:]
    candidates = [get_candidates(example.predicted) for example in examples]
    labels = {"labels": ["Positive_Correlation"], "novelty_labels": ["Novel"], **labels}
    with pytest.raises(EmbreError, match=r"document without id: .* was not initialized with the .*'(Positive|Novel)"):
        find_targets([example.reference for example in examples], candidates, **labels)


def test_the_loss_is_the_weighted_cross_entropy():
    loss = RelationLoss(relation_weight=1.0, novelty_weight=2.0)
    types, novelties = numpy.asarray([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]), numpy.asarray([[0.9, 0.1], [0.3, 0.7]])
    value, gradients = loss(OPS, (numpy.log(types), numpy.log(novelties)), make_targets([2, 0], [0, -1]))
    assert value == pytest.approx(-(numpy.log(0.5) + numpy.log(0.6)) / 2 - 2 * numpy.log(0.9) / 2)
    assert gradients[0] == pytest.approx((types - [[0, 0, 1], [1, 0, 0]]) / 2)
    # What is not related has no novelty to learn.
    assert gradients[1] == pytest.approx(numpy.asarray([[-0.1, 0.1], [0.0, 0.0]]), abs=1e-6)


def test_probabilities_are_learned_and_weights_count():
    types = numpy.asarray([[0.2, 0.8, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype="f")
    probabilities = numpy.asarray([[0.2, 0.7, 0.1], [0.4, 0.3, 0.3], [0.1, 0.1, 0.8]])
    scores = numpy.log(probabilities), numpy.zeros((3, 2))
    _, (gradient, of_novelties) = RelationLoss()(OPS, scores, (types, numpy.zeros((3, 2), dtype="f")))
    assert gradient == pytest.approx((probabilities * [[1.0], [0.5], [0.0]] - types) / 3, abs=1e-6)
    assert not of_novelties.any()


def test_a_corpus_without_novelty_has_none_to_learn():
    loss = RelationLoss(relation_weight=1.0, novelty_weight=2.0)
    scores = numpy.zeros((2, 3)), numpy.zeros((2, 0))
    value, gradients = loss(OPS, scores, make_targets([1, 0], [-1, -1], n_novelties=0))
    assert value == pytest.approx(numpy.log(3)) and gradients[1].shape == (2, 0)


@pytest.mark.parametrize("teacher_weight", [0.0, 0.3, 1.0])
def test_the_gradient_is_that_of_the_loss(teacher_weight):
    random = numpy.random.RandomState(0)
    teachers = random.dirichlet([1.0] * 4, 3).astype("f"), random.dirichlet([1.0] * 2, 3).astype("f")
    targets = make_targets([2, 0, 1], [1, -1, 0], n_types=3)
    loss = RelationLoss(relation_weight=1.0, novelty_weight=2.0, teacher_weight=teacher_weight)
    scores = random.normal(size=(3, 4)), random.normal(size=(3, 2))
    gradients = loss(OPS, scores, targets, teachers)[1]
    for of_task, gradient in zip(scores, gradients, strict=True):
        for position in numpy.ndindex(*of_task.shape):
            around = []
            for change in (1e-4, -1e-4):
                of_task[position] += change
                around.append(loss(OPS, scores, targets, teachers)[0])
                of_task[position] -= change
            assert gradient[position] == pytest.approx((around[0] - around[1]) / 2e-4, abs=1e-5)


def test_the_loss_is_least_where_it_is_between_gold_and_teachers():
    teachers = numpy.asarray([[0.2, 0.4, 0.4]], dtype="f"), numpy.asarray([[0.5, 0.5]], dtype="f")
    targets = make_targets([1], [0])
    loss = RelationLoss(relation_weight=1.0, novelty_weight=1.0, teacher_weight=0.25)
    types, novelties = numpy.asarray([[0.05, 0.85, 0.1]]), numpy.asarray([[0.875, 0.125]])
    for gradient in loss(OPS, (numpy.log(types), numpy.log(novelties)), targets, teachers)[1]:
        assert gradient == pytest.approx(numpy.zeros_like(gradient), abs=1e-6)
