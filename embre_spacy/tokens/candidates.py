"""Candidates: the pairs of concepts of a document that may be related."""

from functools import partial
from itertools import combinations_with_replacement
from typing import Callable, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from ..labels import TYPE_PAIRS
from .concepts import Concept, get_concepts

Candidate = Tuple[Concept, Concept]
CandidateFunction = Callable[[Doc], List[Candidate]]


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
    return _pairs


def _pairs(doc: Doc) -> List[Candidate]:
    pairs = combinations_with_replacement(get_concepts(doc), 2)
    return [(source, target) for source, target in pairs if source is not target or len(source.mentions) > 1]


def _pairs_of_types(doc: Doc, *, allowed: Set[Tuple[str, ...]]) -> List[Candidate]:
    return [pair for pair in _pairs(doc) if (pair[0].type, pair[1].type) in allowed]


get_default_candidates = create_type_pair_candidates()
