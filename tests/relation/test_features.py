"""Features of candidates: which mentions are nearest, and how near."""

import numpy
from hypothesis import given
from hypothesis import strategies as st

from embre_spacy.relation import features
from embre_spacy.relation.features import nearest_mentions


@given(st.data())
def test_how_near_concepts_come_is_what_their_mentions_say(data):
    length = data.draw(st.integers(1, 100))
    spans = numpy.asarray(
        data.draw(
            st.lists(
                st.tuples(st.integers(0, length - 1), st.integers(1, 9)).map(lambda pair: (pair[0], sum(pair))),
                min_size=1,
                max_size=9,
            )
        )
    )
    mentions = st.sets(st.integers(0, len(spans) - 1), min_size=1).map(sorted)
    concepts = data.draw(st.lists(mentions, min_size=1, max_size=5))
    pairs = numpy.asarray([(a, b) for a in range(len(concepts)) for b in range(a, len(concepts))])
    mentions, distances, n_close, _ = nearest_mentions(spans, concepts, pairs, length)
    for row, (a, b) in enumerate(pairs):
        # A concept with itself, and with one that has the same mentions, is as near as two different ones.
        is_same = concepts[a] == concepts[b] and len(concepts[a]) > 1
        gaps = {
            (i, j): max(spans[i, 0] - spans[j, 1], spans[j, 0] - spans[i, 1], 0) + (length if is_same and i == j else 0)
            for i in concepts[a]
            for j in concepts[b]
        }
        first = min(gaps, key=gaps.__getitem__)
        assert tuple(mentions[row]) == first
        assert distances[row] == gaps[first]
        assert n_close[row] == sum(gap <= features.CLOSE for gap in gaps.values())


def test_the_nearest_mentions_of_a_concept_with_itself_are_two():
    spans = numpy.asarray([(0, 1), (20, 21), (25, 26), (27, 28)])

    def find_nearest(first, second):
        return tuple(nearest_mentions(spans, [first, second], numpy.asarray([(0, 1)]), 28)[0][0])

    assert find_nearest([0, 1, 2], [0, 1, 2]) == (1, 2)
    assert find_nearest([0], [0]) == (0, 0)
    assert find_nearest([0, 1], [2, 3]) == (1, 2)
