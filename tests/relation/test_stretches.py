"""Which text a pass holds: always both concepts, and never more than there is room for."""

import numpy
from hypothesis import given
from hypothesis import strategies as st

from embre_spacy.relation.features import nearest_mentions
from embre_spacy.relation.pairs_encoder import MIN_WINDOW, choose_excerpts

SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 12) | st.integers(0, 200)), min_size=1, max_size=12)


def choose(spans, nearest, length, size, n_between=1):
    spans = numpy.asarray(spans, dtype="int64")
    n_tags = numpy.full(len(spans), 2)
    return choose_excerpts(spans, n_tags, nearest, length=length, size=size, n_between=n_between)


@given(SPANS, st.integers(MIN_WINDOW, 120), st.data())
def test_both_mentions_are_there_and_everything_fits(found, size, data):
    spans = [(start, start + width) for start, width in found]
    length = max(end for _, end in spans) + data.draw(st.integers(0, 50))
    numbers = st.integers(0, len(spans) - 1)
    nearest = data.draw(st.tuples(numbers, numbers))
    excerpts = choose(spans, nearest, length, size)
    assert len(excerpts) <= 2 and excerpts == sorted(excerpts)
    cost = sum(end - start + 2 * len(mentions) for start, end, mentions in excerpts) + len(excerpts) - 1
    assert cost <= size
    assert set(nearest) <= {mention for excerpt in excerpts for mention in excerpt.mentions}
    for start, end, mentions in excerpts:
        assert 0 <= start <= end <= length
        assert all(start <= spans[mention][0] <= end for mention in mentions)
    first, last = (edge([spans[i][side] for i in nearest]) for edge, side in ((min, 0), (max, 1)))
    if last - first + 2 * len(spans) <= size:
        assert len(excerpts) == 1 and excerpts[0].start <= first <= last <= excerpts[0].end
    if length + 2 * len(spans) <= size:
        assert (excerpts[0].start, excerpts[0].end) == (0, length)


def test_a_excerpt_is_as_wide_as_fits_around_the_nearest_mentions():
    assert choose([(50, 52), (58, 60)], (0, 1), 100, 34) == [(40, 70, [0, 1])]
    # At the beginning and the end of the text there is nothing to be in the middle of.
    assert choose([(1, 2), (3, 4)], (0, 1), 100, 34) == [(0, 30, [0, 1])]
    assert choose([(97, 98), (99, 100)], (0, 1), 100, 34) == [(70, 100, [0, 1])]
    # Tags of other mentions take room too.
    assert choose([(50, 52), (58, 60), (45, 46)], (0, 1), 100, 34) == [(41, 69, [0, 1, 2])]


def test_two_excerpts_where_the_mentions_are_too_far_apart():
    assert choose([(80, 81), (10, 11)], (0, 1), 100, 25) == [(5, 15, [1]), (75, 85, [0])]
    assert choose([(80, 81), (10, 11)], (0, 1), 100, 24, n_between=0) == [(5, 15, [1]), (75, 85, [0])]


def test_of_a_mention_that_is_too_long_the_beginning_is_there():
    assert choose([(10, 90)], (0, 0), 100, 20) == [(10, 28, [0])]
    assert choose([(10, 90), (95, 96)], (0, 1), 100, 21) == [(10, 18, [0]), (91, 99, [1])]


def test_the_nearest_mentions_of_a_concept_with_itself_are_two():
    spans = numpy.asarray([(0, 1), (20, 21), (25, 26), (27, 28)])

    def find_nearest(first, second):
        return tuple(nearest_mentions(spans, [first, second], numpy.asarray([(0, 1)]), 28).mentions[0])

    assert find_nearest([0, 1, 2], [0, 1, 2]) == (1, 2)
    assert find_nearest([0], [0]) == (0, 0)
    assert find_nearest([0, 1], [2, 3]) == (1, 2)
