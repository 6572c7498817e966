"""What a trained pipeline is worth, and what calling every candidate related is worth. Importing it imports spaCy."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, List, Tuple

from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config

from embre_spacy.errors import EmbreError
from embre_spacy.evaluation import evaluate_in_detail
from embre_spacy.relation import find_component
from embre_spacy.relation.scoring import count_documents, count_relations
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
    config = nlp.config.interpolate()
    return evaluate_in_detail(nlp, _read(nlp, config, "dev_corpus"))


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
    pairs: List[Tuple[List[Relation], List[Relation]]] = [
        (
            get_relations(reference),
            [Relation(source, target, type, novelty) for source, target in get_candidates(copy_mentions(reference))],
        )
        for reference in references
    ]
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
