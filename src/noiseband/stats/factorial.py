"""The analysis of a factorial design: main effects, two-way interactions and stacks.

The model is loss ~ mean + main effects + two-way interactions + seed block, by ordinary least
squares over all runs of the design, with one term for each group of aliased effects. Blocks enter
as in `least_squares`. Effects are those of Montgomery, Design and Analysis of Experiments, chapters
6 to 8, and of Box, Hunter and Hunter, Statistics for Experimenters, 2nd ed., chapters 5 and 6: a
main effect is the mean loss with the factor on minus that with it off; an interaction is half the
difference between one factor's effect with the other on and its effect with the other off. Both are
twice the coefficients of signs -1 and +1.

The residual contains the scatter of replicates and the interactions of three and more factors,
which are treated as noise. If the runs allow for neither, Lenth's pseudo standard error is used
(Lenth 1989, Quick and Easy Analysis of Unreplicated Factorials, Technometrics 31): it assumes that
most effects are only noise and estimates the noise from their median size.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy import stats

from noiseband.stats import least_squares
from noiseband.stats.design import Design, Equal, label
from noiseband.stats.least_squares import BASELINE, Fit, Seeds, seed_columns
from noiseband.stats.lenth import lenth
from noiseband.stats.simultaneous import Estimate, estimates
from noiseband.stats.stacks import Stack, stacked
from noiseband.stats.verdicts import Better, Call, call

COLUMNS = ("run", "interventions", "init_seed", "train_seed", "value")


class ErrorFrom(StrEnum):
    """Source of the noise estimate behind the intervals."""

    REPLICATES = "replicates"
    INTERACTIONS = "interactions of three and more factors"
    BOTH = "replicates and interactions of three and more factors"
    LENTH = "the smaller effects (Lenth's pseudo standard error)"
    NOTHING = "nothing: not enough runs"


@dataclass(frozen=True)
class Effect:
    """A main effect or two-way interaction, in nats. What the runs cannot estimate is None."""

    effect: str
    """The factors' names, joined by ` × `."""
    letters: str
    """Their letters in the design, such as `AB`."""
    factors: tuple[str, ...]
    """Names of the one or two factors."""
    aliases: tuple[str, ...]
    """Effects aliased with this one: the estimate is this one plus these, each with its sign
    (`−a × b` is subtracted). Interactions of three and more factors are not listed."""
    estimate: float | None
    """Mean change of the loss when the factor is switched on; for an interaction, half of how much
    switching on one factor adds to the other's change. Negative is a lower loss."""
    low: float | None
    """Lower end of the interval. The intervals hold for all effects at once."""
    high: float | None
    """Upper end of the interval."""
    p_value: float | None
    """p-value, adjusted for all effects of the design; below alpha if the interval excludes 0."""
    verdict: Call
    smallest_visible: float | None
    """The smallest estimate, in size, that stands out: half an interval, or Lenth's simultaneous
    margin of error."""
    se: float | None
    """Standard error, or Lenth's pseudo standard error if the intervals use it."""


@dataclass(frozen=True)
class Factorial:
    """A factorial experiment's results."""

    effects: tuple[Effect, ...]
    """An effect for each group of aliases, main effects first."""
    stacks: tuple[Stack, ...]
    """The stacks, in the order of the argument."""
    runs: int
    """Number of runs of the design in the model."""
    sets: int
    """Distinct sets of factors among these runs."""
    absent: tuple[tuple[str, ...], ...]
    """Sets of factors of the design without a run in the table."""
    blocks: tuple[Seeds, ...]
    """Seeds with a block term."""
    error_from: ErrorFrom
    residual_sd: float | None
    """Residual SD of one run, nats; None without residual degrees of freedom."""
    degrees_of_freedom: int
    """Residual degrees of freedom; `replicates` of them are pure error."""
    replicates: int
    """Residual degrees of freedom from runs with equal factors, after blocks."""
    lack_of_fit_p: float | None
    """p-value of the F test whether three-way and higher interactions exceed the replicates'
    scatter. If it is small, they are real, and the intervals are wider than necessary. None if the
    runs allow for only one of the two."""


