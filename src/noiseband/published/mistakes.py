"""The mistakes of the published analysis: the printed figure, the correct one and the reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from noiseband.published import data
from noiseband.published.losses import components, single_verdicts
from noiseband.published.table import Table
from noiseband.stats.noise import equal_variances
from noiseband.stats.verdicts import Call


@dataclass(frozen=True)
class Mistake:
    """One mistake. Figures are texts with the printed precision."""

    number: int
    """The number by which other texts cite the mistake."""
    about: str
    printed: str
    corrected: str
    why: str


def mistakes() -> list[Mistake]:
    """All seven mistakes, with every figure computed from the published results."""
    found = [*_spreads(), *_variances(), *_thresholds(), *_facts()]
    return sorted(found, key=lambda one: one.number)


def table() -> Table:
    """The mistakes as a table with the reasons as notes."""
    found = mistakes()
    return Table(
        "mistakes",
        "Mistakes of the published analysis",
        ("no.", "what", "printed", "corrected"),
        [(str(one.number), one.about, one.printed, one.corrected) for one in found],
        [f"{number}. {_reasons(found, number)}" for number in sorted({m.number for m in found})],
        "32a to 32m",
    )


def _reasons(found: list[Mistake], number: int) -> str:
    return " ".join(dict.fromkeys(one.why for one in found if one.number == number))


def _spreads() -> list[Mistake]:
    found = []
    for one in components():
        points = np.array(one.points)
        assert one.sd is not None
        both = f"{points.std():.6f} population, {one.sd:.6f} sample"
        if one.component == "init-and-train":
            why = "The third SD is a correct population SD; a sample SD divides by n - 1."
        else:
            why = "Two SDs are square roots of sums of squares that were never divided by n."
        about = f"SD, {one.component} seeds"
        found.append(Mistake(1, about, data.figures()[f"sd-{one.component}"], both, why))
    return found


def _variances() -> list[Mistake]:
    narrow, wide = components()[1:]
    (ratio,) = equal_variances([narrow, wide]).ratios
    why = (
        "With three runs each, chance alone makes the two corrected variances differ this much two "
        "thirds of the time, so the runs do not show that initial weights matter more."
    )
    said = "weights matter more"
    f_test = f"variances {ratio.ratio:.2f} to 1, two-sided F p = {ratio.p_value:.2f}"
    double = "Divided correctly, the two SDs differ by less than a factor of two."
    return [
        Mistake(2, "weights' seed against training seed", said, f_test, why),
        Mistake(7, "ratio of the two SDs", "about double", f"{ratio.ratio**0.5:.2f}", double),
    ]


def _thresholds() -> list[Mistake]:
    losses = np.array([one.test_loss for one in data.cloud() if not one.interventions])
    sd, degrees = float(losses.std(ddof=1)), len(losses) - 1
    apart = [float(q) * sd * 2**0.5 for q in (stats.norm.ppf(0.975), stats.t.ppf(0.975, degrees))]
    verdicts = {one.intervention: one for one in single_verdicts()}
    helps, hurts = (
        [name for name, one in verdicts.items() if one.verdict is call]
        for call in (Call.HELPS, Call.HURTS)
    )
    worst = data.run(data.BASELINE).test_loss
    by_one = "Single runs were compared by eye, one at a time, with a single baseline run."
    found = [
        Mistake(
            3, "distance at which two runs stand out", "none",
            f"{apart[0]:.3f} (normal), {apart[1]:.3f} (t, {degrees} df); SD {sd:.4f}",
            by_one,
        ),
        Mistake(
            3, "stand out as one family", "most interventions",
            f"{', '.join(helps)}; {len(hurts)} harms", by_one,
        ),
    ]  # fmt: skip
    for name in ("schedule-learning-rate", "remove-dropout"):
        p_value = verdicts[name].p_value
        assert p_value is not None
        effect = f"{worst - data_loss(name):.4f} better"
        found.append(Mistake(3, name, effect, f"adjusted p = {p_value:.3f}", by_one))
    seed = (
        f"Seed 42 is the worst of the seven baselines: compared with their mean {losses.mean():.6f}"
        ", the small effects shrink or change sign."
    )
    for name in ("gradient-clipping", "full-float32", "qkv-bias"):
        loss = data_loss(name)
        beside = f"{_better(float(losses.mean()) - loss)} than the mean of seven"
        found.append(Mistake(3, name, _better(worst - loss), beside, seed))
    assert worst == losses.max()
    return found


def _better(gain: float) -> str:
    return f"{abs(gain):.3f} {'better' if gain > 0 else 'worse'}"


def data_loss(intervention: str) -> float:
    """Test loss of the cloud run of one intervention."""
    (loss,) = [o.test_loss for o in data.cloud() if o.interventions == (intervention,)]
    return loss


def _facts() -> list[Mistake]:
    local = data.run("1xrtx3090-stacked-interventions")
    assert local.train_seconds is not None
    processes, slots = 8, 16
    return [
        Mistake(
            4, "test loss of weight-decay-cerebras", data.figures()["cerebras-loss"],
            f"{data_loss('weight-decay-cerebras'):.6f}",
            "The first table had the training loss in its place.",
        ),
        Mistake(
            5, "judge replies that could not be parsed", "scored 0", "missing",
            "A zero for an unreadable reply lowers the averages; the score is missing.",
        ),
        Mistake(
            6, "dropout masks a step", f"{processes} expected", "1",
            f"All {processes} processes had the same seed and drew equal masks; the one-GPU twin "
            f"drew {slots} different ones.",
        ),
        Mistake(
            7, "hours of the local stacked run", data.figures()["hours-local-stack"],
            f"{local.train_seconds / 3600:.1f}",
            f"The log of the run says {local.train_seconds:,.0f} seconds.",
        ),
    ]  # fmt: skip
