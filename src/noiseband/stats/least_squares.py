"""Ordinary least squares: loss ~ arm + seed block, with one residual variance.

It is the model of factorial designs and of fine-tuning scores, and of the verdicts where blocks
cost nothing (`family`). All other verdicts have seeds as random effects (`mixed`).

When blocks are used: the seeds of a run are *shared* if they occur under at least two interventions
(the baseline counts as one). Two runs on shared seeds start from the same weights, read their data
in the same order or draw the same dropout, so a block term removes what they have in common. Blocks
are used only if two or more sets of seeds are shared. With a single shared set a block would be
useless: it would compare every intervention with the one baseline run of that seed and ignore what
the other baseline runs say about the baseline's mean. All seeds that are not shared are in one
reference block, because a block of its own would remove each such run from the comparison.

The limit of that rule: runs in the reference block keep their seeds' scatter, runs in other blocks
do not, and both have the same residual variance. If seeds scatter much more than runs on one seed,
extra baseline seeds make the shared comparisons too conservative, and an intervention with only a
seed of its own is called too easily when others share theirs (simulated: 16% instead of 5% when
seeds scatter three times as much). Run every intervention on seeds that the baseline has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

BASELINE = "baseline"
COLUMNS = ("run", "intervention", "init_seed", "train_seed", "value")
SEEDS = ("init_seed", "data_seed", "train_seed")
"""Columns with seeds. A table may lack `data_seed`; then the other two are a run's seeds."""

Floats = npt.NDArray[np.float64]
Seeds = tuple[int, ...]
"""The seeds of one run: those of `SEEDS` that its table has."""

# Singular values and differences below these shares of the largest are float64 rounding errors.
_RANK_TOLERANCE = 1e-10
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted study. Each of the p columns is an arm (baseline or intervention) or a block.

    The design has an indicator for every arm and every block, so it may be rank deficient; only
    estimable contrasts are used.
    """

    columns: tuple[str | Seeds, ...]
    """Length p: the baseline, the interventions sorted by name, then the blocks."""
    coefficients: Floats
    """Shape (p,). Only estimable combinations of them are meaningful."""
    unscaled_covariance: Floats
    """Shape (p, p): the coefficients' covariance divided by the residual variance."""
    row_space: Floats
    """Shape (p, p): projection onto the design's row space, which keeps estimable contrasts."""
    residuals: pd.Series
    """Indexed by run, in the order of the given table."""
    residual_sd: float | None
    """In the metric's unit; None without residual degrees of freedom."""
    degrees_of_freedom: int
    """Residual degrees of freedom: the number of runs minus the design's rank."""
    rounding: float
    """A difference of at most this size is a rounding error."""

    @property
    def blocks(self) -> tuple[Seeds, ...]:
        """The seeds that have a block term; empty when the model has none."""
        return tuple(column for column in self.columns if not isinstance(column, str))

    def vectors(self, contrasts: Sequence[Mapping[str, float]]) -> Floats:
        """Weights on the coefficients, shape (m, p), for m contrasts of interventions' effects.

        An effect is a difference from the baseline, so the baseline's weight is minus their sum.
        Raises ValueError for a name that is not an intervention of the study.
        """
        rows = np.zeros((len(contrasts), len(self.columns)))
        for row, contrast in zip(rows, contrasts, strict=True):
            for name, weight in contrast.items():
                if name == BASELINE or name not in self.columns:
                    raise ValueError(f"no intervention named {name!r} in the table of runs")
                row[self.columns.index(name)] += weight
                row[0] -= weight
        return rows

    def estimable(self, vectors: Floats) -> npt.NDArray[np.bool_]:
        """Which rows of `vectors`, shape (m, p), the runs can estimate; shape (m,)."""
        lost = np.abs(vectors @ self.row_space - vectors).max(axis=1)
        return np.asarray(lost < 1e-8)

    def effect(self, contrast: Mapping[str, float]) -> float | None:
        """The estimated weighted sum of effects; None if it is not estimable."""
        vectors = self.vectors([contrast])
        if not self.estimable(vectors)[0]:
            return None
        value = float(vectors[0] @ self.coefficients)
        return value if abs(value) > self.rounding else 0.0


