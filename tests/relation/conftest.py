"""A component on a tiny random encoder."""

from pathlib import Path
from typing import Callable, List

import pytest
import spacy
from encoders import make_tiny_encoder
from relation_docs import make_doc
from spacy.language import Language
from spacy.training import Example

from embre_spacy.corpus import make_predicted


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture
def make_nlp(tiny_encoder) -> Callable[..., Language]:
    """Makes a pipeline with the component, not initialized."""

    def make(*, encoder=None, **config) -> Language:
        nlp = spacy.blank("en")
        settings = {"name": str(tiny_encoder), "precision": "float32", "overlap": 8, **(encoder or {})}
        nlp.add_pipe("embre_relation", config={"model": {"encoder": settings}, **config})
        return nlp

    return make


@pytest.fixture
def make_examples() -> Callable[[Language], List[Example]]:
    """Makes examples: one document with relations, the same one with others, one without mentions, one empty."""

    def make(nlp: Language) -> List[Example]:
        other = [("PTGS1", 0, "GeneOrGeneProduct", "5742"), ("fever", 0, "DiseaseOrPhenotypicFeature", "D005334")]
        references = [
            make_doc(nlp.vocab),
            make_doc(nlp.vocab, "PTGS1 raises fever.", other, [("5742", "D005334", "Positive_Correlation", "Novel")]),
            make_doc(nlp.vocab, "PTGS1 is unlike fever.", other, []),
            make_doc(nlp.vocab, "Nothing is mentioned here.", [], []),
            make_doc(nlp.vocab, "", [], []),
        ]
        return [Example(make_predicted(reference), reference) for reference in references]

    return make


@pytest.fixture
def trained(make_nlp, make_examples) -> Language:
    """A pipeline that knows the examples by heart."""
    spacy.util.fix_random_seed(0)
    nlp = make_nlp()
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.0005
    for _ in range(60):
        losses = nlp.update(examples, sgd=optimizer)
    assert losses["embre_relation"] < 0.05
    return nlp
