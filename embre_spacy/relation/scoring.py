"""Scores: predicted relations against gold ones, counted as the official BioRED evaluation does.

Relations are compared within documents as unordered pairs of identifiers, at four levels that ask for more and more.
Relations between entity types that the corpus does not evaluate are left out on both sides. Precision, recall and F1
are micro averages.
"""

from collections import defaultdict
from functools import partial
from operator import itemgetter
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Sequence, Set, Tuple

from spacy.scorer import PRFScore
from spacy.training import Example

from ..labels import UNSCORED_TYPE_PAIRS
from ..tokens import Relation, get_relations

# The levels, and their names in tables.
LEVEL_NAMES: Dict[str, str] = {
    "pair": "pair",
    "type": "pair + type",
    "novelty": "pair + novelty",
    "all": "pair + type + novelty",
}
LEVELS: Tuple[str, ...] = tuple(LEVEL_NAMES)
MEASURES = ("p", "r", "f")
# What scores count in training: each of the F1 a quarter.
SCORE_WEIGHTS: Dict[str, Optional[float]] = {
    **{f"relation_{level}_f": 0.25 for level in LEVELS},
    **{f"relation_{level}_{score}": None for level in LEVELS for score in ("p", "r", "per_type_pair")},
    **dict.fromkeys(f"relation_{name}" for name in ("type_macro_f", "type_accuracy", "type_per_type", "all_per_type")),
}
# What has to agree at each level, beside the pair.
_FIELDS = {"pair": (), "type": ("type",), "novelty": ("novelty",), "all": ("type", "novelty")}

_GROUPS = {"per_entity_type_pair": "per_type_pair", "per_relation_type": "per_type", "per_entity_type": "per_type"}


def count_relations(
    documents: Iterable[Tuple[Iterable[Relation], Iterable[Relation]]],
    unscored_type_pairs: Sequence[Sequence[str]] = UNSCORED_TYPE_PAIRS,
) -> Dict[str, Dict[str, Any]]:
    """Compare relations at all levels.

    documents (Iterable[Tuple[Iterable[Relation], Iterable[Relation]]]): Of each its gold and predicted relations.
    unscored_type_pairs (Sequence[Sequence[str]]): The unordered pairs of entity types to leave out.
    RETURNS (Dict[str, Dict[str, Any]]): For "pair" (which concepts), "type" (and how), "novelty" (pair and novelty) and
        "all": gold, tp, fp, fn, p, r, f, the same under "per_entity_type_pair", and where the level asks for the
        relation type also under "per_relation_type".
    """
    unscored = {frozenset(pair) for pair in unscored_type_pairs}
    scored = []
    for relations in documents:
        gold, predicted = (
            [(one.pair, one) for one in some if frozenset((one.source.type, one.target.type)) not in unscored]
            for some in relations
        )
        # Where gold and prediction differ in the entity types of a pair, those of gold count.
        types = {pair: "|".join(sorted((one.source.type, one.target.type))) for pair, one in [*predicted, *gold]}
        scored.append([[(types[pair], pair, one) for pair, one in some] for some in (gold, predicted)])
    result = {}
    for level, fields in _FIELDS.items():
        items = ([{(*key, *map(one.get, fields)) for *key, one in some} for some in of_doc] for of_doc in scored)
        by_type = {"per_relation_type": itemgetter(2)} if "type" in fields else {}
        result[level] = count_items(items, {"per_entity_type_pair": itemgetter(0), **by_type})
    return result


def count_items(documents: Iterable[Iterable[Set[Any]]], groups: Mapping[str, Callable[[Any], str]]) -> Dict[str, Any]:
    """Compare items of documents, of each those of gold and those that are predicted: gold, tp, fp, fn, p, r, f, and
    under the name of each function the same for the items that it gives one value."""
    total = PRFScore()
    by_group: Dict[str, Dict[str, PRFScore]] = {name: defaultdict(PRFScore) for name in groups}
    for gold, predicted in documents:
        for item in gold | predicted:
            for score in (total, *(by_group[name][find_group(item)] for name, find_group in groups.items())):
                score.score_set({item} & predicted, {item} & gold)
    groups_of = {name: {key: _list_counts(scores[key]) for key in sorted(scores)} for name, scores in by_group.items()}
    return {**_list_counts(total), **groups_of}


def _list_counts(score: PRFScore) -> Dict[str, Any]:
    return {"gold": score.tp + score.fn, "tp": score.tp, "fp": score.fp, "fn": score.fn, **score.to_dict()}


def create_relation_scorer(
    unscored_type_pairs: Optional[Sequence[Sequence[str]]] = None,
) -> Callable[..., Dict[str, Any]]:
    """The official BioRED evaluation, for `spacy train` and `nlp.evaluate` (`embre_spacy.relation_scorer.v1`).

    unscored_type_pairs (Optional[Sequence[Sequence[str]]]): The pairs of entity types to leave out on both sides;
        those that BioRED's evaluation leaves out if None.
    RETURNS (Callable[..., Dict[str, Any]]): The scorer, which returns `relation_{level}_p/r/f` and
        `relation_{level}_per_type_pair` for the levels pair, type, novelty and all; `relation_type_per_type` and
        `relation_all_per_type`; `relation_type_macro_f`, the mean F1 of the relation types that gold has; and
        `relation_type_accuracy`, the share of right types among the pairs that are found.
    """
    pairs = UNSCORED_TYPE_PAIRS if unscored_type_pairs is None else unscored_type_pairs
    # A partial function, since a nested one cannot be pickled for `nlp.pipe(n_process=2)`.
    return partial(score_relations, unscored_type_pairs=pairs)


def score_relations(
    examples: Iterable[Example], *, unscored_type_pairs: Sequence[Sequence[str]], **kwargs: Any
) -> Dict[str, Any]:
    """The scores of examples; see `create_relation_scorer`. Gold relations that are no candidates count as missed."""
    documents = ((get_relations(example.reference), get_relations(example.predicted)) for example in examples)
    return flatten_scores(count_relations(documents, unscored_type_pairs))


def flatten_scores(counts: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
    """The counts of `count_relations` as scores with the names of `create_relation_scorer`; those of "mentions" and
    "concepts", if there are any, have the same names with "ents" and "concepts" for "relation_{level}"."""
    scores: Dict[str, Any] = {}
    for level, of_level in counts.items():
        subject = {"mentions": "ents", "concepts": "concepts"}.get(level, f"relation_{level}")
        scores.update({f"{subject}_{measure}": of_level[measure] for measure in MEASURES})
        for group, name in _GROUPS.items():
            if group in of_level:
                scores[f"{subject}_{name}"] = {
                    key: {measure: part[measure] for measure in MEASURES} for key, part in of_level[group].items()
                }
    f_of_types = [of_type["f"] for of_type in counts["type"]["per_relation_type"].values() if of_type["gold"]]
    scores["relation_type_macro_f"] = sum(f_of_types) / len(f_of_types) if f_of_types else 0.0
    pairs = counts["pair"]["tp"]
    scores["relation_type_accuracy"] = counts["type"]["tp"] / pairs if pairs else 0.0
    return scores
