"""Judge measurements: an effect, an interval and a verdict for each arm and metric."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from noiseband.analysis.inference import unless_lost
from noiseband.errors import UserError
from noiseband.referee.measurements import SEEDS, Measurements
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.verdicts import Assessment, Better, Verdict, assess
from noiseband.study.problems import nearest


@dataclass(frozen=True)
class ArmVerdict(Verdict):
    """The verdict on one arm for one metric, in the metric's own unit and direction.

    The fields of `Verdict` are as in a study's table of verdicts, except that an effect is the
    arm's metric minus the baseline's, whichever direction is better.
    """

    metric: str = ""
    runs_without_value: tuple[str, ...] = ()
    """Runs of this arm whose value is missing or not a finite number. Such an arm cannot help."""
    next_half_width: float | None = None
    """Half the width that the interval would have with one more run of this arm."""

    @property
    def arm(self) -> str:
        """The arm's name."""
        return self.intervention


@dataclass(frozen=True)
class MetricVerdicts:
    """The verdicts of one metric, and the noise behind them."""

    metric: str
    better: Better
    baseline: str
    """Name of the baseline's arm."""
    baseline_runs: int
    """Distinct runs of the baseline with a value."""
    baseline_mean: float
    alpha: float
    """The error rate that all arms share."""
    comparisons: int
    """The number of comparisons that share `alpha`."""
    margin: float | None
    """The smallest difference that matters, in the metric's unit; None without a margin."""
    verdicts: tuple[ArmVerdict, ...]
    """In the order in which the arms first occur."""
    residual_sd: float | None
    """SD of what neither the arm nor the seeds explain, in the metric's unit."""
    band: float | None
    """Half the width of the band in which a new run of the baseline falls, on new seeds."""
    notes: tuple[str, ...] = ()


def judge(
    measured: Measurements,
    metric: str,
    better: Better,
    baseline: str,
    alpha: float = 0.05,
    margin: str | float | None = None,
    comparisons: int | None = None,
) -> MetricVerdicts:
    """The verdicts on all arms for one metric, by the model that a study's report uses.

    Args:
        margin: the smallest difference that matters, as a number in the metric's unit, or as text
            such as `1%`, a share of the baseline's mean.
        comparisons: number of comparisons that share `alpha`; by default one for each arm. More
            means that others were made as well, and each interval is wider (Bonferroni).

    Raises UserError if the baseline has no run with a finite value, or an argument is out of range.
    """
    runs = measured.runs
    if baseline not in set(runs["arm"]):
        raise UserError(f"--baseline {baseline}: no such arm; {nearest(baseline, measured.arms)}")
    finite = np.isfinite(runs[metric].to_numpy(np.float64))
    lost = _by_arm(runs[~finite])
    table = _table(runs[finite], metric, baseline)
    own = runs.loc[finite & (runs["arm"] == baseline).to_numpy(), metric]
    if own.empty:
        raise UserError(
            f"--baseline {baseline}: none of its runs has a finite {metric} "
            f"({', '.join(lost.get(baseline, ()))}); add a run, or choose another baseline"
        )
    arms = [arm for arm in measured.arms if arm != baseline]
    shared = comparisons_of(comparisons, len(arms))
    tested = alpha * max(1, len(arms)) / shared
    limit = margin_of(margin, float(own.mean()))
    study = assess(table, tested, limit, better)
    found = {one.intervention: one for one in study.verdicts}
    verdicts = [
        _verdict(arm, metric, found.get(_key(arm)), study, lost.get(arm, ())) for arm in arms
    ]
    if shared > len(arms):
        verdicts = [_adjusted(one, shared / len(arms)) for one in verdicts]
    return MetricVerdicts(
        metric=metric,
        better=better,
        baseline=baseline,
        baseline_runs=int((study.evidence.runs["intervention"] == BASELINE).sum()),
        baseline_mean=float(np.sort(own.to_numpy(np.float64)).mean()),
        alpha=alpha,
        comparisons=shared,
        margin=limit,
        verdicts=tuple(verdicts),
        residual_sd=study.residual_sd,
        band=study.band,
        notes=_notes(runs, finite, metric, baseline, lost, study),
    )


