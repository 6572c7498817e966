"""Documents with concepts, small enough to be learned by heart, and an encoder that is as small."""

import io
import re
from pathlib import Path
from typing import Callable, List, Sequence, Tuple

import pytest
from encoders import make_tiny_encoder
from rich.console import Console
from spacy.tokens import Doc

from embre_spacy.pretraining import PretrainingConfig
from embre_spacy.tokens import build_tokenizer, tokenize_at

SENTENCES = (
    "aspirin causes gastric ulcer in mice.",
    "PTGS1 binds aspirin but not ibuprofen.",
    "ibuprofen lowers fever in patients and fever in mice.",
    "BRCA1 and BRCA2 are expressed in breast cancer cells of patients.",
    "warfarin increased the risk of pain in patients with breast cancer.",
)
NAMES = {
    "aspirin": ("ChemicalEntity", "D001241"),
    "ibuprofen": ("ChemicalEntity", "D007052"),
    "warfarin": ("ChemicalEntity", "D014859"),
    "gastric ulcer": ("DiseaseOrPhenotypicFeature", "D013276"),
    "fever": ("DiseaseOrPhenotypicFeature", "D005334"),
    "pain": ("DiseaseOrPhenotypicFeature", "D010146"),
    "breast cancer": ("DiseaseOrPhenotypicFeature", "D001943"),
    "PTGS1": ("GeneOrGeneProduct", "5742"),
    "BRCA1": ("GeneOrGeneProduct", "672"),
    "BRCA2": ("GeneOrGeneProduct", "675"),
    "mice": ("OrganismTaxon", "10090"),
    "patients": ("OrganismTaxon", "9606"),
}


class _Interrupted(io.StringIO):
    """A place to print to that interrupts the run when its table has so many rows: each comes after its checkpoint."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def write(self, text):
        self.rows -= (text.split() or [""])[0].replace(".", "").isdigit()
        if self.rows < 0:
            raise KeyboardInterrupt
        return super().write(text)


@pytest.fixture
def interrupt_after() -> Callable[[int], Console]:
    """Makes a console for a run that is interrupted when its table has more rows than that."""
    return lambda rows: Console(file=_Interrupted(rows))


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("pretraining") / "tiny")


@pytest.fixture
def make_doc(vocab) -> Callable[..., Doc]:
    """Makes a document. Mentions are (start, end, type, identifiers); all names that it knows if not given."""

    def make(text: str, mentions: Sequence[Tuple[int, int, str, str]] = (), identified: bool = True) -> Doc:
        all_mentions = list(mentions) or [
            (match.start(), match.end(), type, identifier if identified else "")
            for name, (type, identifier) in NAMES.items()
            for match in re.finditer(name, text)
        ]
        doc = tokenize_at(build_tokenizer(vocab), text, [edge for mention in all_mentions for edge in mention[:2]])
        spans = [doc.char_span(start, end, label=type, kb_id=field) for start, end, type, field in sorted(all_mentions)]
        inside = [span for span in spans if any(o is not span and o.start <= span.start < o.end for o in spans)]
        doc.ents = [span for span in spans if span not in inside]
        doc.spans["mentions"] = inside
        return doc

    return make


@pytest.fixture
def docs(make_doc) -> List[Doc]:
    """One document longer than the encoder's window, and one for each pair of sentences."""
    pairs = [f"{SENTENCES[i]} {SENTENCES[i - 1]}" for i in range(len(SENTENCES))]
    return [make_doc(text) for text in (*pairs, " ".join(SENTENCES * 2))]


@pytest.fixture
def make_config(tiny_encoder) -> Callable[..., PretrainingConfig]:
    """Makes settings for the tiny encoder; what is given replaces values by their dotted names."""

    def make(**values) -> PretrainingConfig:
        sections = PretrainingConfig().model_dump()
        given = {
            "encoder.name": str(tiny_encoder),
            "encoder.overlap": 16,
            "training.precision": "float32",
            "training.epochs": 2,
            **{name.replace("__", "."): value for name, value in values.items()},
        }
        for name, value in given.items():
            section, key = name.split(".")
            sections[section][key] = value
        return PretrainingConfig.model_validate(sections)

    return make
