"""Candidates: the pairs of concepts of a document that may be related."""

from bisect import bisect_right
from collections import defaultdict
from functools import partial
from itertools import combinations_with_replacement, product
from operator import attrgetter
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple, Union

from spacy.tokens import Doc

from ..errors import EmbreError
from ..labels import TYPE_PAIRS
from .concepts import Concept, get_concepts
from .passages import Passage, get_passages

Candidate = Tuple[Concept, Concept]
CandidateFunction = Callable[[Doc], List[Candidate]]

_Places = Dict[Union[int, str], List[Tuple[int, int]]]


def create_type_pair_candidates(type_pairs: Optional[Sequence[Sequence[str]]] = None) -> CandidateFunction:
    """Candidates whose entity types the corpus relates (`embre_spacy.TypePairCandidates.v1`).

    type_pairs (Optional[Sequence[Sequence[str]]]): The unordered pairs of entity types; BioRED's eight if None.
    RETURNS (CandidateFunction): Gives the candidates of a document. A concept forms a candidate with itself if its
        type is paired with itself and it is mentioned more than once.
    """
    pairs = [tuple(pair) for pair in (TYPE_PAIRS if type_pairs is None else type_pairs)]
    # No function in a function: components are pickled for `nlp.pipe(n_process=2)` where processes are not forked.
    return partial(_find_pairs, allowed={*pairs, *(pair[::-1] for pair in pairs)})


def create_all_pairs_candidates() -> CandidateFunction:
    """Every pair of concepts, whatever their types (`embre_spacy.AllPairsCandidates.v1`; section 3.1 of the paper).

    RETURNS (CandidateFunction): Gives the candidates of a document.
    """
    return _find_pairs


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
    if same not in (None, "passage", "section"):
        raise EmbreError(f"`same` of nearby candidates must be passage, section or null, not {same!r}")
    if distance is not None and distance < 0:
        raise EmbreError(f"`distance` of nearby candidates must be at least 0 or null, not {distance}")
    return partial(_nearby_pairs, get_all=candidates or create_type_pair_candidates(), same=same, distance=distance)


def _find_pairs(doc: Doc, *, allowed: Optional[Set[Tuple[str, ...]]] = None) -> List[Candidate]:
    return [
        (source, target)
        for source, target in combinations_with_replacement(get_concepts(doc), 2)
        if source is not target or len(source.mentions) > 1
        if allowed is None or (source.type, target.type) in allowed
    ]


def _nearby_pairs(
    doc: Doc, *, get_all: CandidateFunction, same: Optional[str], distance: Optional[int]
) -> List[Candidate]:
    pairs, passages = get_all(doc), get_passages(doc)
    concepts = {id(concept): concept for pair in pairs for concept in pair}
    places = {key: _group_mentions(concept, passages, same) for key, concept in concepts.items()}
    return [pair for pair in pairs if _are_near(places[id(pair[0])], places[id(pair[1])], distance)]


def _group_mentions(concept: Concept, passages: List[Passage], same: Optional[str]) -> _Places:
    """The mentions of a concept by what candidates have to share: the numbers of passages, or the names of sections."""
    places: _Places = defaultdict(list)
    for start, end in concept.mentions:
        number = max(bisect_right(passages, start, key=attrgetter("start")) - 1, 0)
        places[{None: 0, "passage": number, "section": passages[number].section}[same]].append((start, end))
    return places


def _are_near(source: _Places, target: _Places, distance: Optional[int]) -> bool:
    for place in source.keys() & target.keys():
        mentions = source[place]
        # In the order of the text the nearest of the others of a concept is a neighbour.
        pairs = zip(mentions, mentions[1:]) if source is target else product(mentions, target[place])
        if any(distance is None or max(b[0] - a[1], a[0] - b[1]) <= distance for a, b in pairs):
            return True
    return False
