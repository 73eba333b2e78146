"""Designs compared with published ones, and their aliases with the runs."""

from itertools import combinations
from math import prod

import numpy as np
import pytest

from noiseband.stats.design import LETTERS, Design, design, equation

SIZES = [(k, p) for k in range(2, 16) for p in range(k) if 2 ** (k - p) > k]


def make(k: int, p: int) -> Design:
    return design([f"factor-{letter}" for letter in LETTERS[:k]], p)


def signs(found: Design) -> dict[str, np.ndarray]:
    """Each factor's column, -1 off and +1 on, by letter."""
    pairs = zip(LETTERS, found.factors, strict=False)
    return {letter: np.array([2 * (f in run) - 1 for run in found.runs]) for letter, f in pairs}


def lengths(found: Design, longest: int) -> tuple[int, ...]:
    """How many words of length 3, 4, …"""
    words = [len(term.factors) for term in found.defining_relation[1:]]
    return tuple(words.count(length) for length in range(3, longest + 1))


@pytest.mark.parametrize(
    ("k", "p", "resolution"),
    [
        (3, 1, 3), (4, 1, 4), (5, 1, 5), (5, 2, 3), (6, 1, 6), (6, 2, 4), (6, 3, 3), (7, 1, 7),
        (7, 2, 4), (7, 3, 4), (7, 4, 3), (8, 2, 5), (8, 3, 4), (8, 4, 4), (9, 2, 6), (9, 3, 4),
        (9, 4, 4), (9, 5, 3), (10, 3, 5), (10, 4, 4), (10, 5, 4), (10, 6, 3), (11, 4, 5),
        (11, 5, 4), (11, 6, 4), (11, 7, 3), (12, 8, 3), (13, 9, 3), (14, 10, 3), (15, 11, 3),
    ],
)  # fmt: skip
def test_resolutions_are_those_of_the_books(k: int, p: int, resolution: int) -> None:
    """As tabled by Montgomery and in the NIST/SEMATECH e-Handbook of Statistical Methods."""
    assert make(k, p).resolution == resolution


@pytest.mark.parametrize(
    ("k", "p", "words"),
    [
        (6, 2, (0, 3)), (7, 3, (0, 7)), (8, 4, (0, 14)), (9, 5, (4, 14, 8)), (10, 6, (8, 18, 16)),
        (11, 7, (12, 26)), (12, 8, (16, 39)), (13, 9, (22, 55)), (14, 10, (28, 77)),
        (15, 11, (35, 105)), (7, 2, (0, 1, 2)), (8, 3, (0, 3, 4)), (9, 4, (0, 6, 8)),
        (10, 5, (0, 10, 16)), (11, 6, (0, 25, 0, 27)), (12, 7, (0, 38, 0, 52)),
        (13, 8, (0, 55, 0, 96)), (14, 9, (0, 77, 0, 168)), (15, 10, (0, 105, 0, 280)),
        (8, 2, (0, 0, 2, 1)), (9, 3, (0, 1, 4, 2)), (10, 4, (0, 2, 8, 4)), (11, 5, (0, 4, 14, 8)),
        (12, 6, (0, 6, 24, 16)), (13, 7, (0, 14, 28, 24)), (14, 8, (0, 22, 40, 36)),
        (15, 9, (0, 30, 60, 60)),
    ],
)  # fmt: skip
def test_words_are_as_few_and_long_as_published(k: int, p: int, words: tuple[int, ...]) -> None:
    """Patterns of minimum aberration designs of 16, 32 and 64 runs (Chen, Sun and Wu 1993)."""
    assert lengths(make(k, p), 2 + len(words)) == words


@pytest.mark.parametrize(
    ("k", "p"), [(5, 2), (6, 2), (6, 3), (7, 3), (8, 4), (9, 5), (7, 2), (8, 3)]
)
def test_no_choice_of_generators_is_better(k: int, p: int) -> None:
    """All of them, one by one."""
    base = k - p
    products = [c for c in range(2**base) if c.bit_count() > 1]
    best = min(
        pattern([c | 1 << base + i for i, c in enumerate(chosen)], k)
        for chosen in combinations(products, p)
    )
    assert lengths(make(k, p), k) == best


