"""Tables of judge scores: averages and ranks by protocol, ranks across protocols, and twins."""

from __future__ import annotations

import statistics

from scipy import stats

from noiseband.published import data
from noiseband.published.table import Table, agreement
from noiseband.stats.ranks import kendall_w, places

TWINS = {
    "baseline": ("1xrtx3090-baseline", "8xa100m40-baseline"),
    "stacked-1": ("1xrtx3090-stacked-interventions", "8xa100m40-stacked-interventions-1"),
}
"""Pairs of runs with the same recipe, trained on a small machine and on a large one."""


def protocols() -> list[str]:
    """The protocols, in the order of the series."""
    return list(dict.fromkeys(score.protocol for score in data.scores()))


def averages(protocol: str) -> dict[str, float]:
    """Mean score over the rounds, by run, in the order of test losses."""
    rounds: dict[str, list[float]] = {}
    for score in data.scores():
        if score.protocol == protocol:
            rounds.setdefault(score.run, []).append(score.score)
    return {run: statistics.fmean(given) for run, given in rounds.items()}


def finetuning(protocol: str) -> Table:
    """The table of one protocol: rounds, average, and rank as published and as computed."""
    mean = averages(protocol)
    ranks = dict(zip(mean, places(list(mean.values())), strict=True))
    rows = []
    for run in mean:
        mine = [s for s in data.scores() if s.protocol == protocol and s.run == run]
        published = mine[0].rank or ""
        rows.append(
            (
                run,
                mine[0].test_loss,
                " ".join(f"{score.score:.2f}" for score in mine),
                f"{mean[run]:.2f}",
                published,
                ranks[run],
                agreement(published, ranks[run]) if published else "",
            )
        )
    losses = [next(float(s.test_loss) for s in data.scores() if s.run == run) for run in mean]
    tau = stats.kendalltau(losses, list(mean.values()))
    return Table(
        f"scores-{protocol}",
        f"Instruction fine-tuning, {protocol.replace('-', ' ')} (scores 0 to 100)",
        ("run", "test loss", "rounds", "average", "rank printed", "rank", ""),
        rows,
        [
            f"Kendall's tau between test loss and score: {tau.statistic:.2f} "
            f"(p = {tau.pvalue:.2g}, {len(mean)} models)."
        ],
        "32l, 32m",
    )


def ranks() -> Table:
    """Ranks of the same models under every protocol that ranked all of them."""
    full = [p for p in protocols() if any(s.rank for s in data.scores() if s.protocol == p)]
    by = {protocol: averages(protocol) for protocol in full}
    models = list(by[full[0]])
    place = {p: dict(zip(by[p], places(list(by[p].values())), strict=True)) for p in full}
    rows = [(run, *(place[p][run] for p in full)) for run in models]
    agreement_of_all = kendall_w([[by[p][run] for run in models] for p in full])
    return Table(
        "ranks",
        "Ranks of the same models under different protocols of fine-tuning",
        ("run", *full),
        rows,
        [
            f"Kendall's W over the {len(full)} protocols: {agreement_of_all.w:.2f} "
            f"(1 is perfect agreement; p = {agreement_of_all.p_value:.2g})."
        ],
        "32l, 32m",
    )


def twins() -> Table:
    """Scores of twins, whose differences the series could not explain."""
    rows = []
    for protocol in protocols():
        mean = averages(protocol)
        for name, (local, cloud) in TWINS.items():
            if local in mean and cloud in mean:
                rows.append(
                    (
                        protocol,
                        name,
                        f"{mean[local]:.2f}",
                        f"{mean[cloud]:.2f}",
                        f"{mean[local] - mean[cloud]:+.2f}",
                    )
                )
    return Table(
        "twins",
        "Twins' scores: one recipe, a local and a cloud machine",
        ("protocol", "recipe", "local", "cloud", "difference"),
        rows,
        [
            "The stacked twins differ by more than most interventions do, with the same sign under "
            "every protocol; the difference of the baseline twins changes its sign."
        ],
        "32l, 32m",
    )
