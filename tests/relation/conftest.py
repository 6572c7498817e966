"""A component with each of the encoders, on a tiny random transformer or a tiny layer of spaCy."""

from pathlib import Path
from typing import Callable, Dict, List

import pytest
import spacy
from encoders import TOK2VEC, make_tiny_encoder
from relation_docs import make_doc
from spacy.language import Language
from spacy.training import Example

from embre_spacy.tokens import copy_mentions

MODELS = {
    "document": {"encoder": {"@architectures": "embre_spacy.DocumentEncoder.v1", "overlap": 8}},
    # Fewer than the candidates of a document, so that there are several calls.
    "pairs": {"encoder": {"@architectures": "embre_spacy.PairsEncoder.v1", "batch_candidates": 5}},
    # Layers that the component shares with others are in `test_token_encoder.py`.
    "tokens": {
        "encoder": {"@architectures": "embre_spacy.TokenEncoder.v1"},
        "tok2vec": TOK2VEC,
    },
}


@pytest.fixture(params=sorted(MODELS))
def encoder_kind(request) -> str:
    """The encoder that the component has. What is tested with one of them only overrides it."""
    return request.param


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture
def make_nlp(tiny_encoder, encoder_kind) -> Callable[..., Language]:
    """Makes a pipeline with the component, not initialized."""

    def make(*, encoder=None, model=None, **config) -> Language:
        nlp = spacy.blank("en")
        model = {**MODELS[encoder_kind], **(model or {})}
        own = {} if "tok2vec" in model else {"name": str(tiny_encoder), "precision": "float32"}
        model = {**model, "encoder": {**model["encoder"], **own, **(encoder or {})}}
        nlp.add_pipe("embre_relation", config={"model": model, **config})
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
        return [Example(copy_mentions(reference), reference) for reference in references]

    return make


@pytest.fixture
def initialized(make_nlp, make_examples) -> Language:
    """A pipeline with the weights that it starts to learn from, always the same."""
    spacy.util.fix_random_seed(0)
    nlp = make_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    return nlp


@pytest.fixture(scope="session")
def learned() -> Dict[str, bytes]:
    """What a pipeline with each encoder has learned, so that it does so once."""
    return {}


@pytest.fixture
def trained(make_nlp, make_examples, encoder_kind, learned) -> Language:
    """A pipeline that knows the examples by heart."""
    nlp = make_nlp()
    if encoder_kind in learned:
        return nlp.from_bytes(learned[encoder_kind])
    spacy.util.fix_random_seed(0)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.0005
    for _ in range(60):
        losses = nlp.update(examples, sgd=optimizer)
    assert losses["embre_relation"] < 0.05
    learned[encoder_kind] = nlp.to_bytes()
    return nlp
