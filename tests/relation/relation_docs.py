"""Documents that are small enough to be learned by heart."""

import torch
from spacy.tokens import Doc

from embre_spacy.tokens import build_tokenizer, tokenize_at

TEXT = "Aspirin causes gastric ulcer but lowers fever. PTGS1 binds aspirin, and PTGS1 is known from ulcer."
MENTIONS = [
    ("Aspirin", 0, "ChemicalEntity", "D001241"),
    ("gastric ulcer", 0, "DiseaseOrPhenotypicFeature", "D013276"),
    ("fever", 0, "DiseaseOrPhenotypicFeature", "D005334"),
    ("PTGS1", 0, "GeneOrGeneProduct", "5742"),
    ("aspirin", 0, "ChemicalEntity", "D001241"),
    ("PTGS1", 1, "GeneOrGeneProduct", "5742"),
    ("ulcer.", 0, "DiseaseOrPhenotypicFeature", "D013276"),
]
RELATIONS = [
    ("D001241", "D013276", "Positive_Correlation", "Novel"),
    ("D005334", "D001241", "Negative_Correlation", "No"),
    ("5742", "D001241", "Bind", "Novel"),
]


def make_doc(vocab, text=TEXT, mentions=MENTIONS, relations=RELATIONS) -> Doc:
    """A document with mentions given by their text and which of its occurrences is meant."""
    offsets = []
    for words, occurrence, label, identifier in mentions:
        start = -1
        for _ in range(occurrence + 1):
            start = text.index(words, start + 1)
        offsets.append((start, start + len(words.rstrip(".")), label, identifier))
    doc = tokenize_at(build_tokenizer(vocab), text, [edge for found in offsets for edge in found[:2]])
    doc.ents = [doc.char_span(start, end, label=label, kb_id=kb_id) for start, end, label, kb_id in offsets]
    doc._.relations = [
        {"source": source, "target": target, "type": type, "novelty": novelty}
        for source, target, type, novelty in relations
    ]
    return doc


def crowded_doc(vocab, count: int) -> Doc:
    """A document that lists so many genes, each once."""
    names = [f"ENZ{number}X" for number in range(count)]
    mentions = [(name, 0, "GeneOrGeneProduct", str(number)) for number, name in enumerate(names)]
    return make_doc(vocab, f"Levels of {', '.join(names)} rose.", mentions, [])


def outcome(doc: Doc):
    """What a document says about relations, without the probabilities."""
    return [(relation.pair, relation.type, relation.novelty) for relation in doc._.relations]


def without_novelty(examples):
    """Examples of a corpus that says nothing of novelty: these, changed in place."""
    for example in examples:
        for relation in example.reference._.relations:
            relation["novelty"] = None
    return examples


def count_threads_of(pipe) -> int:
    """The threads of PyTorch after a component, if there is one, has predicted a document: what other processes can be
    asked for."""
    if pipe is None:
        torch.set_num_threads(2)
    else:
        pipe.classify(pipe.prepare([make_doc(pipe.vocab)]))
    return torch.get_num_threads()
