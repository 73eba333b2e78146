"""Seeds needed, compared with statsmodels' paired test and with simulated studies."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from benchmarks.many_studies import complete
from noiseband.stats.power import power, seeds_per_arm


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_textbook_sample_sizes(effect: float, pairs: int) -> None:
    """G*Power's examples of the matched-pairs t-test at 80%: the effect is in SDs of a difference,
    which is the root of two times that of a run."""
    assert seeds_per_arm(effect * 2**0.5, 1.0) == pairs


@pytest.mark.parametrize(("effect", "seeds"), [(2.0, 7), (4.0, 4), (6.0, 3)])
def test_large_effects_need_more_than_an_unpaired_test_says(effect: float, seeds: int) -> None:
    """Without pairing it would be 6, 3 and 2, which have a power of 0.79, 0.70 and 0.36."""
    assert seeds_per_arm(effect, 1.0) == seeds
    assert power(effect, 1.0, seeds) >= 0.8 > power(effect, 1.0, seeds - 1)
    losses_power = {2.0: 0.79, 4.0: 0.70, 6.0: 0.36}[effect]
    assert power(effect, 1.0, seeds - 1) == pytest.approx(losses_power, abs=0.01)


@pytest.mark.parametrize(("effect", "seeds"), [(2.0, 7), (4.0, 4), (6.0, 3), (2.0, 4)])
def test_verdicts_of_simulated_studies_have_that_power(effect: float, seeds: int) -> None:
    """Seeds that scatter as much as the rest cost nothing."""
    design = complete(seeds, interventions=1)
    losses = design.draw([1.0], 4000, np.random.default_rng(seeds))
    losses[:, (design.table["intervention"] != "baseline").to_numpy()] -= effect
    value, half_width = design.intervals(losses)
    called = float((value < -half_width).mean())
    assert called == pytest.approx(power(effect, 1.0, seeds), abs=0.025)


@pytest.mark.parametrize("effect", [0.1, 0.7, 1.5, 3.0, 8.0, 40.0])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_it_is_the_fewest_seeds_that_give_80_percent(effect: float, alpha: float) -> None:
    seeds = seeds_per_arm(-0.01 * effect, 0.01, alpha)
    assert seeds is not None

    def reference(n: int) -> float:
        found = TTestPower().power(effect / 2**0.5, n, alpha / 2, alternative="larger")
        return 1.0 if np.isnan(found) else float(found)

    assert reference(seeds) >= 0.8 - 1e-3  # 1e-3: far out, the normal formula is used
    assert seeds == 2 or reference(seeds - 1) < 0.8
    assert power(0.01 * effect, 0.01, seeds, alpha) == pytest.approx(reference(seeds), abs=1e-8)


def test_the_ends_of_the_scale() -> None:
    assert seeds_per_arm(0.0, 0.01) is None
    assert seeds_per_arm(0.1, 0.0) == 2
    assert seeds_per_arm(1e-9, 0.01) == pytest.approx(1.5698e15, rel=1e-4)
