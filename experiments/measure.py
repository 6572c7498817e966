"""What a trained pipeline is worth, and what calling every candidate related is worth."""

from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any, Dict, Iterable, List, Optional, Tuple

import numpy
from numpy.typing import NDArray
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config

from embre_spacy.errors import EmbreError
from embre_spacy.relation import find_component
from embre_spacy.relation.calibration import ScoredCandidates, choose_threshold, measure_calibration, score_candidates
from embre_spacy.relation.scoring import LEVELS, count_relations
from embre_spacy.tokens import Relation, copy_mentions, get_relations
from embre_spacy.util import load_pipeline

from .grid import Cell
from .settings import read_config, training_overrides


def measure_pipeline(path: Path, *, gpu_id: int) -> Dict[str, Any]:
    """Evaluate a pipeline on the documents that its own config evaluates on, as many as that reads.

    path (Path): The folder of the pipeline.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (Dict[str, Any]): What `evaluate_in_detail` returns.
    """
    nlp = load_pipeline(str(path), gpu_id)
    return evaluate_in_detail(nlp, _read(nlp, nlp.config.interpolate(), "dev_corpus"))


def evaluate_in_detail(nlp: Language, gold: Iterable[Doc], *, batch_size: int = 64) -> Dict[str, Any]:
    """Score a pipeline, and say of what its scores are made.

    nlp (Language): The pipeline.
    gold (Iterable[Doc]): The gold documents.
    batch_size (int): The number of documents that the pipeline gets at once.
    RETURNS (Dict[str, Any]): `threshold` and `counts` (what `count_relations` returns with it); `documents`, for each
        its id and [tp, fp, fn] at each level; `best_threshold`, the threshold with the best mean F1 and F1 with it;
        `gold_pairs`, accuracies where the pairs are given; `calibration`; `candidates`, their number; `seconds`.
    RAISES (EmbreError): If the pipeline has no relation component.
    """
    references = list(gold)
    threshold = find_component(nlp).cfg["threshold"]
    start = perf_counter()
    scored = score_candidates(nlp, references, batch_size=batch_size)
    seconds = perf_counter() - start
    best, scores = choose_threshold(scored)
    return {
        "threshold": threshold,
        "counts": scored.count(threshold),
        "documents": count_documents(zip(scored.documents, scored.gold, scored.predicted(threshold))),
        "best_threshold": {"threshold": best, **scores},
        "gold_pairs": accuracy_on_gold_pairs(scored),
        "calibration": measure_calibration(scored),
        "candidates": sum(map(len, scored.candidates)),
        "seconds": seconds,
    }


def count_documents(
    documents: Iterable[Tuple[str, Iterable[Relation], Iterable[Relation]]],
) -> List[Dict[str, Any]]:
    """Compare the gold and the predicted relations of each document: its `id`, and [tp, fp, fn] at each level."""
    rows = []
    for name, gold, predicted in documents:
        counts = count_relations([(gold, predicted)])
        rows.append({"id": name, **{level: [counts[level][key] for key in ("tp", "fp", "fn")] for level in LEVELS}})
    return rows


def accuracy_on_gold_pairs(scored: ScoredCandidates) -> Dict[str, Any]:
    """How often type and novelty are right where the pair is given, whatever the threshold.

    scored (ScoredCandidates): The candidates.
    RETURNS (Dict[str, Any]): `pairs`, the number of gold relations that are candidates; `type_accuracy` and
        `novelty_accuracy` among them, None where there is nothing to ask.
    """
    is_related, has_novelty = scored.gold_types > 0, scored.gold_novelties >= 0
    return {
        "pairs": int(is_related.sum()),
        "type_accuracy": _accuracy(scored.types[is_related, 1:], scored.gold_types[is_related] - 1),
        "novelty_accuracy": _accuracy(scored.novelties[has_novelty], scored.gold_novelties[has_novelty]),
    }


def _accuracy(probabilities: NDArray[numpy.floating], classes: NDArray[numpy.int64]) -> Optional[float]:
    return float((probabilities.argmax(axis=1) == classes).mean()) if len(classes) else None


def measure_floor(cell: Cell) -> Dict[str, Any]:
    """Score what calls every candidate related, with the relation type and novelty that are most frequent in training.

    cell (Cell): The cell whose config says which documents and candidates there are.
    RETURNS (Dict[str, Any]): `counts`, what `count_relations` returns; `documents`, for each its id and [tp, fp, fn] at
        each level; the `type` and `novelty` that it calls every candidate; `candidates`, their number.
    RAISES (EmbreError): If the pipeline has no component with candidates, or the corpora no relations.
    """
    config = Config(read_config(cell.config, training_overrides(cell, cell.seeds[0], cell.encoder)))
    nlp = util.load_model_from_config(config, auto_fill=True)
    get_candidates = find_component(nlp).candidates
    config = nlp.config.interpolate()
    gold = [relation for doc in _read(nlp, config, "train_corpus") for relation in get_relations(doc)]
    if not gold:
        raise EmbreError(f"{cell.train}: has no relations")
    type = _most_frequent(relation.type for relation in gold)
    novelty = _most_frequent(relation.novelty for relation in gold)
    references = _read(nlp, config, "dev_corpus")
    pairs: List[Tuple[List[Relation], List[Relation]]] = []
    for reference in references:
        candidates = get_candidates(copy_mentions(reference))
        predicted = [Relation(source, target, type, novelty) for source, target in candidates]
        pairs.append((get_relations(reference), predicted))
    return {
        "counts": count_relations(pairs),
        "documents": count_documents((reference._.document_id, *pair) for reference, pair in zip(references, pairs)),
        "type": type,
        "novelty": novelty,
        "candidates": sum(len(predicted) for _, predicted in pairs),
    }


def _read(nlp: Language, config: Config, name: str) -> List[Doc]:
    """The gold documents of the train_corpus or dev_corpus of a config."""
    [corpus] = util.resolve_dot_names(config, [config["training"][name]])
    return [example.reference for example in corpus(nlp)]


def _most_frequent(values: Iterable[Any]) -> Any:
    # The order of the values must not decide between two that are equally frequent.
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], str(value)))