def checked(runs: pd.DataFrame) -> pd.DataFrame:
    """The columns that the statistics need, `data_seed` among them if the table has it.

    Raises ValueError for a missing column, a run listed twice, a value that is not a finite number
    (it names every such run; the caller lists them in the report) and a table without a baseline
    run.
    """
    missing = [column for column in COLUMNS if column not in runs.columns]
    if missing:
        raise ValueError(f"the table of runs lacks the columns: {', '.join(missing)}")
    seeds = seed_columns(runs)
    table = runs.loc[:, [*dict.fromkeys([*COLUMNS, *seeds])]].reset_index(drop=True)
    table["value"] = table["value"].astype("float64")
    table[seeds] = table[seeds].astype("int64")
    repeated = table.loc[table["run"].duplicated(), "run"]
    if len(repeated):
        raise ValueError(f"runs listed more than once: {_names(repeated)}")
    bad = table.loc[~np.isfinite(table["value"]), "run"]
    if len(bad):
        raise ValueError(f"runs without a finite value: {_names(bad)}")
    if not (table["intervention"] == BASELINE).any():
        raise ValueError(f"no run of the {BASELINE!r}: there is nothing to compare with")
    return table


def _names(values: Iterable[object]) -> str:
    return ", ".join(sorted(str(value) for value in values))


def seed_columns(table: pd.DataFrame) -> list[str]:
    """The columns of `SEEDS` that the table has."""
    return [name for name in SEEDS if name in table.columns]


def seeds_of(table: pd.DataFrame) -> list[Seeds]:
    """The seeds of each run, in the order of the table."""
    return [tuple(map(int, seeds)) for seeds in table[seed_columns(table)].to_numpy()]


def block_seeds(table: pd.DataFrame) -> list[Seeds]:
    """The seeds that get a block term (see the module's docstring), sorted."""
    arms = table.groupby(seed_columns(table))["intervention"].nunique()
    shared = [tuple(map(int, seeds)) for seeds in arms.index[arms > 1]]
    return sorted(shared) if len(shared) > 1 else []


def fit(runs: pd.DataFrame) -> Fit:
    """Fit the model to a table with one row for each finished, distinct run.

    `runs` needs the columns `run`, `intervention` ("baseline" for the baseline), `init_seed`,
    `train_seed` and `value` (the metric), and may have `data_seed`. Raises ValueError as `checked`
    does.

    The fit uses the Moore-Penrose inverse, because a design with blocks may be rank deficient.
    statsmodels, which the tests compare with, warns about every such design.
    """
    table = checked(runs)
    # Sorted, so that neither the order of the rows nor rounding can change a digit of the result.
    table = table.sort_values(["intervention", *seed_columns(table), "value"])
    interventions = sorted(set(table["intervention"]) - {BASELINE})
    arms = [BASELINE, *interventions]
    blocks = block_seeds(table)

    arm = table["intervention"].to_numpy(dtype=object)
    seeds = table[seed_columns(table)].to_numpy()
    indicators = [arm == name for name in arms]
    indicators += [(seeds == np.array(block)).all(axis=1) for block in blocks]
    design = np.stack(indicators, axis=1).astype(np.float64)

    return _fitted(table, (*arms, *blocks), design, list(runs["run"]))


def fit_matrix(table: pd.DataFrame, arms: Sequence[str], blocks: Sequence[Floats]) -> Fit:
    """Fit a mean for each arm, and an effect for each column of `blocks`, each (runs, levels).

    The table is one that `checked` has returned, in the order of the rows of `blocks`.
    """
    arm = table["intervention"].to_numpy(dtype=object)
    indicators = np.stack([arm == name for name in arms], axis=1).astype(np.float64)
    design = np.concatenate([indicators, *blocks], axis=1)
    numbers = [(number, number) for number in range(design.shape[1] - len(arms))]
    return _fitted(table, (*arms, *numbers), design, list(table["run"]))


def _fitted(
    table: pd.DataFrame, columns: tuple[str | Seeds, ...], design: Floats, order: list[str]
) -> Fit:
    """The fit of a design matrix; the residuals are in the given order of runs."""
    loss = table["value"].to_numpy()
    inverse = np.linalg.pinv(design, rcond=_RANK_TOLERANCE)
    rank = int(np.linalg.matrix_rank(design, tol=_RANK_TOLERANCE * np.linalg.norm(design, 2)))
    coefficients = inverse @ loss
    residuals = loss - design @ coefficients
    rounding = _ROUNDING * float(np.abs(loss).max())
    degrees_of_freedom = len(loss) - rank
    return Fit(
        columns=columns,
        coefficients=coefficients,
        unscaled_covariance=inverse @ inverse.T,
        row_space=inverse @ design,
        residuals=pd.Series(residuals, index=table["run"], name="residual").reindex(order),
        residual_sd=_residual_sd(residuals, degrees_of_freedom, rounding),
        degrees_of_freedom=degrees_of_freedom,
        rounding=rounding,
    )


def _residual_sd(residuals: Floats, degrees_of_freedom: int, rounding: float) -> float | None:
    if degrees_of_freedom == 0:
        return None
    sd = float(np.sqrt(residuals @ residuals / degrees_of_freedom))
    return sd if sd > rounding else 0.0
