"""With many seeds, faster sums give the same verdicts up to rounding errors."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from noiseband.stats import least_squares, mixed, pool
from noiseband.stats.verdicts import Assessment, assess
from noiseband.stats.without import Without


def table(arms: int, seeds: int, missing: float, crossed: bool, noisy: bool) -> pd.DataFrame:
    """Runs on shared seeds, some of which are missing; with `noisy`, one arm is out of line."""
    rng = np.random.default_rng([arms, seeds, crossed, noisy])
    of_seed = rng.normal(0, 0.02, (2, seeds))
    rows = []
    for arm in range(arms):
        for seed in range(seeds):
            init = (seed * 7 + arm) % seeds if crossed else seed
            sd = 0.2 if noisy and arm == 2 else 0.01
            loss = 3 + of_seed[0, seed] + of_seed[1, init] + rng.normal(0, sd)
            if rng.uniform() >= missing:
                rows.append(("baseline" if not arm else f"arm-{arm}", init, seed, loss))
    made = pd.DataFrame(rows, columns=["intervention", "init_seed", "train_seed", "value"])
    return made.assign(run=[f"run-{number}" for number in range(len(made))])


def numbers(found: Assessment) -> list[float]:
    """All numbers of the verdicts, and of the noise behind them."""
    cells = [cell for one in found.verdicts for cell in asdict(one).values()]
    cells += [found.residual_sd, found.band, *found.residuals, *found.evidence.out_of_line.values()]
    return [np.nan if cell is None else cell for cell in cells if not isinstance(cell, str)]


@pytest.mark.parametrize(
    ("arms", "seeds", "missing", "crossed", "noisy"),
    [
        (4, 12, 0.0, False, False),
        (4, 12, 0.3, False, False),
        (5, 15, 0.2, True, False),
        (4, 30, 0.1, False, True),
        (2, 9, 0.0, True, True),
    ],
)
def test_many_seeds_change_no_verdict(
    arms: int, seeds: int, missing: float, crossed: bool, noisy: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    runs = table(arms, seeds, missing, crossed, noisy)
    exact = assess(runs)
    assert ("arm-2" in exact.evidence.out_of_line) == (noisy and arms > 2)
    for module in (least_squares, mixed, pool):
        monkeypatch.setattr(module, "MANY", 1)
    fast = assess(runs)
    assert [one.verdict for one in fast.verdicts] == [one.verdict for one in exact.verdicts]
    np.testing.assert_allclose(numbers(fast), numbers(exact), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("crossed", [False, True])
def test_what_is_left_is_the_study_of_the_other_arms(crossed: bool) -> None:
    runs = table(5, 12, 0.0, crossed, False)
    sums = Without(mixed.fit(runs))
    for name in ("arm-1", "arm-4"):
        exact = mixed.fit(runs[runs["intervention"] != name])
        found = sums.arm(name)
        assert (found.degrees_of_freedom, found.scatters) == (exact.degrees_of_freedom, True)
        np.testing.assert_allclose(found.mean_squares, exact.mean_squares(), rtol=1e-9)
        np.testing.assert_allclose(found.weights, exact.weights, rtol=1e-9, atol=1e-15)


def test_runs_without_scatter_have_none_without_an_arm() -> None:
    runs = table(3, 5, 0.0, False, False)
    runs["value"] = 3.0 + 0.1 * (runs["intervention"] == "arm-1")
    others = Without(mixed.fit(runs)).arm("arm-2")
    assert not others.scatters and others.degrees_of_freedom == 8


def test_a_table_with_more_seeds_than_any_study_has_the_same_verdicts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As large as it must be for the faster sums to be chosen."""
    runs = table(3, least_squares.MANY + 3, 0.05, False, True)
    studies: list[mixed.Mixed] = []

    def noted(model: mixed.Mixed) -> Without:
        studies.append(model)
        return Without(model)

    monkeypatch.setattr(pool, "Without", noted)
    fast = assess(runs)
    assert studies
    for module in (least_squares, mixed, pool):
        monkeypatch.setattr(module, "MANY", 10**9)
    np.testing.assert_allclose(numbers(fast), numbers(assess(runs)), rtol=1e-9, atol=1e-12)
