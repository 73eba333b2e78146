"""Tables of test losses: interventions, noise, stacks, the gap to GPT-2 small and machines."""

from __future__ import annotations

from functools import cache

import numpy as np

from noiseband.published import data
from noiseband.published.table import Table, agreement
from noiseband.stats.additivity import additivity
from noiseband.stats.gap import gap_closed
from noiseband.stats.machines import machine_component
from noiseband.stats.noise import NoiseComponent, equal_variances, noise_components
from noiseband.stats.verdicts import Verdict, verdicts

COMPONENTS = {
    "init-and-train": [(42, 42), (22, 22), (67, 67)],
    "train-only": [(42, 42), (42, 23), (42, 67)],
    "init-only": [(42, 23), (23, 23), (67, 23)],
}
"""Seed pairs of the three noise studies."""
FIVE = (
    "gradient-clipping", "remove-dropout", "qkv-bias", "schedule-learning-rate",
    "weight-decay-gpt2",
)  # fmt: skip
"""The interventions whose effects the series added up."""
BEST_STACK = "8xa100m40-stacked-interventions-1"
FIRST_MODEL = "local-fineweb-train"
GPT2_SMALL = "openai-gpt2-small"


@cache
def single_verdicts() -> tuple[Verdict, ...]:
    """Verdicts on the single interventions as one family, compared with all seven baseline runs."""
    chosen = tuple(one for one in data.cloud() if len(one.interventions) < 2)
    return tuple(verdicts(data.table(chosen)))


def components() -> list[NoiseComponent]:
    return noise_components(data.table(data.cloud()), COMPONENTS)


def interventions() -> Table:
    """Each single intervention and stack, compared with one baseline run and with all seven."""
    found = {verdict.intervention: verdict for verdict in single_verdicts()}
    base = data.run(data.BASELINE).test_loss
    rows = []
    for one in data.cloud():
        name = data.label(one)
        if name == "baseline":
            continue
        verdict = found.get(name)
        rows.append(
            (
                name,
                f"{one.test_loss:.6f}",
                f"{base - one.test_loss:+.6f}",
                "" if verdict is None or verdict.effect is None else f"{-verdict.effect:+.6f}",
                "" if verdict is None or verdict.p_value is None else _p_text(verdict.p_value),
                "" if verdict is None else str(verdict.verdict),
            )
        )
    return Table(
        "interventions",
        "Interventions against the baseline (nats, positive is better)",
        ("intervention", "test loss", "vs seed 42", "vs all seven", "adjusted p", "verdict"),
        rows,
        [
            "The series compared with the one baseline of seed 42, the worst of its seven. The "
            "verdicts compare the eight single interventions with all seven, as one family, "
            "with the seeds that runs share as random effects.",
        ],
        "32b to 32j",
    )


def _p_text(p_value: float) -> str:
    return "<0.001" if p_value < 0.0005 else f"{p_value:.3f}"


def noise() -> Table:
    """The three noise studies: the SD as printed and as computed, and ranges of 1, 2 and 3 SDs."""
    rows = []
    for one in components():
        printed = data.figures()[f"sd-{one.component}"]
        points = np.array(one.points)
        population = float(points.std())
        # At most six decimals, because the losses have no more.
        decimals = min(6, len(printed.partition(".")[2]))
        assert one.mean is not None
        assert one.sd is not None
        ranges = [f"{one.mean - k * one.sd:.3f} to {one.mean + k * one.sd:.3f}" for k in (1, 2, 3)]
        rows.append(
            (
                one.component,
                str(one.n),
                f"{one.mean:.6f}",
                printed,
                f"{population:.{decimals}f}",
                agreement(f"{float(printed):.{decimals}f}", f"{population:.{decimals}f}"),
                f"{one.sd:.6f}",
                *ranges,
            )
        )
    return Table(
        "noise",
        "Three noise studies of the baseline (nats)",
        (
            "seeds that vary", "n", "mean", "SD printed", "population", "", "sample SD",
            "± 1 SD", "± 2 SD", "± 3 SD",
        ),
        rows,
        [
            "Ranges use the sample SD. Two of the printed SDs are square roots of sums of squares "
            "that were never divided by n (mistake 1).",
            "Printed ranges of 3 SDs: "
            + "; ".join(f"{c}, {data.figures()[f'range-{c}']}" for c in COMPONENTS)
            + ".",
            equal_variances(components()).sentence,
        ],
        "32i",
    )  # fmt: skip


