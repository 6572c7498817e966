"""Scores: predicted relations against gold ones, counted as the official BioRED evaluation does it.

Relations are compared per document as unordered pairs of identifiers, at four levels of what has to agree. Relations
between types that the corpus does not evaluate are left out on both sides. Precision, recall and F1 are micro averages.
"""

from collections import defaultdict
from functools import partial
from typing import Any, Callable, Dict, Hashable, Iterable, List, Optional, Sequence, Set, Tuple

from spacy.training import Example

from ..labels import UNSCORED_TYPE_PAIRS
from ..tokens import Relation, get_relations

# The levels, and what they are called in tables.
LEVEL_NAMES: Dict[str, str] = {
    "pair": "pair",
    "type": "pair + type",
    "novelty": "pair + novelty",
    "all": "pair + type + novelty",
}
LEVELS: Tuple[str, ...] = tuple(LEVEL_NAMES)
# Levels that say something about single relation types.
_TYPED_LEVELS = ("type", "all")


class Counts:
    """True positives, false positives and false negatives."""

    def __init__(self) -> None:
        self.tp = self.fp = self.fn = 0

    def add(self, gold: Set[Hashable], predicted: Set[Hashable]) -> None:
        """Count what two sets have in common and what only one of them has."""
        self.tp += len(gold & predicted)
        self.fp += len(predicted - gold)
        self.fn += len(gold - predicted)

    @property
    def gold(self) -> int:
        return self.tp + self.fn

    @property
    def p(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def r(self) -> float:
        return self.tp / self.gold if self.gold else 0.0

    @property
    def f(self) -> float:
        return 2 * self.p * self.r / (self.p + self.r) if self.tp else 0.0

    def to_dict(self) -> Dict[str, Any]:
        return {"gold": self.gold, "tp": self.tp, "fp": self.fp, "fn": self.fn, "p": self.p, "r": self.r, "f": self.f}


def count_relations(
    documents: Iterable[Tuple[Iterable[Relation], Iterable[Relation]]],
    unscored_type_pairs: Sequence[Sequence[str]] = UNSCORED_TYPE_PAIRS,
) -> Dict[str, Dict[str, Any]]:
    """Compare relations at all levels.

    documents (Iterable[Tuple[Iterable[Relation], Iterable[Relation]]]): The gold and the predicted relations of each
        document.
    unscored_type_pairs (Sequence[Sequence[str]]): The unordered pairs of entity types to leave out.
    RETURNS (Dict[str, Dict[str, Any]]): For "pair" (which concepts), "type" (and how), "novelty" (pair and novelty) and
        "all": gold, tp, fp, fn, p, r, f, the same under "per_entity_type_pair", and where the level asks for the
        relation type also under "per_relation_type".
    """
    unscored = {frozenset(pair) for pair in unscored_type_pairs}
    total = {level: Counts() for level in LEVELS}
    by_type_pair: Dict[str, Dict[str, Counts]] = {level: defaultdict(Counts) for level in LEVELS}
    by_type: Dict[str, Dict[str, Counts]] = {level: defaultdict(Counts) for level in _TYPED_LEVELS}
    for gold_relations, predicted_relations in documents:
        gold = _scored(gold_relations, unscored)
        predicted = _scored(predicted_relations, unscored)
        # Gold says of what types a pair is where both know it, so that one pair is counted in one place.
        type_pairs = {**_type_pairs(predicted), **_type_pairs(gold)}
        for level in LEVELS:
            found, expected = _keys(predicted, level), _keys(gold, level)
            total[level].add(expected, found)
            for name in {type_pairs[key[0]] for key in found | expected}:
                by_type_pair[level][name].add(
                    {key for key in expected if type_pairs[key[0]] == name},
                    {key for key in found if type_pairs[key[0]] == name},
                )
            if level in _TYPED_LEVELS:
                for name in {key[1] for key in found | expected}:
                    by_type[level][name].add(
                        {key for key in expected if key[1] == name}, {key for key in found if key[1] == name}
                    )
    result: Dict[str, Dict[str, Any]] = {}
    for level in LEVELS:
        result[level] = total[level].to_dict()
        result[level]["per_entity_type_pair"] = _to_dicts(by_type_pair[level])
        if level in by_type:
            result[level]["per_relation_type"] = _to_dicts(by_type[level])
    return result


def count_documents(
    documents: Iterable[Tuple[str, Iterable[Relation], Iterable[Relation]]],
) -> List[Dict[str, Any]]:
    """Compare relations document by document.

    documents (Iterable[Tuple[str, Iterable[Relation], Iterable[Relation]]]): The id, the gold and the predicted
        relations of each document.
    RETURNS (List[Dict[str, Any]]): For each document its `id`, and [tp, fp, fn] at each level.
    """
    rows = []
    for name, gold, predicted in documents:
        counts = count_relations([(gold, predicted)])
        rows.append({"id": name, **{level: [counts[level][key] for key in ("tp", "fp", "fn")] for level in LEVELS}})
    return rows


def _scored(relations: Iterable[Relation], unscored: Set[frozenset]) -> List[Relation]:
    return [r for r in relations if frozenset((r.source.type, r.target.type)) not in unscored]


def _type_pairs(relations: List[Relation]) -> Dict[Tuple[str, str], str]:
    return {relation.pair: "|".join(sorted((relation.source.type, relation.target.type))) for relation in relations}


def _keys(relations: List[Relation], level: str) -> Set[Tuple]:
    if level == "pair":
        return {(relation.pair,) for relation in relations}
    if level == "type":
        return {(relation.pair, relation.type) for relation in relations}
    if level == "novelty":
        return {(relation.pair, relation.novelty) for relation in relations}
    return {(relation.pair, relation.type, relation.novelty) for relation in relations}


def _to_dicts(counts: Dict[str, Counts]) -> Dict[str, Dict[str, Any]]:
    return {name: counts[name].to_dict() for name in sorted(counts)}


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
    return flatten_scores(counts)


def flatten_scores(counts: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
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
