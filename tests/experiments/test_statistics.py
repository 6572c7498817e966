"""Means, deviations and intervals, checked by hand."""

import numpy
import pytest

from experiments.statistics import LEVELS, bootstrap_differences, deviation, f1, mean, sum_documents


def documents(counts):
    return {str(number): [list(one)] * len(LEVELS) for number, one in enumerate(counts)}


def test_mean_and_sample_deviation():
    assert mean([0.5, 0.6, 0.7]) == pytest.approx(0.6)
    assert deviation([0.5, 0.6, 0.7]) == pytest.approx(0.1)
    assert deviation([1.0, 2.0]) == pytest.approx(0.5**0.5)
    assert deviation([0.5]) is None and deviation([0.5, None]) is None
    assert mean([None, 2.0]) == 2.0 and mean([]) is None


def test_f1():
    assert f1(numpy.asarray([[6, 2, 2], [0, 3, 4], [0, 0, 0]])).tolist() == [0.75, 0.0, 0.0]


def test_identical_cells_do_not_differ():
    counts = documents([(5, 1, 2), (0, 3, 1), (2, 2, 2)])
    for found in bootstrap_differences(counts, counts).values():
        assert tuple(found) == (0.0, 0.0, 0.0)


def test_the_counts_of_many_seeds_are_not_more_documents():
    counts = documents([(5, 1, 2), (0, 3, 1), (2, 2, 2)])
    doubled = {key: [[2 * one for one in level] for level in value] for key, value in counts.items()}
    assert tuple(bootstrap_differences(doubled, counts)["all"]) == (0.0, 0.0, 0.0)


def test_a_clearly_better_cell_has_an_interval_above_zero():
    random = numpy.random.RandomState(1)
    bad = [(int(tp), 5, 5) for tp in random.randint(2, 6, size=60)]
    good = [(tp + 3, 2, 2) for tp, _, _ in bad]
    found = bootstrap_differences(documents(good), documents(bad))["pair"]
    totals = numpy.sum(good, axis=0), numpy.sum(bad, axis=0)
    assert found.value == pytest.approx(f1(totals[0]) - f1(totals[1]))
    assert 0 < found.low < found.value < found.high
    turned = bootstrap_differences(documents(bad), documents(good))["pair"]
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_the_interval_is_that_of_resampling_one_by_one():
    ours, theirs = [(3, 1, 2), (0, 4, 4), (6, 1, 0), (2, 2, 1)], [(2, 2, 3), (1, 2, 3), (4, 1, 2), (2, 0, 1)]
    found = bootstrap_differences(documents(ours), documents(theirs), resamples=20_000)["type"]
    random = numpy.random.default_rng(7)
    drawn = []
    for _ in range(4000):
        chosen = random.integers(0, 4, size=4)
        drawn.append(f1(numpy.sum([ours[i] for i in chosen], 0)) - f1(numpy.sum([theirs[i] for i in chosen], 0)))
    low, high = numpy.percentile(drawn, [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.03) and found.high == pytest.approx(high, abs=0.03)


def test_other_documents_cannot_be_compared():
    assert bootstrap_differences(documents([(1, 1, 1)]), documents([(1, 1, 1), (2, 2, 2)])) is None


def test_counts_are_added_up_over_seeds(cells, make_result):
    results = [make_result(cells["none"], seed, [(1, 2, 3), (4 + seed, 5, 6)]) for seed in (0, 1)]
    assert sum_documents(results) == {"0": [[2, 4, 6]] * 4, "1": [[9, 10, 12]] * 4}
    assert sum_documents([*results, make_result(cells["none"], 2, [(1, 2, 3)])]) is None
    assert sum_documents([]) is None
