"""The shuffled order: a permutation for any count, the same for ever, with no pattern in it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from noiseband.corpus.order import ROUNDS, Order
from noiseband.randomness import derived_seed

KEYS = st.integers(0, 2**63 - 1)


def whole(count: int, *key: int | str) -> NDArray[np.int64]:
    """The whole order of a small number of sequences."""
    return Order(count, *key)(np.arange(count))


@given(count=st.integers(1, 100_000), key=KEYS)
@example(count=1, key=0)
@example(count=2, key=0)
@example(count=65_536, key=42)
@example(count=100_000, key=42)
def test_every_index_has_exactly_one_place(count: int, key: int) -> None:
    assert np.array_equal(np.sort(whole(count, key)), np.arange(count))


def test_every_small_count_is_permuted() -> None:
    for count in range(1, 300):
        assert sorted(whole(count, "small").tolist()) == list(range(count)), count


@given(start=st.integers(0, 10**10 - 20_000), key=KEYS)
def test_ten_billion_places_need_no_list(start: int, key: int) -> None:
    found = Order(10**10, key)(np.arange(start, start + 20_000))
    assert len(np.unique(found)) == 20_000
    assert 0 <= found.min() <= found.max() < 10**10
    # Twenty thousand indices of an even choice leave no tenth empty.
    assert np.bincount(found // 10**9, minlength=10).min() > 1_500


@given(count=st.integers(1, 10**10), key=KEYS, data=st.data())
def test_a_place_has_one_index_whatever_is_asked_with_it(
    count: int, key: int, data: st.DataObject
) -> None:
    place = st.integers(0, count - 1)
    places = np.array(data.draw(st.lists(place, min_size=1, max_size=9)), dtype=np.int64)
    order = Order(count, key)
    together = order(places)
    assert together.dtype == np.int64
    assert [int(order(np.array([one]))[0]) for one in places] == together.tolist()
    assert np.array_equal(Order(count, key)(places.reshape(1, -1)), together.reshape(1, -1))


def test_the_order_never_changes() -> None:
    """Golden values: another order would train other weights from the same recipe."""
    assert whole(10, 42, "order").tolist() == [8, 4, 1, 7, 5, 2, 3, 0, 9, 6]
    assert whole(7, 42, "before", "order").tolist() == [6, 1, 0, 3, 4, 2, 5]
    places = np.array([0, 1, 2, 10**5, 10**10 - 1])
    large = [4765964793, 5568610267, 1227526847, 9244433805, 9668581161]
    assert Order(10**10, 42, "order")(places).tolist() == large
    largest = [3768481117719524882, 1070410622608785785]
    assert Order(2**62, 2**63 - 1, "order")(places[:2]).tolist() == largest


def by_hand(count: int, key: int, place: int) -> int:
    """The index at a place, with Python's integers of any size."""
    width = next(n for n in range(math.isqrt(count), count + 1) if n * n >= count)
    height = math.ceil(Fraction(count, width))
    while True:
        row, column = divmod(place, width)
        for number in range(ROUNDS):
            one = (row, column)[number % 2] ^ derived_seed(key, number)
            one = (one ^ (one >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
            one = (one ^ (one >> 27)) * 0x94D049BB133111EB % 2**64
            one ^= one >> 31
            if number % 2:
                row = (row + one) % height
            else:
                column = (column + one) % width
        place = row * width + column
        if place < count:
            return place


@given(count=st.integers(1, 2**62), key=KEYS, data=st.data())
def test_arrays_give_what_python_integers_give(count: int, key: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, count - 1))
    assert int(Order(count, key)(np.array([place]))[0]) == by_hand(count, key, place)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_each_order_of_a_few_sequences_is_equally_likely(count: int) -> None:
    possible = math.factorial(count)
    draws = 10 * max(possible, 100)
    seen: dict[tuple[int, ...], int] = {}
    for seed in range(draws):
        order = tuple(whole(count, seed).tolist())
        seen[order] = seen.get(order, 0) + 1
    found = [*seen.values()] + [0] * (possible - len(seen))
    assert stats.chisquare(found).pvalue > 0.001


def test_an_index_may_be_at_any_place() -> None:
    """Where each of 50 indices comes, over 1,000 seeds: chi-square of 2,500 cells, each way."""
    orders = np.array([whole(50, seed, "order") for seed in range(1_000)])
    table = np.zeros((50, 50), dtype=np.int64)
    for order in orders:
        table[np.arange(50), order] += 1
    # Rows and columns of the table have fixed sums, which leaves 49 * 49 degrees of freedom.
    statistic = float(((table - 20) ** 2 / 20).sum()) * 49 / 50
    assert 0.001 < stats.chi2.sf(statistic, 49 * 49) < 0.999


@pytest.mark.parametrize("count", [1_000, 4_096, 99_991])
def test_neighbours_are_unrelated(count: int) -> None:
    """Neighbouring places of one order, and equal places of neighbouring seeds and passes. The
    correlation of n unrelated pairs has an SD of 1 / sqrt(n)."""
    order, limit = whole(count, 42, "order"), 4 / math.sqrt(count)
    for lag in (1, 2, 3, 8, 64):
        assert abs(np.corrcoef(order[:-lag], order[lag:])[0, 1]) < limit, lag
    assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < limit
    for key in [(41, "order"), (43, "order"), (42, "first run", "order"), (42 + 2**32, "order")]:
        other = whole(count, *key)
        assert abs(np.corrcoef(order, other)[0, 1]) < limit, key
        # Two unrelated orders agree at one place on average; the number is nearly Poisson.
        assert int((order == other).sum()) <= 7, key


@pytest.mark.parametrize("count", [4_096, 99_991])
def test_a_batch_is_spread_over_the_window(count: int) -> None:
    """Pairs of neighbouring places fall evenly into 8 x 8 cells of (index, next index)."""
    order = whole(count, 7, "order")
    eighth = order * 8 // count
    cells = np.bincount(eighth[:-1:2] * 8 + eighth[1::2], minlength=64)
    assert 0.001 < stats.chisquare(cells).pvalue < 0.999


@pytest.mark.parametrize("count", [0, -1, 2**62 + 1])
def test_a_count_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"count={count}: give a number from 1 to 2\\^62"):
        Order(count, 42)


@pytest.mark.parametrize("place", [-1, 10])
def test_a_place_outside_the_order_is_refused(place: int) -> None:
    with pytest.raises(ValueError, match="places are from 0 to 9"):
        Order(10, 42)(np.array([place]))
