"""False alarms on studies where nothing matters: 5% of families, as promised.

A cut-down of the calibration benchmark; every study is drawn from fixed seeds.
"""

import numpy as np
import pandas as pd

from noiseband.stats.verdicts import Call, verdicts

PAIRS = [(42, 42), (22, 22), (67, 67), (42, 23), (42, 67), (23, 23), (67, 23)]


def alarm_rate(design: pd.DataFrame, studies: int, seed_sd: float) -> float:
    """Share of studies with a verdict, at run SD 0.01 and this SD between seed pairs (nats)."""
    rng = np.random.default_rng(2026)
    pairs = zip(design["init_seed"], design["train_seed"], strict=True)
    index = [PAIRS.index(pair) for pair in pairs]
    alarms = 0
    for _ in range(studies):
        seed_effect = rng.normal(0, seed_sd, len(PAIRS))[index]
        loss = 3.6 + seed_effect + rng.normal(0, 0.01, len(design))
        found = verdicts(design.assign(test_loss=loss))
        alarms += any(v.verdict in (Call.HELPS, Call.HURTS) for v in found)
    return alarms / studies


def monte_carlo_error(studies: int) -> float:
    """Three standard errors of a share of 5%."""
    return 3 * float(np.sqrt(0.05 * 0.95 / studies))


def test_twelve_interventions_raise_no_more_alarms_than_promised(table) -> None:
    """The baseline at seven seed pairs, twelve interventions, four of them at two pairs."""
    rows = [("baseline", *pair, 0.0) for pair in PAIRS]
    rows += [(f"i{i}", *PAIRS[0], 0.0) for i in range(12)]
    rows += [(f"i{i}", *PAIRS[1], 0.0) for i in range(4)]
    rate = alarm_rate(table(rows), studies=300, seed_sd=0.0)
    assert 0.05 - monte_carlo_error(300) <= rate <= 0.05 + monte_carlo_error(300)


def test_seeds_that_matter_cost_neither_alarms_nor_power(table) -> None:
    """Seeds a hundred times as noisy as runs, all arms on three pairs: blocks take that out.

    Without blocks there would be no alarm at all, and no verdict on a real effect either.
    """
    arms = ["baseline", "a", "b", "c", "d"]
    rows = [(arm, *pair, 0.0) for arm in arms for pair in PAIRS[:3]]
    rate = alarm_rate(table(rows), studies=200, seed_sd=1.0)
    assert 0.05 - monte_carlo_error(200) <= rate <= 0.05 + monte_carlo_error(200)
