"""Widths of intervals before any run, compared with whole studies and with scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noiseband.stats.repeats import GAIN, enough_repeats, repeats
from noiseband.stats.verdicts import verdicts


@pytest.mark.parametrize(("arms", "runs"), [([1] * 4, 5), ([2, 1, 3], 4), ([1], 2)])
def test_the_width_is_that_of_the_study_that_follows(arms: list[int], runs: int) -> None:
    names = ["baseline"] * runs + [f"i{k}" for k, n in enumerate(arms) for _ in range(n)]
    seeds = np.arange(len(names))
    table = pd.DataFrame(
        {
            "run": [str(seed) for seed in seeds],
            "intervention": names,
            "init_seed": seeds,
            "train_seed": seeds,
            "value": np.random.default_rng(1).normal(size=len(names)),
        }
    )
    found = verdicts(table)
    sd = found[0].se / np.sqrt(1 / arms[0] + 1 / runs)
    widest = max(verdict.smallest_visible for verdict in found)
    assert repeats(arms, runs).half_width == pytest.approx(widest / sd, rel=1e-6)


def test_one_arm_is_a_t_test() -> None:
    expected = stats.t.isf(0.025, 6) * np.sqrt(1 + 1 / 7)
    assert repeats([1], 7).half_width == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("arms", [1, 4, 12])
def test_enough_is_where_another_run_gains_little(arms: int) -> None:
    found = enough_repeats([1] * arms)
    widths = {n: repeats([1] * arms, n).half_width for n in range(2, found.runs + 2)}
    assert widths[found.runs + 1] > (1 - GAIN) * widths[found.runs]
    for runs in range(2, found.runs):
        assert widths[runs + 1] <= (1 - GAIN) * widths[runs]
    assert found.runs > 3


def test_nothing_repeated_has_no_width() -> None:
    with pytest.raises(ValueError, match="no degrees of freedom"):
        repeats([1, 1], 1)
