"""What keeps the novelty from being learned by heart: smoothed labels, and a dropout of its own."""

import pytest
import spacy
from torch.nn import Dropout

from embre_spacy.errors import EmbreError
from embre_spacy.relation.model import get_network


@pytest.fixture
def encoder_kind() -> str:
    return "document"


def test_the_novelty_has_a_dropout_of_its_own(make_nlp, make_examples, tmp_path):
    nlp = make_nlp(model={"novelty_dropout": 0.9})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path / "pipeline")
    for some in (nlp, spacy.load(tmp_path / "pipeline")):
        network = get_network(some.get_pipe("embre_relation").model)
        rates = [
            [layer.p for layer in head if isinstance(layer, Dropout)] for head in (network.relation, network.novelty)
        ]
        assert rates == [[0.1], [0.9]]


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_what_it_cannot_be(make_nlp, smoothing):
    with pytest.raises(EmbreError, match=f"must be at least 0 and below 1, not {smoothing}"):
        make_nlp(novelty_smoothing=smoothing)
