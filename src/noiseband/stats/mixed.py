"""The model behind every verdict: metric = arm + seeds + rest, with seeds as random effects.

A run's metric is the mean of its arm, plus an effect of each of its seeds (initial weights, order
of the data, training), plus the rest. Runs that share a seed share its effect. With `tau` the SD of
a seed's effects over the SD of the rest, and V = I + sum of tau^2 Z Z' over the seeds, everything
is generalised least squares, except that nobody knows the ratios tau. Few runs say little about
them, so no single estimate of them is trusted:

- The estimates are averages over a grid of ratios, weighted by the restricted likelihood of the
  runs (Patterson and Thompson 1971), so that no ratio is estimated as exactly zero by bad luck.
- The critical value is the largest over all ratios that the likelihood does not reject at 5%. For
  each of them the distribution of the largest |t| is simulated, with the whole procedure repeated
  on every simulated study (the idea of Berger and Boos 1994: a p-value that is maximised over the
  plausible values of what is not known). The draws are fixed, so that verdicts are deterministic.

Two kinds of study need no ratio and get exact intervals instead (`family`): without shared seeds
the model is a one-way analysis (Dunnett's test), and where removing the seeds as blocks costs a
contrast nothing, as in complete blocks, it is an ordinary analysis of variance with blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from noiseband.stats.least_squares import BASELINE, Floats, checked, seed_columns
from noiseband.stats.sources import Source, sources

RATIOS = (0.0, 0.4, 1.0, 2.5, 6.0)
"""Grid of tau for each source of noise. Beyond 6 a seed is as good as a fixed block."""
PLAUSIBLE = 0.95
"""Coverage of the set of ratios over which the critical value is maximised."""
STUDIES = 2047
"""Simulated studies for each plausible point of the grid; p-values are at least 1 / 2048."""
BLOCK = 512
"""Simulated studies that are computed together, so that their numbers stay in a core's cache."""


