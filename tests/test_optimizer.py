"""The optimizer whose averages of the weights reach farther back."""

import numpy
import pytest
import spacy
from thinc.api import Adam, Linear, use_ops

from embre_spacy.errors import EmbreError

KEY = (1, "W")


def make(**settings):
    config = {"optimizer": {"@optimizers": "embre_spacy.AveragedAdam.v1", **settings}}
    return spacy.registry.resolve(config)["optimizer"]


@pytest.mark.parametrize("age", [0.1, 0.25, 0.5])
def test_the_mean_age_of_what_is_averaged_is_that_share_of_the_updates(age):
    # The first gradients of Adam move a weight by the learning rate each, so a weight tells the number of updates.
    optimizer = make(learn_rate=1.0, L2=0.0, average_age=age)
    weights = numpy.zeros((1,), dtype="float32")
    for updates in range(1, 41):
        weights, _ = optimizer(KEY, weights, -numpy.ones((1,), dtype="float32"))
        assert weights[0] == pytest.approx(updates, rel=1e-4)
        assert updates - optimizer.averages[KEY][0] == pytest.approx(age * (updates - 1), rel=1e-3, abs=1e-3)


def test_weights_are_those_of_adam():
    ours, theirs = make(learn_rate=0.01), Adam(0.01)
    random = numpy.random.default_rng(0)
    start = random.normal(size=(3, 2)).astype("float32")
    weights = {id(optimizer): start.copy() for optimizer in (ours, theirs)}
    for _ in range(5):
        gradient = random.normal(size=(3, 2)).astype("float32")
        for optimizer in (ours, theirs):
            weights[id(optimizer)], _ = optimizer(KEY, weights[id(optimizer)], gradient.copy())
    numpy.testing.assert_array_equal(weights[id(ours)], weights[id(theirs)])


def test_a_model_works_with_the_averages():
    with use_ops("numpy"):
        model = Linear(2, 3).initialize()
    optimizer = make(learn_rate=0.1, average_age=0.5)
    X = numpy.ones((4, 3), dtype="float32")
    outputs = []
    for _ in range(3):
        Y, backprop = model.begin_update(X)
        backprop(numpy.ones_like(Y))
        model.finish_update(optimizer)
        outputs.append(model.predict(X))
    with model.use_params(optimizer.averages):
        numpy.testing.assert_allclose(model.predict(X), numpy.mean(outputs, axis=0), rtol=1e-5)
    numpy.testing.assert_array_equal(model.predict(X), outputs[-1])


@pytest.mark.parametrize("age", [0.0, 0.6, -1.0])
def test_an_age_that_cannot_be_is_an_error(age):
    with pytest.raises(EmbreError, match=f"`average_age` of the optimizer must be above 0 and at most 0.5, not {age}"):
        make(average_age=age)
