"""How many sentences the relations of gold are read from, and what spaCy's sentencizer would make of that."""

from collections import Counter
from typing import Any, Dict, Iterable

from spacy.pipeline import Sentencizer
from spacy.tokens import Doc

from embre_spacy.tokens import build_tokenizer, get_passages, get_relations, get_sentences, set_passages

# Two that are farther apart than that are counted together.
_FAR = 4


def measure_evidence(docs: Iterable[Doc]) -> Dict[str, Any]:
    """Count the sentences that relations are read from (`Relation.evidence`).

    docs (Iterable[Doc]): Documents with mentions and relations, without sentences.
    RETURNS (Dict[str, Any]): `documents`, `sentences` and `relations`, their numbers; `evidence`, how many relations
        have so many sentences; `apart`, how many of those with two have them so many sentences apart; `sentencizer`,
        with spaCy's component: `sentences`, `relations` that have other evidence, and `moved`, the starts of sentences
        that it finds only with, or only without, the tokens that mentions make.
    """
    counts: Counter[str] = Counter()
    evidence: Counter[str] = Counter()
    apart: Counter[str] = Counter()
    other: Counter[str] = Counter()
    sentencizer = Sentencizer()
    for doc in docs:
        places, relations = get_sentences(doc), get_relations(doc)
        counts.update(documents=1, sentences=len(places), relations=len(relations))
        plain = build_tokenizer(doc.vocab)(doc.text)
        set_passages(plain, get_passages(doc))
        theirs, without = (get_sentences(sentencizer(copy)) for copy in (doc.copy(), plain))
        moved = {start for start, _ in theirs} ^ {start for start, _ in without}
        other.update(sentences=len(theirs), moved=len(moved), relations=0)
        numbers = {start: number for number, (start, _) in enumerate(places)}
        for relation in relations:
            found = [(one.start_char, one.end_char) for one in relation.evidence(doc, places)]
            evidence[str(len(found))] += 1
            if len(found) == 2:
                distance = numbers[found[1][0]] - numbers[found[0][0]]
                apart[str(distance) if distance < _FAR else f"{_FAR} or more"] += 1
            other["relations"] += found != [(one.start_char, one.end_char) for one in relation.evidence(doc, theirs)]
    return {
        **counts,
        "evidence": {count: evidence[count] for count in sorted(evidence)},
        "apart": {distance: apart[distance] for distance in sorted(apart)},
        "sentencizer": dict(other),
    }
