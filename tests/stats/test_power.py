"""Seeds needed, compared with published tables and statsmodels."""

import pytest
from statsmodels.stats.power import TTestIndPower

from noiseband.stats.power import power, seeds_per_arm


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_the_textbook_sample_sizes(effect: float, seeds: int) -> None:
    """Cohen 1988, table 2.4.1: 393, 64, 26 (393 is 393.4 rounded down, not enough)."""
    assert seeds_per_arm(effect, 1.0) == seeds


@pytest.mark.parametrize("effect", [0.1, 0.7, 1.5, 3.0, 8.0, 40.0])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_it_is_the_fewest_seeds_that_give_80_percent(effect: float, alpha: float) -> None:
    seeds = seeds_per_arm(-0.01 * effect, 0.01, alpha)
    assert seeds is not None

    def reference(n: int) -> float:
        return float(TTestIndPower().power(effect, n, alpha / 2, alternative="larger"))

    assert reference(seeds) >= 0.8 - 1e-3  # 1e-3: far out, the normal formula is used
    assert seeds == 2 or reference(seeds - 1) < 0.8
    assert power(0.01 * effect, 0.01, seeds, alpha) == pytest.approx(reference(seeds), abs=1e-8)


def test_the_ends_of_the_scale() -> None:
    assert seeds_per_arm(0.0, 0.01) is None
    assert seeds_per_arm(0.1, 0.0) == 2
    assert seeds_per_arm(1e-9, 0.01) == pytest.approx(1.5698e15, rel=1e-4)
