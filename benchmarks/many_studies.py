"""Verdicts on thousands of simulated studies of one design at once.

All studies of a design share the arithmetic that depends on the design alone. The critical values
are simulated once for each point of the grid of ratios, instead of once for each study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from noiseband.stats.family import blocks_that_cost_nothing, weights
from noiseband.stats.least_squares import BASELINE, SEEDS, Floats
from noiseband.stats.maxt import critical_value
from noiseband.stats.mixed import PLAUSIBLE, Mixed, fit
from noiseband.stats.simultaneous import estimates
from noiseband.stats.sources import NAMES

Row = tuple[str, int, int, int]
"""Arm, init_seed, data_seed and train_seed of a run."""
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]
"""Draws noise with mean 0 and SD 1."""


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.normal(size=shape)


@dataclass(frozen=True, eq=False)
class Studies:
    """All studies of one design, with intervals at level 1 - alpha."""

    name: str
    rows: Sequence[Row]
    """Each run once: no two rows are equal."""
    alpha: float = 0.05

    @cached_property
    def table(self) -> pd.DataFrame:
        """The runs, in the order of the model, with losses that only serve to build it."""
        table = pd.DataFrame(self.rows, columns=["intervention", *SEEDS])
        table["run"] = [f"r{number}" for number in range(len(table))]
        table["value"] = np.random.default_rng(0).normal(size=len(table))
        order = fit(table).table["run"]
        return table.set_index("run").loc[order].reset_index()

    @cached_property
    def model(self) -> Mixed:
        return fit(self.table)

    @cached_property
    def contrasts(self) -> Floats:
        """Shape (m, p): each intervention against the baseline."""
        return weights(self.model, [{name: 1.0} for name in self.model.arms[1:]])

    def columns(self) -> list[str]:
        """One column of seeds for each source of noise that the design can tell apart."""
        first = {name: column for column, name in NAMES.items()}
        return [first[one.name.split(" and ")[0]] for one in self.model.sources]

    def draw(
        self, sds: Sequence[float], studies: int, rng: np.random.Generator, noise: Draw = normal
    ) -> Floats:
        """Losses without effects, shape (studies, runs): SDs of the effects of `columns()`, where
        the SD of the rest is 1."""
        losses = noise(rng, (studies, len(self.table)))
        for column, sd in zip(self.columns(), sds, strict=True):
            _, seeds = np.unique(self.table[column], return_inverse=True)
            losses = losses + sd * rng.normal(size=(studies, seeds.max() + 1))[:, seeds]
        return losses

    def intervals(self, losses: Floats) -> tuple[Floats, Floats]:
        """Effects and half-widths of their intervals, both (studies, interventions)."""
        model = self.model
        design = (self.table["intervention"].to_numpy()[:, None] == np.array(model.arms)) * 1.0
        means = losses @ design / model.counts
        residuals = losses - means @ design.T
        seen = residuals @ model.basis
        others = model.degrees_of_freedom - len(model.seen)
        left = residuals - seen @ model.basis.T
        rest = (left**2).sum(axis=1) if others else np.zeros(len(losses))
        if self._exact is not None:
            return means @ self.contrasts.T, np.sqrt(rest / others)[:, None] * self._exact
        likelihood, squares = model._weights(seen, rest)
        corrections = np.einsum("mp,gpq->gqm", self.contrasts, model.correction)
        spread = (likelihood[:, :, None] * seen[:, None, :]).reshape(len(seen), -1)
        corrected = spread @ corrections.reshape(-1, len(self.contrasts))
        error = np.sqrt((likelihood * squares) @ model._variances(self.contrasts))
        return means @ self.contrasts.T - corrected, self._critical(likelihood)[:, None] * error

    @cached_property
    def _exact(self) -> Floats | None:
        """Half-widths over the residual SD where the analysis is exact, shape (m,); or None."""
        found = blocks_that_cost_nothing(self.model, self.contrasts)
        if found is None or not found.residual_sd:
            return None
        each = estimates(found, [{name: 1.0} for name in self.model.arms[1:]], self.alpha)
        return np.array([one.half_width for one in each], np.float64) / found.residual_sd

    @property
    def exact(self) -> bool:
        """Whether the intervals need no simulation."""
        return self._exact is not None

    @cached_property
    def _quantiles(self) -> Floats:
        """Shape (g,): the critical value for each point of the grid."""
        largest = self.model.largest(self.contrasts, np.arange(len(self.model.grid)))
        beyond = int(np.floor(self.alpha * (largest.shape[1] + 1) - 1e-9))
        return largest[:, -beyond]

    def _critical(self, likelihood: Floats) -> Floats:
        """Shape (studies,): the largest critical value over each study's plausible ratios."""
        limit = stats.chi2.ppf(PLAUSIBLE, max(1, len(self.model.sources))) / 2
        least = likelihood.max(axis=1, keepdims=True) * np.exp(-limit)
        largest: Floats = np.where(likelihood >= least, self._quantiles, 0.0).max(axis=1)
        return largest

    def known(self, sds: Sequence[float]) -> Known:
        """Generalised least squares with these SDs of the effects of `columns()`."""
        covariance = np.eye(len(self.table))
        for column, sd in zip(self.columns(), sds, strict=True):
            seeds = self.table[column].to_numpy()
            covariance += sd**2 * (seeds[:, None] == seeds[None])
        design = (self.table["intervention"].to_numpy()[:, None] == np.array(self.model.arms)) * 1.0
        inverse = np.linalg.inv(covariance)
        own = np.linalg.inv(design.T @ inverse @ design)
        found = self.contrasts @ own @ self.contrasts.T
        error = np.sqrt(np.diag(found))
        correlation = found / np.outer(error, error)
        freedom = self.model.degrees_of_freedom
        return Known(
            weights=self.contrasts @ own @ design.T @ inverse,
            error=error,
            # A t distribution with a million degrees of freedom is normal to six digits.
            critical=critical_value(self.alpha, correlation, 1_000_000),
            critical_t=critical_value(self.alpha, correlation, freedom),
            residual=(inverse - inverse @ design @ own @ design.T @ inverse) / freedom,
        )


