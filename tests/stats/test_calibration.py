"""False alarms on studies where nothing matters: at most 5% of families, as promised.

A cut-down of the calibration benchmark; every study is drawn from fixed seeds.
"""

import numpy as np
import pytest

from benchmarks.many_studies import Studies, complete, nested, own_seeds, pocket, published
from noiseband.stats.verdicts import Call, verdicts

STUDIES = 2000
SMALL_POCKET = pocket(interventions=4)
PUBLISHED = published()


def alarm_rate(design: Studies, sds: list[float]) -> float:
    """Share of studies with a verdict."""
    value, half_width = design.intervals(design.draw(sds, STUDIES, np.random.default_rng(2026)))
    return float((np.abs(value) > half_width).any(axis=1).mean())


@pytest.mark.parametrize("sd", [0.0, 1.0, 3.0])
def test_three_crossed_sources_of_noise_raise_no_more_alarms_than_promised(sd: float) -> None:
    assert 0.005 < alarm_rate(SMALL_POCKET, [sd] * 3) <= 0.06


@pytest.mark.parametrize("sds", [[0.0, 0.0], [1.0, 0.3], [3.0, 0.0], [3.0, 3.0]])
def test_interventions_that_are_run_once_raise_no_more_either(sds: list[float]) -> None:
    assert alarm_rate(PUBLISHED, sds) <= 0.06


@pytest.mark.parametrize("design", [complete(3), own_seeds()], ids=["blocks", "one-way"])
def test_exact_designs_raise_five_percent(design: Studies) -> None:
    """Within three standard errors, with seeds that scatter a hundred times as much."""
    assert design.exact
    rate = alarm_rate(design, [100.0] * len(design.columns()))
    assert rate == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / STUDIES))


@pytest.mark.parametrize("design", [complete(2), nested(2), own_seeds()], ids=lambda one: one.name)
def test_many_studies_at_once_are_judged_as_one_is(design: Studies) -> None:
    losses = design.draw([1.0] * len(design.columns()), 5, np.random.default_rng(1))
    value, half_width = design.intervals(losses)
    for number, loss in enumerate(losses):
        found = {v.intervention: v for v in verdicts(design.table.assign(value=loss))}
        if any(v.scatter_ratio for v in found.values()):
            continue
        said = [found[name] for name in design.model.arms[1:]]
        called = [one.verdict in (Call.HELPS, Call.HURTS) for one in said]
        assert [one.effect for one in said] == pytest.approx(value[number])
        assert [one.smallest_visible for one in said] == pytest.approx(half_width[number])
        assert called == (np.abs(value[number]) > half_width[number]).tolist()


def test_a_fall_of_ten_sds_is_called_on_every_design() -> None:
    for design in (SMALL_POCKET, PUBLISHED):
        losses = design.draw([0.3] * len(design.columns()), 200, np.random.default_rng(3))
        arm = design.model.arms[1]
        losses[:, (design.table["intervention"] == arm).to_numpy()] -= 10
        value, half_width = design.intervals(losses)
        assert (value[:, 0] < -half_width[:, 0]).mean() > 0.8
