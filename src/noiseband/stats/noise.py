"""How much runs of one recipe scatter, and whether one source of noise is larger than another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from noiseband.stats.least_squares import BASELINE, Seeds, checked, seeds_of


@dataclass(frozen=True)
class NoiseComponent:
    """The baseline runs that differ in one source of noise. Losses are in nats."""

    component: str
    n: int = 0
    degrees_of_freedom: int = 0
    """Degrees of freedom of the SD: n - 1, or fewer if it is pooled over several recipes."""
    mean: float | None = None
    sd: float | None = None
    """Sample SD (divided by the degrees of freedom); None for fewer than two runs."""
    sd_low: float | None = None
    """Lower end of the chi-square interval for the SD, which assumes normal noise."""
    sd_high: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    seeds: tuple[str, ...] = ()
    """`init_seed/train_seed` or `init_seed/data_seed/train_seed` of each run, in the order of
    `runs` (see `seeds_text`)."""
    runs: tuple[str, ...] = ()
    points: tuple[float, ...] = ()
    """The runs' losses, in the order of `runs`; for `machine`, shifted so that each recipe's mean
    is `mean`."""
    missing_seeds: tuple[str, ...] = ()
    """Requested seeds without a baseline run in the table, written as in `seeds`."""


@dataclass(frozen=True)
class VarianceRatio:
    """Two components' variances, the larger over the smaller."""

    larger: str
    smaller: str
    ratio: float
    """1 if both are zero, infinite if only the smaller one is."""
    p_one_sided: float
    """p-value of an F test that assumes that the larger one was known beforehand."""
    p_value: float
    """Two-sided p-value (the data chose the larger one) times the number of comparisons, at
    most 1."""


@dataclass(frozen=True)
class EqualVariances:
    """A test of whether the components' variances differ."""

    statistic: float | None
    """Bartlett's statistic; None if fewer than two components have two runs."""
    p_value: float | None
    ratios: tuple[VarianceRatio, ...]
    shared_runs: tuple[str, ...]
    """Runs that are in several components, which are then not independent."""
    sentence: str
    """The result as a sentence, which names a larger component only if the test supports it."""


def noise_components(
    runs: pd.DataFrame, components: Mapping[str, Sequence[Seeds]], alpha: float = 0.05
) -> list[NoiseComponent]:
    """Describe the baseline's scatter for each named list of seeds: (init_seed, train_seed), or
    (init_seed, data_seed, train_seed) if the table has the column `data_seed`.

    `runs` is as for `verdicts.verdicts`; interventions are ignored. The interval for an SD is
    at level 1 - alpha: (n - 1) s^2 / sigma^2 has a chi-square distribution with n - 1 degrees of
    freedom. Raises ValueError as `verdicts.verdicts` does.
    """
    table = checked(runs)
    baseline = table[table["intervention"] == BASELINE]
    there = seeds_of(baseline)
    return [
        _component(
            name,
            baseline[[seeds in set(wanted) for seeds in there]],
            tuple(seeds_text(seeds) for seeds in wanted if seeds not in there),
            alpha,
        )
        for name, wanted in components.items()
    ]


def _component(
    name: str, rows: pd.DataFrame, missing: tuple[str, ...], alpha: float
) -> NoiseComponent:
    points = rows["value"].to_numpy()
    n = len(points)
    if n == 0:
        return NoiseComponent(name, missing_seeds=missing)
    sd = low = high = None
    if n > 1:
        sd = float(points.std(ddof=1))
        low, high = sd_interval(sd, n - 1, alpha)
    return NoiseComponent(
        component=name,
        n=n,
        degrees_of_freedom=n - 1,
        mean=float(points.mean()),
        sd=sd,
        sd_low=low,
        sd_high=high,
        minimum=float(points.min()),
        maximum=float(points.max()),
        seeds=tuple(map(seeds_text, seeds_of(rows))),
        runs=tuple(rows["run"].astype(str)),
        points=tuple(points.tolist()),
        missing_seeds=missing,
    )


def seeds_text(seeds: Seeds) -> str:
    """The seeds as `init/train`; as `init/data/train` if the data has a seed of its own."""
    return "/".join(map(str, seeds if seeds[1] != seeds[-1] else (seeds[0], seeds[-1])))


