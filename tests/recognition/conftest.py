"""A recognizer that knows a few made-up sentences by heart."""

from typing import Callable, Dict, List

import pytest
import spacy
from encoders import TOK2VEC
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

TEXTS: Dict[str, Dict[str, str]] = {
    "Zonaprin lowers belden fever in mice.": {
        "Zonaprin": "ChemicalEntity",
        "belden fever": "DiseaseOrPhenotypicFeature",
        "mice": "OrganismTaxon",
    },
    "QRX1 binds zonaprin, but not zonatol.": {
        "QRX1": "GeneOrGeneProduct",
        "zonaprin": "ChemicalEntity",
        "zonatol": "ChemicalEntity",
    },
    "In mice, c.35delG is a change of QRX1.": {"c.35delG": "SequenceVariant", "QRX1": "GeneOrGeneProduct"},
    # A name is no mention where it is but a word.
    "The word zonatol was written on a wall.": {},
}


def make_gold(nlp: Language, text: str, names: Dict[str, str]) -> Doc:
    """A document with the first place of each name as a mention."""
    doc = nlp.make_doc(text)
    doc.ents = [doc.char_span(text.index(name), text.index(name) + len(name), label) for name, label in names.items()]
    return doc


def found(doc: Doc) -> List[tuple]:
    return [(ent.text, ent.label_) for ent in doc.ents]


@pytest.fixture(scope="session")
def make_recognizer() -> Callable[..., Language]:
    """Makes a pipeline with the component, not initialized."""

    def make(**config) -> Language:
        nlp = spacy.blank("en")
        model = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "hidden_width": 32}
        model |= {"extra_state_tokens": False, "maxout_pieces": 2, "use_upper": True, "tok2vec": TOK2VEC}
        nlp.add_pipe("embre_mentions", config={"model": model, **config})
        return nlp

    return make


@pytest.fixture(scope="session")
def learned(make_recognizer) -> bytes:
    """What a pipeline has learned."""
    spacy.util.fix_random_seed(0)
    nlp = make_recognizer()
    examples = [Example(nlp.make_doc(text), make_gold(nlp, text, names)) for text, names in TEXTS.items()]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(80):
        losses = nlp.update(examples, sgd=optimizer)
    assert losses["embre_mentions"] < 0.2
    return nlp.to_bytes()


@pytest.fixture
def nlp(make_recognizer, learned) -> Language:
    return make_recognizer().from_bytes(learned)