@dataclass(frozen=True, eq=False)
class Known:
    """The best that is possible if it is known how much seeds scatter."""

    weights: Floats
    """Shape (m, runs): the estimates' weights on the losses."""
    error: Floats
    """Shape (m,): the estimates' standard errors over the SD of the rest."""
    critical: float
    """Critical value if the SD of the rest is known too."""
    critical_t: float
    """Critical value if that SD is estimated."""
    residual: Floats
    """Shape (runs, runs): the quadratic form that estimates the variance of the rest."""

    def sd(self, losses: Floats) -> Floats:
        """Shape (studies,): the estimated SD of the rest."""
        return np.asarray(np.sqrt(((losses @ self.residual) * losses).sum(axis=1)), np.float64)


def each_arm(arms: Sequence[str], seeds: Sequence[int]) -> list[Row]:
    """Every arm with each of the seeds, which stand for all three."""
    return [(arm, seed, seed, seed) for arm in arms for seed in seeds]


def names(interventions: int) -> list[str]:
    """Names of interventions."""
    return [f"i{number:02d}" for number in range(interventions)]


def complete(seeds: int, interventions: int = 8) -> Studies:
    """Every arm on the same seeds."""
    rows = each_arm([BASELINE, *names(interventions)], range(seeds))
    return Studies(f"all arms on the same {seeds} seeds", rows)


def pocket(interventions: int = 12) -> Studies:
    """All arms on three seeds, and for each source of noise two more runs of the baseline."""
    noise = [(1, 2, 1), (1, 3, 1), (2, 1, 1), (3, 1, 1), (1, 1, 2), (1, 1, 3)]
    rows = each_arm([BASELINE, *names(interventions)], (1, 2, 3))
    return Studies("pocket study", [*rows, *((BASELINE, *seeds) for seeds in noise)])


def published() -> Studies:
    """The published series: seven pairs of seeds for the baseline, eight interventions on one."""
    pairs = [(42, 42), (22, 22), (67, 67), (42, 23), (42, 67), (23, 23), (67, 23)]
    rows = [(BASELINE, init, train, train) for init, train in pairs]
    return Studies("published series", [*rows, *each_arm(names(8), [42])])


def nested(seeds: int) -> Studies:
    """The baseline on five seeds, and eight interventions on the first of them."""
    rows = [*each_arm([BASELINE], range(5)), *each_arm(names(8), range(seeds))]
    return Studies(f"baseline on 5 seeds, interventions on {seeds} of them", rows)


def crossed() -> Studies:
    """The baseline on all pairs of three initial and three training seeds."""
    rows = [(BASELINE, init, 0, train) for init in (1, 2, 3) for train in (1, 2, 3)]
    rows += [(arm, seed, 0, seed) for arm in names(8) for seed in (1, 2)]
    return Studies("crossed initial weights and training", rows)


def own_seeds() -> Studies:
    """No two runs share a seed."""
    rows = each_arm([BASELINE], range(5))
    for number, arm in enumerate(names(8), 1):
        rows += each_arm([arm], range(100 * number, 100 * number + 3))
    return Studies("every run on a seed of its own", rows)
