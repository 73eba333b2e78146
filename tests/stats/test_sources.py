"""Sources of noise that a table of runs can tell apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noiseband.stats.sources import sources


def names(**seeds: list[int]) -> list[str]:
    return [one.name for one in sources(pd.DataFrame(seeds))]


def test_seeds_that_vary_together_are_one_source() -> None:
    together = {"init_seed": [1, 2, 1, 2], "data_seed": [7, 8, 7, 8]}
    assert names(**together) == ["initial weights and data order"]
    assert names(**together, train_seed=[3, 9, 3, 9]) == [
        "initial weights and data order and training"
    ]
    assert names(**together, train_seed=[3, 3, 9, 9]) == [
        "initial weights and data order",
        "training",
    ]


def test_what_all_runs_share_or_no_two_runs_share_is_none() -> None:
    assert names(init_seed=[5, 5, 5], train_seed=[1, 2, 3]) == []
    assert names(init_seed=[1, 1, 3], train_seed=[1, 2, 3]) == ["initial weights"]


def test_levels_are_in_the_order_of_the_runs_not_of_the_numbers() -> None:
    (one,) = sources(pd.DataFrame({"init_seed": [9, 2, 9, 2**63 - 1]}))
    assert np.array_equal(one.levels, [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    (other,) = sources(pd.DataFrame({"init_seed": [1, 5, 1, 2]}))
    assert np.array_equal(one.levels, other.levels)
