"""Candidates: the pairs of concepts of a document that may be related."""

from bisect import bisect_right
from functools import partial
from itertools import combinations_with_replacement
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple, Union

from spacy.tokens import Doc

from ..errors import EmbreError
from ..labels import TYPE_PAIRS
from .concepts import Concept, get_concepts
from .user_data import get_passages

Candidate = Tuple[Concept, Concept]
CandidateFunction = Callable[[Doc], List[Candidate]]

# What candidates may have to share: a passage by its number, a section by its name. Its mentions, by their characters.
_Place = Union[int, str]
_Mentions = List[Tuple[int, int]]
_PLACES = ("passage", "section")


def create_type_pair_candidates(type_pairs: Optional[Sequence[Sequence[str]]] = None) -> CandidateFunction:
    """Candidates whose entity types the corpus relates (`embre_spacy.TypePairCandidates.v1`).

    type_pairs (Optional[Sequence[Sequence[str]]]): The unordered pairs of entity types; BioRED's eight if None.
    RETURNS (CandidateFunction): Gives the candidates of a document. A concept forms a candidate with itself if its
        type is paired with itself and it is mentioned more than once.
    """
    pairs = [tuple(pair) for pair in (TYPE_PAIRS if type_pairs is None else type_pairs)]
    # No function in a function: components are pickled for `nlp.pipe(n_process=2)` where processes are not forked.
    return partial(_pairs_of_types, allowed={*pairs, *(pair[::-1] for pair in pairs)})


def create_all_pairs_candidates() -> CandidateFunction:
    """Every pair of concepts, whatever their types (`embre_spacy.AllPairsCandidates.v1`; section 3.1 of the paper).

    RETURNS (CandidateFunction): Gives the candidates of a document.
    """
    return _all_pairs


def create_nearby_candidates(
    candidates: Optional[CandidateFunction] = None, same: Optional[str] = None, distance: Optional[int] = None
) -> CandidateFunction:
    """Of other candidates those with a mention of the one concept near a mention of the other
    (`embre_spacy.NearbyCandidates.v1`), for full texts: most pairs of their concepts never come near.

    candidates (Optional[CandidateFunction]): Gives the candidates to choose from; `embre_spacy.TypePairCandidates.v1`
        with BioRED's pairs of types if None.
    same (Optional[str]): "passage" if the two mentions must be in one passage, "section" if in passages of one section
        (see `get_passages`); anywhere if None.
    distance (Optional[int]): The most characters between the two; any number if None.
    RETURNS (CandidateFunction): Gives the candidates of a document. The two mentions of a concept with itself are
        different ones.
    RAISES (EmbreError): If there is no such place, or the distance is negative.
    """
    if same is not None and same not in _PLACES:
        raise EmbreError(f"`same` of nearby candidates must be one of {', '.join(_PLACES)} or null, not {same!r}")
    if distance is not None and distance < 0:
        raise EmbreError(f"`distance` of nearby candidates must be at least 0 or null, not {distance}")
    return partial(_nearby_pairs, get_all=candidates or create_type_pair_candidates(), same=same, distance=distance)


def _all_pairs(doc: Doc) -> List[Candidate]:
    pairs = combinations_with_replacement(get_concepts(doc), 2)
    return [(source, target) for source, target in pairs if source is not target or len(source.mentions) > 1]


def _pairs_of_types(doc: Doc, *, allowed: Set[Tuple[str, ...]]) -> List[Candidate]:
    return [pair for pair in _all_pairs(doc) if (pair[0].type, pair[1].type) in allowed]


def _nearby_pairs(
    doc: Doc, *, get_all: CandidateFunction, same: Optional[str], distance: Optional[int]
) -> List[Candidate]:
    find_place = _make_place_finder(doc, same)
    by_concept: Dict[int, Dict[_Place, _Mentions]] = {}

    def by_place(concept: Concept) -> Dict[_Place, _Mentions]:
        if id(concept) not in by_concept:
            places = by_concept[id(concept)] = {}
            for start, end in concept.mentions:
                places.setdefault(find_place(start), []).append((start, end))
        return by_concept[id(concept)]

    return [
        (source, target)
        for source, target in get_all(doc)
        if _are_near(by_place(source), by_place(target), source is target, distance)
    ]


def _make_place_finder(doc: Doc, same: Optional[str]) -> Callable[[int], _Place]:
    """Make a function that gives the place of a character of a document."""
    if same is None:
        return lambda character: 0
    passages = get_passages(doc)
    starts = [passage.start for passage in passages]

    def find_place(character: int) -> _Place:
        number = max(bisect_right(starts, character) - 1, 0)
        return number if same == "passage" else passages[number].section

    return find_place


def _are_near(
    source: Dict[_Place, _Mentions], target: Dict[_Place, _Mentions], is_same: bool, distance: Optional[int]
) -> bool:
    shared: Set[_Place] = source.keys() & target.keys()
    if is_same:
        shared = {place for place in shared if len(source[place]) > 1}
    if distance is None:
        return bool(shared)
    return any(_least_gap(source[place], target[place], is_same) <= distance for place in shared)


def _least_gap(first: _Mentions, second: _Mentions, is_same: bool) -> int:
    """The least number of characters between two mentions; 0 if they touch or overlap."""
    if is_same:
        # In the order of the text the nearest of others is a neighbour.
        return min(max(after[0] - before[1], 0) for before, after in zip(first, first[1:]))
    return min(max(b[0] - a[1], a[0] - b[1], 0) for a in first for b in second)