def _by_arm(runs: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for arm, run in zip(runs["arm"], runs["run"], strict=True):
        found[arm] = (*found.get(arm, ()), run)
    return found


def _key(arm: str) -> str:
    """The name of an arm in the table for `assess`, in which the baseline is called `baseline`."""
    return f"{arm}, an arm" if arm == BASELINE else arm


def _table(runs: pd.DataFrame, metric: str, baseline: str) -> pd.DataFrame:
    """The runs as `assess` takes them, with numbers as seeds.

    A seed that is missing is one that no other run has. Numbers are given out in the order of arm
    and value, so that neither the order of the rows nor the names of the runs changes a digit.
    """
    table = pd.DataFrame(
        {
            "intervention": [BASELINE if arm == baseline else _key(arm) for arm in runs["arm"]],
            "value": runs[metric].to_numpy(np.float64),
        }
    )
    for column in SEEDS:
        table[column] = pd.Series(list(runs[column]), dtype=object)
    if runs["identity"].notna().any():
        table["identity"] = runs["identity"].to_numpy()
    if table["data_seed"].isna().all():
        table = table.drop(columns="data_seed")  # then the other two are a run's seeds
    seeds = [column for column in SEEDS if column in table]
    table = table.sort_values(
        ["intervention", "value", *seeds], na_position="last", kind="stable"
    ).reset_index(drop=True)
    for column in seeds:
        known = {seed: n for n, seed in enumerate(sorted(set(table[column].dropna()), key=_order))}
        own = iter(range(len(known), len(known) + len(table)))
        table[column] = [known[s] if isinstance(s, str) else next(own) for s in table[column]]
    table["run"] = [f"run {number}" for number in range(len(table))]
    if "identity" in table:
        pairs = enumerate(table["identity"])
        table["identity"] = [one if isinstance(one, str) else f"only {n}" for n, one in pairs]
    return table


def _order(seed: str) -> tuple[int, str]:
    """Numbers in their order, as a study sorts its seeds, and then other texts."""
    return (len(seed), seed) if seed.isdecimal() else (sys.maxsize, seed)


def comparisons_of(asked: int | None, arms: int) -> int:
    """The number of comparisons that share alpha: those of the table, or more if so many were made.

    Raises UserError if fewer were asked for than the table has.
    """
    if asked is not None and asked < arms:
        raise UserError(
            f"--family {asked}: there are {arms} comparisons in the table already; give the number "
            "of all that were made, or leave it out"
        )
    return max(1, arms) if asked is None else asked


def margin_of(margin: str | float | None, mean: float) -> float | None:
    """The margin in the metric's unit; `1%` is a share of the mean, whatever its sign.

    Raises UserError if it is not a number above 0.
    """
    if margin is None:
        return None
    text = str(margin).strip()
    share = text.endswith("%")
    try:
        size = float(text.removesuffix("%"))
    except ValueError:
        size = float("nan")
    if not (0 < size < float("inf")):
        raise UserError(f"--margin {margin}: use a number above 0, or a share such as 1%")
    return abs(mean) * size / 100 if share else size


def _verdict(
    arm: str,
    metric: str,
    found: Verdict | None,
    study: Assessment,
    lost: Sequence[str],
) -> ArmVerdict:
    """An arm's verdict, with what the referee adds to it."""
    if found is None:
        return ArmVerdict(arm, metric=metric, runs_without_value=tuple(lost))
    known = {one.name: getattr(found, one.name) for one in fields(Verdict)}
    one = ArmVerdict(
        **{**known, "intervention": arm},
        metric=metric,
        runs_without_value=tuple(lost),
        next_half_width=_with_one_more(found, study.residual_sd),
    )
    return replace(one, verdict=unless_lost(one.verdict, lost))


def _adjusted(one: ArmVerdict, times: float) -> ArmVerdict:
    """A verdict whose p-value counts comparisons that are not in the table."""
    if one.p_value is None:
        return one
    return replace(one, p_value=min(1.0, one.p_value * times))


def _with_one_more(one: Verdict, sd: float | None) -> float | None:
    """Half the interval's width with one more run of this arm, if all else stays as it is.

    The variance of the contrast over s^2 is 1/n + v, where n is the number of the arm's runs and v
    what the other runs and the seeds add.
    """
    if one.se is None or not sd or one.smallest_visible is None or one.scatter_ratio is not None:
        return None
    rest = max(0.0, (one.se / sd) ** 2 - 1.0 / one.runs)
    now, then = 1.0 / one.runs + rest, 1.0 / (one.runs + 1) + rest
    return float(one.smallest_visible * (then / now) ** 0.5)


def _notes(
    runs: pd.DataFrame,
    finite: np.ndarray[tuple[int], np.dtype[np.bool_]],
    metric: str,
    baseline: str,
    lost: Mapping[str, tuple[str, ...]],
    study: Assessment,
) -> tuple[str, ...]:
    """What the reader of the verdicts must know about these runs."""
    found = []
    for arm, names in lost.items():
        rest = "" if arm == baseline else "; the arm cannot help"
        found.append(f"no finite {metric} in {some(names)} of {arm}{rest}")
    counted = len(study.evidence.runs)
    listed = int(finite.sum()) - sum(one.runs for one in study.verdicts if one.same_as is not None)
    if counted < listed:
        found.append(
            f"{listed - counted} of {int(finite.sum())} rows repeat a run of the same arm "
            "and count once"
        )
    return (*found, *_alike(runs[finite], metric))


def _alike(runs: pd.DataFrame, metric: str) -> list[str]:
    """Point out runs of one arm that are equal to the last digit although their seeds differ."""
    if runs["identity"].notna().any():
        return []
    alike: dict[tuple[str, float], list[tuple[str, tuple[str | None, ...]]]] = {}
    seeds = zip(*(runs[column] for column in SEEDS), strict=True)
    for arm, value, run, own in zip(runs["arm"], runs[metric], runs["run"], seeds, strict=True):
        alike.setdefault((arm, value), []).append((run, own))
    found = []
    for (arm, value), same in alike.items():
        # Without a seed, two runs may have been on different ones.
        if len(same) > 1 and (None in same[0][1] or len({own for _, own in same}) > 1):
            found.append(
                f"{some(run for run, _ in same)} of {arm} have the same {metric} to the last digit "
                f"({value}): if they are one run, list it once, or give a column `digest`"
            )
    return found


def some(names: Iterable[str]) -> str:
    """Up to three names, and the number of the others."""
    shown = list(names)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more