@dataclass(frozen=True, eq=False)
class Mixed:
    """A fitted study of n runs and p arms, with d = n - p residual degrees of freedom.

    The residual space is turned so that the seeds are in its first q dimensions. In the other
    d - q dimensions, only the rest is left, whatever the ratios.
    """

    arms: tuple[str, ...]
    """Length p: the baseline, then the interventions sorted by name."""
    sources: tuple[Source, ...]
    """Sources of noise that runs share; empty if no two runs share a seed."""
    table: pd.DataFrame
    """The runs, sorted."""
    means: Floats
    """Shape (p,): the mean of each arm's runs."""
    counts: Floats
    """Shape (p,): the number of runs of each arm."""
    seen: Floats
    """Shape (q,): the runs in the seeds' part of the residual space."""
    rest: float
    """Sum of squares in the other dimensions."""
    degrees_of_freedom: int
    turned: tuple[Floats, ...]
    """For each source (q, levels): its levels in the seeds' part of the residual space."""
    averaged: tuple[Floats, ...]
    """For each source (p, levels): the share of an arm's runs on each level."""
    basis: Floats
    """Shape (n, q): orthonormal; the seeds' part of the residual space in terms of runs."""
    left: Floats
    """Shape (n,): the runs' residuals in the other dimensions."""
    rounding: float
    """A difference of at most this size is a rounding error."""

    @cached_property
    def grid(self) -> Floats:
        """Shape (g, number of sources): the ratios."""
        points = list(product(RATIOS, repeat=len(self.sources)))
        return np.array(points, np.float64).reshape(len(points), len(self.sources))

    @cached_property
    def seed_covariance(self) -> Floats:
        """Shape (g, q, q): covariance of `seen` over the variance of the rest."""
        one_by_one = [turned @ turned.T for turned in self.turned]
        return np.eye(len(self.seen)) + _weighted(self.grid, one_by_one, len(self.seen))

    @cached_property
    def precision(self) -> Floats:
        """Shape (g, q, q): the inverse of `seed_covariance`."""
        return np.asarray(np.linalg.inv(self.seed_covariance), np.float64)

    @cached_property
    def correction(self) -> Floats:
        """Shape (g, p, q): times `seen`, what generalised least squares subtracts from `means`."""
        p, q = len(self.arms), len(self.seen)
        crossed = [a @ t.T for a, t in zip(self.averaged, self.turned, strict=True)]
        covariance = _weighted(self.grid, crossed, p, q)
        return np.asarray(covariance @ self.precision, np.float64)

    @cached_property
    def covariance(self) -> Floats:
        """Shape (g, p, p): covariance of the arms' estimates over the variance of the rest."""
        own = np.diag(1.0 / self.counts)
        shared = _weighted(self.grid, [a @ a.T for a in self.averaged], len(self.arms))
        saved = self.correction @ self.seed_covariance @ self.correction.transpose(0, 2, 1)
        return np.asarray(own + shared - saved, np.float64)

    @cached_property
    def log_determinant(self) -> Floats:
        """Shape (g,)."""
        return np.asarray(np.linalg.slogdet(self.seed_covariance)[1], np.float64)

    @cached_property
    def weights(self) -> Floats:
        """Shape (g,): the restricted likelihood of each point of the grid, with sum 1.

        All weight is on the first point if the runs do not scatter.
        """
        if not self.scatters:
            return np.asarray(np.eye(1, len(self.grid))[0], np.float64)
        return np.asarray(self._weights(self.seen[None], np.array([self.rest]))[0][0], np.float64)

    @property
    def scatters(self) -> bool:
        """Whether there are residual degrees of freedom, and more scatter than rounding errors."""
        squares = self.rest + float(self.seen @ self.seen)
        return squares > self.degrees_of_freedom * self.rounding**2

    def mean_squares(self) -> Floats:
        """Shape (g,): the variance of the rest that each point of the grid would give."""
        return np.asarray(self._squares(self.seen[None], np.array([self.rest]))[0], np.float64)

    @property
    def rest_variance(self) -> float:
        """Variance of the rest, averaged over the ratios."""
        return float(self.weights @ self.mean_squares())

    def _squares(self, seen: Floats, rest: Floats) -> Floats:
        """Shape (studies, g): the mean square of studies with these residuals, for each ratio."""
        pairs = (seen[:, :, None] * seen[:, None, :]).reshape(len(seen), -1)
        inside = pairs @ self.precision.reshape(len(self.grid), -1).T
        return (rest[:, None] + inside) / self.degrees_of_freedom

    def _weights(self, seen: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """The weights of the grid (studies, g), and the mean squares (studies, g)."""
        squares = self._squares(seen, rest)
        # In place, because the memory of new arrays takes as long as the arithmetic.
        found = np.log(squares)
        found *= self.degrees_of_freedom
        found += self.log_determinant
        found *= -0.5
        found -= found.max(axis=1, keepdims=True)
        np.exp(found, out=found)
        found /= found.sum(axis=1, keepdims=True)
        return found, squares

    def plausible(self) -> npt.NDArray[np.intp]:
        """Indices of the points of the grid that a likelihood-ratio test does not reject."""
        limit = stats.chi2.ppf(PLAUSIBLE, max(1, len(self.sources))) / 2
        return np.flatnonzero(self.weights >= self.weights.max() * np.exp(-limit))

    def value(self, contrasts: Floats) -> Floats:
        """Shape (m,): estimates of contrasts (m, p) of the arms' means."""
        subtracted = np.tensordot(self.weights, self.correction, axes=1) @ self.seen
        found = contrasts @ (self.means - subtracted)
        return np.where(np.abs(found) > self.rounding, found, 0.0)

    def standard_errors(self, contrasts: Floats, extra: Floats | float = 0.0) -> Floats:
        """Shape (m,). `extra` is variance that is added at each ratio, over that of the rest."""
        variances = self._variances(contrasts) + np.reshape(extra, (-1, 1))
        return np.asarray(np.sqrt((self.weights * self.mean_squares()) @ variances), np.float64)

    def _variances(self, contrasts: Floats) -> Floats:
        """Shape (g, m): variance of each contrast over the variance of the rest."""
        found = np.einsum("mp,gpr,mr->gm", contrasts, self.covariance, contrasts, optimize=True)
        return np.asarray(found, np.float64)

    def largest(
        self, contrasts: Floats, points: npt.NDArray[np.intp], extra: Floats | float = 0.0
    ) -> Floats:
        """The largest |t| of each simulated study without effects, for some points of the grid.

        Args:
            contrasts: (m, p).
            points: indices of points of the grid, (k,).
            extra: (g,) variance of something new that each estimate is compared with.

        Returns:
            (k, `STUDIES`), sorted along the second axis.
        """
        variances = self._variances(contrasts) + np.reshape(extra, (-1, 1))
        correction = np.einsum("mp,gpq->gqm", contrasts, self.correction, optimize=True)
        flat = np.ascontiguousarray(correction).reshape(-1, len(contrasts))
        normal, other, squares = _draws(len(contrasts), len(self.seen), self._other_dimensions)
        found = np.empty((len(points), len(squares)))
        for row, point in zip(found, points, strict=True):
            seen = other @ np.linalg.cholesky(self.seed_covariance[point]).T
            covariance = contrasts @ self.covariance[point] @ contrasts.T
            exact = normal @ _root(covariance + _at(extra, point) * np.eye(len(contrasts))).T
            value = exact + seen @ correction[point]
            for begin in range(0, len(seen), BLOCK):
                some = slice(begin, begin + BLOCK)
                weights, mean_squares = self._weights(seen[some], squares[some])
                corrected = value[some] - _spread(weights, seen[some]) @ flat
                weights *= mean_squares
                row[some] = np.abs(corrected / np.sqrt(weights @ variances)).max(axis=1)
        found.sort(axis=1)
        return found

    @property
    def _other_dimensions(self) -> int:
        return self.degrees_of_freedom - len(self.seen)

    def residuals(self) -> pd.Series:
        """What is left of each run when its arm and the effects of its seeds are taken away."""
        seeds = np.tensordot(self.weights, self.precision, axes=1) @ self.seen
        return pd.Series(self.left + self.basis @ seeds, index=self.table["run"], name="residual")


def _weighted(grid: Floats, matrices: Sequence[Floats], *shape: int) -> Floats:
    """The sum of tau^2 times each source's matrix, for each point of the grid."""
    rows, columns = shape[0], shape[-1]
    if not matrices:
        return np.zeros((len(grid), rows, columns))
    return np.tensordot(grid**2, np.array(matrices), axes=1)


def _spread(weights: Floats, seen: Floats) -> Floats:
    """Shape (studies, g q): the products of weights (studies, g) and `seen` (studies, q)."""
    found = np.empty((*weights.shape, seen.shape[1]))
    # Column by column, because NumPy is slow at inner loops that are as short as q.
    for column in range(seen.shape[1]):
        np.multiply(weights, seen[:, column, None], out=found[:, :, column])
    return found.reshape(len(seen), -1)


def _at(extra: Floats | float, point: int) -> float:
    return float(extra[point]) if isinstance(extra, np.ndarray) else extra


def _root(covariance: Floats) -> Floats:
    """A matrix whose product with its transpose is the covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), np.float64)


def _draws(contrasts: int, seen: int, others: int) -> tuple[Floats, Floats, Floats]:
    """Fixed draws: normal (studies, contrasts) and (studies, seen), and chi-square (studies,)."""
    sobol = stats.qmc.Sobol(contrasts + seen + 1, rng=0)
    uniform = np.clip(sobol.random(STUDIES + 1)[1:], 2.0**-31, 1 - 2.0**-31)
    normal = special.ndtri(uniform[:, :-1])
    squares = stats.chi2.ppf(uniform[:, -1], others) if others else np.zeros(STUDIES)
    return normal[:, :contrasts], normal[:, contrasts:], np.asarray(squares, np.float64)


def fit(runs: pd.DataFrame) -> Mixed:
    """Fit the model to a table with one row for each finished, distinct run.

    `runs` needs the columns of `least_squares.COLUMNS`. Raises ValueError as `checked` does.
    """
    table = checked(runs)
    # Sorted, so that neither the order of the rows nor rounding can change a digit of the result.
    seeds = seed_columns(table)
    table = table.sort_values(["intervention", *seeds, "value"]).reset_index(drop=True)
    return fit_sources(table, sources(table))


def fit_sources(table: pd.DataFrame, found: Sequence[Source]) -> Mixed:
    """Fit the model to a sorted table, with these sources of noise."""
    arms = (BASELINE, *sorted(set(table["intervention"]) - {BASELINE}))
    design = (table["intervention"].to_numpy()[:, None] == np.array(arms)).astype(np.float64)
    counts = design.sum(axis=0)
    value = table["value"].to_numpy(dtype=np.float64)
    means = design.T @ value / counts
    inside = [one.levels - design @ (design.T @ one.levels / counts[:, None]) for one in found]
    basis = _basis(np.concatenate([*inside, np.zeros((len(table), 1))], axis=1))
    residuals = value - design @ means
    seen = basis.T @ residuals
    left = residuals - basis @ seen
    return Mixed(
        arms=arms,
        sources=tuple(found),
        table=table,
        means=means,
        counts=counts,
        seen=seen,
        rest=float(left @ left) if len(table) - len(arms) > basis.shape[1] else 0.0,
        degrees_of_freedom=len(table) - len(arms),
        turned=tuple(basis.T @ one for one in inside),
        averaged=tuple(design.T @ one.levels / counts[:, None] for one in found),
        basis=basis,
        left=left,
        rounding=1e-12 * float(np.abs(value).max()),
    )


def _basis(columns: Floats) -> Floats:
    """Orthonormal columns that span the same space."""
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(vectors[:, sizes > 1e-9 * max(1.0, sizes.max(initial=0.0))], np.float64)
