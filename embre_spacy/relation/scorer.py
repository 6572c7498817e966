"""The registered scorer, for `spacy train` and `nlp.evaluate`."""

from functools import partial
from typing import Any, Callable, Dict, Iterable, Optional, Sequence

from spacy.training import Example

from ..labels import UNSCORED_TYPE_PAIRS
from ..tokens import get_relations
from .counts import LEVELS, count_relations


def create_relation_scorer(
    unscored_type_pairs: Optional[Sequence[Sequence[str]]] = None,
) -> Callable[..., Dict[str, Any]]:
    """The scorer of relations (`embre_spacy.relation_scorer.v1`): the official BioRED evaluation.

    unscored_type_pairs (Optional[Sequence[Sequence[str]]]): The pairs of entity types to leave out on both sides;
        those that BioRED's evaluation leaves out if None.
    RETURNS (Callable): The scorer.
    """
    # No function in a function: components are pickled for `nlp.pipe(n_process=2)` where processes are not forked.
    return partial(_score, unscored=UNSCORED_TYPE_PAIRS if unscored_type_pairs is None else unscored_type_pairs)


def _score(examples: Iterable[Example], *, unscored: Sequence[Sequence[str]], **kwargs: Any) -> Dict[str, Any]:
    return score_relations(examples, unscored_type_pairs=unscored)


def score_relations(
    examples: Iterable[Example], *, unscored_type_pairs: Sequence[Sequence[str]] = UNSCORED_TYPE_PAIRS
) -> Dict[str, Any]:
    """Score the predicted relations of examples. Gold relations that are no candidates count as missed.

    examples (Iterable[Example]): The examples.
    unscored_type_pairs (Sequence[Sequence[str]]): The pairs of entity types to leave out on both sides.
    RETURNS (Dict[str, Any]): `relation_{level}_p/r/f` and `relation_{level}_per_type_pair` for the levels pair, type,
        novelty and all; `relation_type_per_type` and `relation_all_per_type` by relation type;
        `relation_type_macro_f`, the mean F1 of the relation types that gold has; and `relation_type_accuracy`, the
        share of the found pairs that have the right type.
    """
    counts = count_relations(
        ((get_relations(example.reference), get_relations(example.predicted)) for example in examples),
        unscored_type_pairs,
    )
    return to_scores(counts)


def to_scores(counts: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
    """Scores under the names that spaCy's training loop and logs use.

    counts (Dict[str, Dict[str, Any]]): What `count_relations` returns.
    RETURNS (Dict[str, Any]): The scores; see `score_relations`.
    """
    scores: Dict[str, Any] = {}
    for level in LEVELS:
        found = counts[level]
        for measure in ("p", "r", "f"):
            scores[f"relation_{level}_{measure}"] = found[measure]
        scores[f"relation_{level}_per_type_pair"] = _prf(found["per_entity_type_pair"])
        if "per_relation_type" in found:
            scores[f"relation_{level}_per_type"] = _prf(found["per_relation_type"])
    typed = [found["f"] for found in counts["type"]["per_relation_type"].values() if found["gold"]]
    scores["relation_type_macro_f"] = sum(typed) / len(typed) if typed else 0.0
    pairs = counts["pair"]["tp"]
    scores["relation_type_accuracy"] = counts["type"]["tp"] / pairs if pairs else 0.0
    return scores


def _prf(counts: Dict[str, Dict[str, Any]]) -> Dict[str, Dict[str, float]]:
    return {name: {measure: found[measure] for measure in ("p", "r", "f")} for name, found in counts.items()}
