"""Names that stand elsewhere in a document as well."""

from collections import Counter, defaultdict
from typing import DefaultDict, List, Sequence, Tuple

from spacy.tokens import Doc, Span

# Shorter names often mean something else elsewhere: with 3, F1 on the dev split of BioRED was highest (of 1 to 5).
_MIN_CHARACTERS = 3


def find_occurrences(doc: Doc, found: Sequence[Span]) -> List[Span]:
    """Where else the names of entities stand in a document, outside of entities: what is named once is named again.

    doc (Doc): The document.
    found (Sequence[Span]): Its entities.
    RETURNS (List[Span]): The other occurrences, in the order of the text, each with the label that its name has most
        often. Of those that start together the longest counts.
    """
    labels: DefaultDict[Tuple[int, ...], Counter] = defaultdict(Counter)
    for span in found:
        if len(span.text) >= _MIN_CHARACTERS:
            labels[tuple(token.orth for token in span)][span.label_] += 1
    # By their first word, the longest first.
    names: DefaultDict[int, List[Tuple[int, ...]]] = defaultdict(list)
    for name in sorted(labels, key=len, reverse=True):
        names[name[0]].append(name)
    taken = {index for span in found for index in range(span.start, span.end)}
    words = [token.orth for token in doc]
    others: List[Span] = []
    for start, word in enumerate(words):
        for name in names.get(word, ()):
            place = range(start, start + len(name))
            if tuple(words[start : place.stop]) == name and taken.isdisjoint(place):
                taken.update(place)
                others.append(Span(doc, start, place.stop, label=labels[name].most_common(1)[0][0]))
                break
    return others
