"""A large study without one of its arms, for the tests of arms that are out of line.

`mixed.fit_sources` decomposes a matrix of all runs and seeds for each arm that is left out. With
hundreds of seeds that takes a second for each. What the test needs depends only on sums over the
arms, so here each arm's part is subtracted. With levels Z of the seeds (centred within the arms),
residuals y, and D the ratios tau of the seeds' sources,

    y' V^-1 y = y'y - (D Z'y)' (I + D Z'Z D)^-1 (D Z'y),    |V| = |I + D Z'Z D|,

for V = I + Z D^2 Z' (Woodbury 1950; Sylvester's determinant theorem). The results are those of
`mixed` up to rounding errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from noiseband.stats.least_squares import Floats
from noiseband.stats.mixed import Mixed


@dataclass(frozen=True, eq=False)
class Sums:
    """Of some arms with n runs in all, on L levels of seeds."""

    degrees_of_freedom: int
    squares: float
    """y'y."""
    crossed: Floats
    """Shape (L,): Z'y."""
    gram: Floats
    """Shape (L, L): Z'Z."""

    def __sub__(self, other: Sums) -> Sums:
        return Sums(
            self.degrees_of_freedom - other.degrees_of_freedom,
            self.squares - other.squares,
            self.crossed - other.crossed,
            self.gram - other.gram,
        )


@dataclass(frozen=True, eq=False)
class Others:
    """What `Mixed` says about all arms but one."""

    degrees_of_freedom: int
    scatters: bool
    mean_squares: Floats
    """Shape (g,)."""
    weights: Floats
    """Shape (g,)."""


class Without:
    """The sums of a study's arms, from which each arm's can be taken away."""

    def __init__(self, model: Mixed) -> None:
        self.model = model
        self.of_arm = {name: _sums(model, name) for name in model.arms}
        parts = self.of_arm.values()
        self.total = Sums(
            sum(part.degrees_of_freedom for part in parts),
            sum(part.squares for part in parts),
            np.sum([part.crossed for part in parts], axis=0),
            np.sum([part.gram for part in parts], axis=0),
        )

    def arm(self, name: str) -> Others:
        """The study without this arm."""
        sums = self.total - self.of_arm[name]
        widths = [one.levels.shape[1] for one in self.model.sources]
        pairs = [_of_ratios(sums, np.repeat(point, widths)) for point in self.model.grid]
        squares, determinants = np.array(pairs).T
        freedom = sums.degrees_of_freedom
        if not sums.squares > freedom * self.model.rounding**2:
            return Others(freedom, False, squares, np.eye(1, len(squares))[0])
        likelihood = -0.5 * (freedom * np.log(squares / freedom) + determinants)
        weights = np.exp(likelihood - likelihood.max())
        return Others(freedom, True, squares / freedom, weights / weights.sum())


def _sums(model: Mixed, name: str) -> Sums:
    mine = (model.table["intervention"] == name).to_numpy()
    losses = model.table["value"].to_numpy(np.float64)[mine]
    levels = np.concatenate([one.levels[mine] for one in model.sources], axis=1)
    centred = levels - levels.mean(axis=0)
    residuals = losses - losses.mean()
    return Sums(
        len(losses) - 1, float(residuals @ residuals), centred.T @ residuals, centred.T @ centred
    )


def _of_ratios(sums: Sums, ratios: Floats) -> tuple[float, float]:
    """y' V^-1 y, and the logarithm of |V|, for the ratio tau of each level."""
    root = np.linalg.cholesky(np.eye(len(ratios)) + ratios[:, None] * sums.gram * ratios)
    saved = linalg.solve_triangular(root, ratios * sums.crossed, lower=True)
    return sums.squares - float(saved @ saved), 2.0 * float(np.log(np.diag(root)).sum())