def sd_interval(sd: float, degrees_of_freedom: int, alpha: float) -> tuple[float, float]:
    """Ends of the interval for an SD at level 1 - alpha, under normal noise: degrees of freedom
    times s^2 / sigma^2 has a chi-square distribution."""
    quantiles = stats.chi2.isf([alpha / 2, 1 - alpha / 2], degrees_of_freedom)
    low, high = sd * np.sqrt(degrees_of_freedom / quantiles)
    return float(low), float(high)


def equal_variances(noise: Sequence[NoiseComponent], alpha: float = 0.05) -> EqualVariances:
    """Test whether the components' variances differ, before a sentence says that one is larger.

    This is Bartlett's test over all components with at least two runs (noise is nearly normal, and
    robust tests have no power with few runs), and an F test for each pair. One component is called
    larger than another only if Bartlett's p and the pair's adjusted p are both below `alpha`.
    Components that share runs are not independent; the tests treat them as if they were, and the
    sentence says so.
    """
    usable = [component for component in noise if component.n > 1]
    shared = _shared_runs(usable)
    if len(usable) < 2:
        sentence = "Comparing sources of noise needs at least two of them with two runs each."
        return EqualVariances(None, None, (), shared, sentence)
    statistic, p_value = _bartlett(usable)
    comparisons = len(usable) * (len(usable) - 1) // 2
    ratios = tuple(_ratio(one, other, comparisons) for one, other in combinations(usable, 2))
    sentence = _sentence(usable, p_value, ratios, alpha)
    if shared:
        sentence += (
            f" The sources share {len(shared)} of these runs, so they are not independent and the"
            " p-values are approximate."
        )
    return EqualVariances(statistic, p_value, ratios, shared, sentence)


def _shared_runs(components: Sequence[NoiseComponent]) -> tuple[str, ...]:
    names = [run for component in components for run in set(component.runs)]
    return tuple(sorted({name for name in names if names.count(name) > 1}))


def _bartlett(components: Sequence[NoiseComponent]) -> tuple[float, float]:
    """Bartlett's statistic and p-value; infinite if a source has no scatter, 0 if none has any.

    Computed from variances and degrees of freedom (Bartlett 1937), because a pooled variance has
    fewer than n - 1 of them; otherwise it equals `scipy.stats.bartlett`.
    """
    variances = np.array([_variance(component) for component in components])
    if not variances.any():
        return 0.0, 1.0
    if not variances.all():
        return float("inf"), 0.0
    freedom = np.array([component.degrees_of_freedom for component in components])
    pooled = (freedom * variances).sum() / freedom.sum()
    statistic = freedom.sum() * np.log(pooled) - (freedom * np.log(variances)).sum()
    groups = len(components) - 1
    statistic /= 1 + ((1 / freedom).sum() - 1 / freedom.sum()) / (3 * groups)
    return float(statistic), float(stats.chi2.sf(statistic, groups))


def _ratio(one: NoiseComponent, other: NoiseComponent, comparisons: int) -> VarianceRatio:
    larger, smaller = (one, other) if _variance(one) >= _variance(other) else (other, one)
    if _variance(larger) == 0:
        return VarianceRatio(larger.component, smaller.component, 1.0, 1.0, 1.0)
    if _variance(smaller) == 0:
        return VarianceRatio(larger.component, smaller.component, float("inf"), 0.0, 0.0)
    ratio = _variance(larger) / _variance(smaller)
    p_one_sided = float(stats.f.sf(ratio, larger.degrees_of_freedom, smaller.degrees_of_freedom))
    p_value = min(1.0, 2 * p_one_sided * comparisons)
    return VarianceRatio(larger.component, smaller.component, ratio, p_one_sided, p_value)


def _variance(component: NoiseComponent) -> float:
    # The computed SD of equal losses may be a rounding error instead of zero.
    if component.sd is None or component.minimum == component.maximum:
        return 0.0
    return component.sd**2


def _sentence(
    components: Sequence[NoiseComponent],
    p_value: float,
    ratios: Sequence[VarianceRatio],
    alpha: float,
) -> str:
    runs = len({run for component in components for run in component.runs})
    test = f"(Bartlett's test over {runs} runs: p = {p_value:.2g})"
    larger = [ratio for ratio in ratios if ratio.p_value < alpha]
    if p_value >= alpha:
        return f"These runs do not show that any source of noise is larger than another {test}."
    if not larger:
        return f"The sources of noise differ, but these runs do not show which is larger {test}."
    findings = "; ".join(
        f"{ratio.larger} varies more than {ratio.smaller} (p = {ratio.p_value:.2g})"
        for ratio in larger
    )
    return f"The sources of noise differ {test}: {findings}."
