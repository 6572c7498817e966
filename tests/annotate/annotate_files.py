"""Small documents and the pipeline that annotates them."""

from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterable, Iterator

import pytest
import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from embre_spacy.formats import read
from embre_spacy.tokens import copy_mentions
from embre_spacy.tokens.candidates import create_type_pair_candidates

REAL_CANDIDATES = "embre_spacy.TypePairCandidates.v1"


@registry.misc("test.FragileCandidates.v1")
def create_fragile_candidates():
    candidates = create_type_pair_candidates()

    def get_candidates(doc):
        if "POISON" in doc.text:
            raise RuntimeError("the document\nis poisonous")
        return candidates(doc)

    return get_candidates


def block(number: int, *, title: str = "Aspirin causes gastric ulcer") -> str:
    """A document with four concepts, a relation that no pipeline finds, and words of its own."""
    name = f"PTGS{number}"
    text = f"It binds {name} & lowers “fever” in {number * 7919} mice."
    start = len(title) + 1
    mentions = [
        (0, 7, "Aspirin", "Chemical", "D001241"),
        (15, 28, "gastric ulcer", "Disease", "D013276"),
        (start + 9, start + 9 + len(name), name, "Gene", str(5000 + number)),
        (start + text.index("fever"), start + text.index("fever") + 5, "fever", "Disease", "D005334"),
    ]
    lines = [f"{number}|t|{title}", f"{number}|a|{text}"]
    lines += ["\t".join([str(number), *map(str, mention)]) for mention in mentions]
    lines.append(f"{number}\tGold\tD001241\tD013276\tNovel")
    return "\n".join(lines) + "\n"


def pubtator(numbers: Iterable[int]) -> str:
    return "\n".join(map(block, numbers))


def relations(path, vocab):
    """The relations of each document of a file."""
    docs = read(path, vocab, on_anomalies=lambda line: None)
    return {doc._.document_id: [(one.pair, one.type, one.novelty) for one in doc._.relations] for doc in docs}


def written(output: Path) -> Dict[str, bytes]:
    """What is in a file, or in each file of a folder."""
    files = [path for path in [output, *output.rglob("*")] if path.is_file()]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


@contextmanager
def no_space_for(size: int) -> Iterator[None]:
    """A system that writes no file of more bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def make_nlp(encoder: Path, candidates: str) -> Language:
    """A pipeline with random weights."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {"encoder": {"@architectures": "embre_spacy.DocumentEncoder.v1", "name": str(encoder), "overlap": 8}}
    model["encoder"]["precision"] = "float32"
    config = {"model": model, "candidates": {"@misc": candidates}, "threshold": 0.5}
    nlp.add_pipe("embre_relation", config=config)
    labels = {
        "labels": ["Association", "Bind", "Positive_Correlation"],
        "novelty_labels": ["No", "Novel"],
        "entity_types": ["ChemicalEntity", "DiseaseOrPhenotypicFeature", "GeneOrGeneProduct"],
    }
    nlp.get_pipe("embre_relation").cfg.update(labels)
    path = encoder.parent / "example.pubtator"
    path.write_text(block(1), encoding="utf8")
    references = [copy_mentions(doc) for doc in read(path, nlp.vocab)]
    nlp.initialize(lambda: [Example(copy_mentions(doc), doc) for doc in references])
    return nlp