def pattern(generators: list[int], k: int) -> tuple[int, ...]:
    words = [0]
    for generator in generators:
        words += [word ^ generator for word in words]
    counts = [word.bit_count() for word in words[1:]]
    return tuple(counts.count(length) for length in range(3, k + 1))


@pytest.mark.parametrize(("k", "p"), [(k, p) for k, p in SIZES if k - p <= 9])
def test_runs_are_balanced_and_hold_the_baseline(k: int, p: int) -> None:
    found = make(k, p)
    columns = np.array(list(signs(found).values()))
    assert found.runs[0] == ()
    assert len(set(found.runs)) == len(found.runs) == 2 ** (k - p)
    assert np.array_equal(columns @ columns.T, len(found.runs) * np.eye(k))


@pytest.mark.parametrize(("k", "p"), [(k, p) for k, p in SIZES if k - p <= 7])
def test_what_is_said_of_aliases_is_true_of_the_runs(k: int, p: int) -> None:
    found = make(k, p)
    letters = signs(found)

    def column(term) -> tuple[int, ...]:
        return tuple(term.sign * prod((letters[x] for x in term.letters), start=np.ones(1)))

    for group in (*found.generators, *found.aliases):
        assert group[0].sign == 1
        assert len({column(term) for term in group}) == 1
    for word in found.defining_relation[1:]:
        assert set(column(word)) == {1}
    assert len(found.defining_relation) == 2**p
    listed = [term.letters for group in found.aliases for term in group]
    expected = ["".join(c) for order in (1, 2) for c in combinations(LETTERS[:k], order)]
    assert sorted(listed) == sorted(expected)
    # No two groups are one, up to sign.
    leads = [np.array(column(group[0])) for group in found.aliases]
    gram = np.array(leads) @ np.array(leads).T
    assert np.array_equal(gram, len(found.runs) * np.eye(len(leads)))


def test_a_full_design_is_in_standard_order() -> None:
    found = design(["a", "b", "c"])
    assert found.runs == (
        (), ("a",), ("b",), ("a", "b"), ("c",), ("a", "c"), ("b", "c"), ("a", "b", "c"),
    )  # fmt: skip
    assert found.resolution is None
    assert (found.generators, equation(found.defining_relation)) == ((), "I")
    assert all(len(group) == 1 for group in found.aliases)


def test_signs_are_those_of_the_fraction_with_the_baseline() -> None:
    """The books take E = ABCD, in which the run with no factor on is missing."""
    found = make(5, 1)
    assert [equation(group) for group in found.generators] == ["E = −ABCD"]
    assert equation(found.defining_relation) == "I = −ABCDE"
    found = make(5, 2)
    assert equation(found.defining_relation) == "I = −ABD = −ACE = BCDE"
    assert equation(found.aliases[0]) == "A = −BD = −CE"


def test_names_are_those_of_the_factors() -> None:
    found = design(["dropout", "bias", "decay", "clip"], 1)
    assert found.generators[0][1].name == "dropout × bias × decay"
    assert found.generators[0][1].factors == ("dropout", "bias", "decay")
    pairs = [group for group in found.aliases if len(group) > 1]
    assert [t.name for t in pairs[0]] == ["dropout × bias", "decay × clip"]
    assert design(["x", "y", "z"], 1).aliases[0][1].name == "−y × z"


def test_the_letter_for_the_mean_is_no_factor_s() -> None:
    assert "I" not in LETTERS
    assert len(set(LETTERS)) == 15


@pytest.mark.parametrize(
    ("factors", "fraction", "words"),
    [
        (["a", "b", "a", "c"], 0, "more than once: a"),
        (["a", "baseline"], 0, "baseline"),
        (["a"], 0, "2 to 15 factors, not 1"),
        ([f"f{i}" for i in range(16)], 4, "not 16"),
        (["a", "b", "c"], -1, "fraction -1"),
        (["a", "b", "c", "d", "e"], 3, "takes 6 or more; it can be at most 2"),
        (["a", "b"], 1, "at most 0"),
        (["a", "b", "c"], 7, "at most 1"),
    ],
)
def test_what_it_refuses(factors: list[str], fraction: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        design(factors, fraction)