def stacks() -> Table:
    """Each stack's effect and what additive effects predict, compared with seed 42."""
    base = data.run(data.BASELINE).test_loss
    chosen = tuple(one for one in data.cloud() if one.init_seed == one.train_seed == 42)
    parts = {data.label(one): one.interventions for one in chosen if len(one.interventions) > 1}
    found = {one.stack: one for one in additivity(data.table(chosen), parts)}
    singles = {data.label(one): base - one.test_loss for one in chosen}
    rows = [
        (
            name,
            str(len(one.parts)),
            f"{-(one.predicted or 0.0):.6f}",
            f"{-(one.got or 0.0):.6f}",
            f"{(one.got or 0.0) / (one.predicted or 1.0):.0%}",
        )
        for name, one in found.items()
    ]
    rows.append(
        (
            "five added up; best stack",
            str(len(FIVE)),
            f"{sum(singles[name] for name in FIVE):.6f}",
            f"{base - data.run(BEST_STACK).test_loss:.6f}",
            f"{(base - data.run(BEST_STACK).test_loss) / sum(singles[n] for n in FIVE):.0%}",
        )
    )
    return Table(
        "stacks",
        "What the stacks promised if effects were additive, and what they got (nats)",
        ("stack", "parts", "predicted", "got", "share"),
        rows,
        [
            "Compared with the baseline of seed 42. In the last row, the series compared the sum "
            "of the five with its best stack, stacked-1."
        ],
        "32j",
    )


def gap() -> Table:
    """The share of the gap to GPT-2 small that is closed, as printed and as computed."""
    small, best = data.run(GPT2_SMALL).test_loss, data.run(BEST_STACK).test_loss
    rows = []
    for key, start in (("gap-from-baseline", data.BASELINE), ("gap-from-first", FIRST_MODEL)):
        first = data.run(start).test_loss
        share = f"{100 * gap_closed(first, best, small):.0f}"
        printed = data.figures()[key]
        rows.append((start, f"{first:.6f}", printed, share, agreement(printed, share)))
    return Table(
        "gap",
        f"Share of the gap to GPT-2 small ({small:.6f}) closed by stacked-1 ({best:.6f}), percent",
        ("from", "test loss", "printed", "recomputed", ""),
        rows,
        ["59.3% was rounded up to 60%."],
        "32j",
    )


def _twins() -> list[list[data.PublishedRun]]:
    """Runs of one recipe on different machines, recipe by recipe."""
    groups: dict[tuple[str, ...], list[data.PublishedRun]] = {}
    for one in data.runs():
        if one.run == f"{data.BASELINE}-2":
            continue  # same bits as the first run
        if one.role in ("series", "later") and one.init_seed == one.train_seed == 42:
            groups.setdefault(tuple(sorted(one.interventions)), []).append(one)
    return [members for members in groups.values() if len({one.machine for one in members}) > 1]


def machine_noise() -> NoiseComponent | None:
    """The scatter of one recipe over machines, around the mean of the seven baseline runs."""
    groups = [{one.run: one.test_loss for one in members} for members in _twins()]
    baseline = [one.test_loss for one in data.cloud() if not one.interventions]
    return machine_component(groups, float(np.mean(baseline)))


def machines() -> Table:
    """Runs of one recipe on different machines: the machine as a source of noise."""
    rows = []
    for members in _twins():
        losses = np.array([one.test_loss for one in members])
        for one in members:
            rows.append(
                (
                    data.label(members[0]),
                    one.run,
                    one.machine,
                    f"{one.test_loss:.6f}",
                    f"{one.test_loss - losses.mean():+.6f}",
                )
            )
    noise = machine_noise()
    assert noise is not None
    assert noise.sd is not None
    return Table(
        "machines",
        "Twins: one recipe but for microbatch and machine (nats)",
        ("recipe", "run", "machine", "test loss", "from their mean"),
        rows,
        [
            f"Pooled SD over machines: {noise.sd:.6f} ({noise.degrees_of_freedom} degrees of "
            f"freedom; 95% interval {noise.sd_low:.4f} to {noise.sd_high:.4f}).",
            equal_variances([*components(), noise]).sentence,
        ],
        "32k and later",
    )