def factorial(
    runs: pd.DataFrame,
    design: Design,
    stacks: Sequence[Collection[str]] | None = None,
    alpha: float = 0.05,
    better: Better = "lower",
) -> Factorial:
    """Effects of a design's factors, and stacks of them compared with the sum of their parts.

    `runs` has one row for each finished, distinct run, with the columns `run`, `interventions` (a
    tuple of the names that are on; empty for the baseline), `init_seed`, `train_seed` and
    `value` (the metric), and perhaps `data_seed`. Leave out runs that start from another's weights.
    Rows with a factor that the design does not have are ignored; those with a set of factors
    outside the design's fraction are used only for `stacks`. `better` is the direction of the
    metric that helps.

    `stacks` are sets of two or more factors; by default, one set of all factors. Intervals and
    p-values of effects are simultaneous over all effects (`simultaneous`), those of stacks over the
    stacks.

    Raises ValueError for a stack of fewer than two distinct factors or with a factor that the
    design does not have, and as `verdicts.verdicts` does.
    """
    table = _labelled(runs, design)
    cells = [label(cell) for cell in design.runs]
    used = table[table["intervention"].isin(cells)]
    pure = least_squares.fit(used)
    model = _fit(used, design, pure)
    letters = [group[0].letters for group in design.aliases]
    if model.degrees_of_freedom:
        found = estimates(model, [{name: 1.0} for name in letters], alpha)
    else:
        found = lenth(model, letters, alpha)
    error_from = _error_from(model, pure, found)
    present = set(used["intervention"])
    return Factorial(
        effects=tuple(
            _effect(group, one, better) for group, one in zip(design.aliases, found, strict=True)
        ),
        stacks=stacked(table, design, model, stacks, alpha),
        runs=len(used),
        sets=len(present),
        absent=tuple(c for c, name in zip(design.runs, cells, strict=True) if name not in present),
        blocks=pure.blocks,
        error_from=error_from,
        residual_sd=model.residual_sd,
        degrees_of_freedom=model.degrees_of_freedom,
        replicates=pure.degrees_of_freedom,
        lack_of_fit_p=_lack_of_fit(model, pure),
    )


def _labelled(runs: pd.DataFrame, design: Design) -> pd.DataFrame:
    """The runs with only the design's factors; `intervention` is the label of their factors."""
    missing = [column for column in COLUMNS if column not in runs.columns]
    if missing:
        raise ValueError(f"the table of runs lacks the columns: {', '.join(missing)}")
    sets = [set(names) for names in runs["interventions"]]
    kept = [names <= set(design.factors) for names in sets]
    labels = [label([f for f in design.factors if f in names]) for names in sets]
    return runs.assign(intervention=labels).loc[kept].reset_index(drop=True)


def _fit(used: pd.DataFrame, design: Design, pure: Fit) -> Fit:
    """The factorial model as a `Fit`, with the blocks of `pure`, the model of all sets of factors.

    Effects of a `Fit` are differences from its first column, and its arms' columns add up to one.
    The first column here is therefore one minus all terms. A term's column is minus or plus a half,
    so that its effect is the difference between the two.
    """
    table = used.sort_values(["intervention", *seed_columns(used), "value"])
    on = np.array([[f in names for f in design.factors] for names in table["interventions"]])
    signs = dict(zip(design.factors, np.where(on, 1.0, -1.0).T, strict=True))
    terms = [np.prod([signs[f] for f in group[0].factors], axis=0) / 2 for group in design.aliases]
    seeds = table[seed_columns(table)].to_numpy()
    indicators = [(seeds == np.array(block)).all(axis=1) for block in pure.blocks]
    matrix = np.stack([1.0 - np.sum(terms, axis=0), *terms, *indicators], axis=1)

    loss = table["value"].to_numpy(dtype=np.float64)
    inverse = np.linalg.pinv(matrix, rcond=1e-10)
    row_space = inverse @ matrix
    residuals = loss - matrix @ inverse @ loss
    degrees_of_freedom = len(loss) - round(float(np.trace(row_space)))
    sd = float(np.sqrt(residuals @ residuals / max(1, degrees_of_freedom)))
    return Fit(
        columns=(BASELINE, *(group[0].letters for group in design.aliases), *pure.blocks),
        coefficients=inverse @ loss,
        unscaled_covariance=inverse @ inverse.T,
        row_space=row_space,
        residuals=pd.Series(residuals, index=table["run"], name="residual").reindex(used["run"]),
        residual_sd=(sd if sd > pure.rounding else 0.0) if degrees_of_freedom else None,
        degrees_of_freedom=degrees_of_freedom,
        rounding=pure.rounding,
    )


def _error_from(model: Fit, pure: Fit, found: Sequence[Estimate]) -> ErrorFrom:
    if model.degrees_of_freedom == 0:
        any_se = any(estimate.se is not None for estimate in found)
        return ErrorFrom.LENTH if any_se else ErrorFrom.NOTHING
    if pure.degrees_of_freedom == 0:
        return ErrorFrom.INTERACTIONS
    whole = pure.degrees_of_freedom == model.degrees_of_freedom
    return ErrorFrom.REPLICATES if whole else ErrorFrom.BOTH


def _lack_of_fit(model: Fit, pure: Fit) -> float | None:
    """The F test of lack of fit against pure error (Montgomery, chapter 11), both with blocks."""
    extra = model.degrees_of_freedom - pure.degrees_of_freedom
    if model.residual_sd is None or pure.residual_sd is None or extra == 0:
        return None
    scatter = pure.residual_sd**2
    more = (model.residual_sd**2 * model.degrees_of_freedom) - scatter * pure.degrees_of_freedom
    if scatter == 0:
        return 0.0 if more > 0 else 1.0
    return float(stats.f.sf(max(more, 0.0) / extra / scatter, extra, pure.degrees_of_freedom))


def _effect(group: Equal, found: Estimate, better: Better) -> Effect:
    return Effect(
        effect=group[0].name,
        letters=group[0].letters,
        factors=group[0].factors,
        aliases=tuple(term.name for term in group[1:]),
        estimate=found.value,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        verdict=call(found.low, found.high, better=better),
        smallest_visible=found.half_width,
        se=found.se,
    )
