"""Noise components: the published noise study and its conclusions."""

import numpy as np
import pytest

from noiseband.stats.noise import NoiseComponent, equal_variances, noise_components

COMPONENTS = {
    "init and train": [(42, 42), (22, 22), (67, 67)],
    "train only": [(42, 42), (42, 23), (42, 67)],
    "init only": [(42, 23), (23, 23), (67, 23)],
}


def component(name: str, values: list[float]) -> NoiseComponent:
    points = [float(value) for value in values]
    sd = float(np.std(points, ddof=1)) if len(points) > 1 else None
    runs = tuple(f"{name}-{i}" for i in range(len(points)))
    return NoiseComponent(
        component=name,
        n=len(points),
        degrees_of_freedom=max(0, len(points) - 1),
        mean=float(np.mean(points)),
        sd=sd,
        minimum=min(points),
        maximum=max(points),
        runs=runs,
        points=tuple(points),
    )


def test_the_published_noise_study(published) -> None:
    """Sample SDs, and the population SDs of mistake 1 in the reference's list."""
    both, train, init = noise_components(published, COMPONENTS)
    assert [c.n for c in (both, train, init)] == [3, 3, 3]
    assert both.sd == pytest.approx(0.018974, abs=5e-7)
    assert train.sd == pytest.approx(0.006132, abs=5e-7)
    assert init.sd == pytest.approx(0.008529, abs=5e-7)
    assert np.std(train.points) == pytest.approx(0.005007, abs=5e-7)
    assert np.std(init.points) == pytest.approx(0.006964, abs=5e-7)
    assert both.points == (3.691526, 3.673453, 3.653593)
    assert (both.minimum, both.maximum) == (3.653593, 3.691526)
    assert both.runs == ("run-0", "run-1", "run-2")
    assert both.mean == pytest.approx(3.672857, abs=5e-7)


def test_the_interval_for_an_sd(published) -> None:
    """Chi-square with 2 degrees of freedom: quantiles 0.050636 and 7.377759 (any table)."""
    train = noise_components(published, COMPONENTS)[1]
    assert train.sd_low == pytest.approx(0.006132 * np.sqrt(2 / 7.377759), rel=1e-4)
    assert train.sd_high == pytest.approx(0.006132 * np.sqrt(2 / 0.050636), rel=1e-4)


def test_interventions_are_left_out_and_missing_runs_are_listed(published) -> None:
    (found,) = noise_components(published, {"x": [(42, 42), (1, 2)]})
    assert found.points == (3.691526,)
    assert (found.sd, found.sd_low, found.sd_high) == (None, None, None)
    assert (found.seeds, found.missing_seeds) == (("42/42",), ("1/2",))
    triples = published.assign(data_seed=published["train_seed"].where(published.index != 3, 7))
    (third,) = noise_components(triples, {"x": [(42, 42, 42), (42, 7, 23), (1, 2, 3)]})
    assert (third.seeds, third.missing_seeds) == (("42/42", "42/7/23"), ("1/2/3",))
    (empty,) = noise_components(published, {"x": [(1, 2)]})
    assert (empty.n, empty.mean, empty.points) == (0, None, ())


def test_the_published_study_does_not_show_that_weights_matter_more(published) -> None:
    _, train, init = noise_components(published, COMPONENTS)
    found = equal_variances([train, init])
    (ratio,) = found.ratios
    assert (ratio.larger, ratio.smaller) == ("init only", "train only")
    assert ratio.ratio == pytest.approx(1.93, abs=5e-3)
    assert ratio.p_one_sided == pytest.approx(0.34, abs=5e-3)
    assert ratio.p_value == pytest.approx(2 * ratio.p_one_sided)
    assert found.shared_runs == ("run-3",)
    assert found.sentence.startswith("These runs do not show that any source of noise is larger")
    assert "share 1 of these runs" in found.sentence


def test_the_three_together_do_not_differ_either(published) -> None:
    found = equal_variances(noise_components(published, COMPONENTS))
    assert found.p_value > 0.05
    assert found.shared_runs == ("run-0", "run-3")
    assert len(found.ratios) == 3
    assert all(ratio.p_value > 0.05 for ratio in found.ratios)
    assert "over 7 runs" in found.sentence


def test_a_larger_source_is_named_only_where_both_tests_say_so() -> None:
    small = component("train only", [0, 1, 2, 3, 4, 5, 6, 7])
    large = component("init only", [0, 30, 60, 90, 120, 150, 180, 210])
    middle = component("machine", [0, 1, 2, 3, 4, 5, 6, 8])
    sentence = equal_variances([small, large, middle]).sentence
    assert "init only varies more than train only" in sentence
    assert "init only varies more than machine" in sentence
    assert "machine varies more" not in sentence
    assert "share" not in sentence
    assert "do not show" in equal_variances([small, middle]).sentence


def test_sources_may_differ_without_any_two_that_do() -> None:
    spread = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    sds = (1.0, 1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 4.0)
    found = equal_variances([component(str(i), list(sd * spread)) for i, sd in enumerate(sds)])
    assert found.p_value < 0.05
    assert min(ratio.p_value for ratio in found.ratios) > 0.05
    assert "do not show which is larger" in found.sentence


def test_too_few_runs_to_compare() -> None:
    found = equal_variances([component("a", [1.0, 2.0]), component("b", [1.0])])
    assert (found.statistic, found.p_value, found.ratios) == (None, None, ())
    assert "needs at least two of them" in found.sentence


@pytest.mark.filterwarnings("error")
def test_a_source_without_scatter() -> None:
    still = component("train only", [0.1] * 3)
    assert still.sd > 0, "the case to test: equal losses whose computed SD is a rounding error"
    moving = component("init only", [0.3, 0.4, 0.5])
    found = equal_variances([still, moving])
    assert (found.statistic, found.p_value) == (float("inf"), 0.0)
    assert found.ratios[0].ratio == float("inf")
    assert "init only varies more than train only" in found.sentence
    nothing = equal_variances([still, component("init only", [0.3, 0.3])])
    assert (nothing.statistic, nothing.p_value) == (0.0, 1.0)
    assert nothing.ratios[0].ratio == 1.0
