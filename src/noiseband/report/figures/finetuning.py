"""Fine-tuning: validation loss by epoch, and whether a lower test loss means better answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.analysis.tuning_rows import EpochRow, FinetuningRow
from noiseband.report.figures.palette import PRETRAINED, colour, marker
from noiseband.report.figures.svg import blank, panel, tip
from noiseband.report.sanitize import plain
from noiseband.report.words import fixed
from noiseband.study.runs import BASELINE

WIDTH, HEIGHT, TOP = 920, 300, 34
LEFT, MIDDLE = 52, 70


def draw_finetuning(
    models: Sequence[FinetuningRow],
    epochs: Sequence[EpochRow],
    runs: Sequence[RunRow],
    verdicts: Sequence[VerdictRow],
    unit: str = "nats",
) -> Figure:
    """Draw two panels for each protocol: validation losses by epoch, and score by test loss. The
    second is left out where no model has a test loss, and the first if the unit of test losses is
    not nats, since losses per token of different vocabularies cannot be compared."""
    protocols = list(dict.fromkeys(row.protocol for row in models))
    calls = {row.intervention: row.verdict for row in verdicts}
    verdict = {model.run: PRETRAINED for model in models}
    for run in runs:
        # An approximate run has no verdict and is drawn like a pretrained model.
        usual = BASELINE if run.intervention == BASELINE else PRETRAINED
        verdict[run.run] = calls.get(run.intervention, usual)
    figure = blank(WIDTH, HEIGHT * len(protocols))
    tested = any(row.test_loss is not None for row in models)
    by_epoch = unit == "nats" or not tested
    half = (WIDTH - LEFT - MIDDLE - 16) / 2
    for place, protocol in enumerate(protocols):
        top, height = place * HEIGHT + TOP, HEIGHT - TOP - 50
        width = half if tested and by_epoch else 2 * half + MIDDLE
        if by_epoch:
            left = panel(figure, LEFT, top, width, height)
            _validation(left, [row for row in epochs if row.protocol == protocol], verdict)
            left.set_title(f"{plain(protocol)}: validation loss by epoch", loc="left", pad=10)
        if tested:
            right = panel(figure, LEFT + (half + MIDDLE) * by_epoch, top, width, height)
            _scores(right, [row for row in models if row.protocol == protocol], verdict, unit)
            right.set_title(f"{plain(protocol)}: judge score by test loss", loc="left", pad=10)
    return figure


def _validation(axes: Axes, epochs: Sequence[EpochRow], verdict: Mapping[str, str]) -> None:
    models: dict[tuple[str, int], list[EpochRow]] = {}
    for row in epochs:
        models.setdefault((row.run, row.seed), []).append(row)
    for (run, seed), mine in models.items():
        tint, front = colour(verdict[run]), 3 if verdict[run] == BASELINE else 2
        losses = [_number(row.validation_loss) for row in mine]
        line = axes.plot(
            [row.epoch for row in mine], losses, color=tint, linewidth=1.1, alpha=0.75, zorder=front
        )
        tip(line[0], f"{run}, seed {seed}")
        for row, loss in zip(mine, losses, strict=True):
            if row.best:
                dot = axes.plot([row.epoch], [loss], "o", color=tint, markersize=4, zorder=front)
                tip(dot[0], f"{run}, seed {seed}: best epoch {row.epoch}, {fixed(loss, 4)}")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("Epoch (dot: the best)")
    axes.set_ylabel("nats")


def _scores(
    axes: Axes, models: Sequence[FinetuningRow], verdict: Mapping[str, str], unit: str
) -> None:
    for row in models:
        if row.score is not None and row.test_loss is not None:
            style = marker(verdict[row.run]) | {"markersize": 7, "alpha": 0.85}
            point = axes.plot([row.test_loss], [row.score], **style)
            name = f"{row.run}, seed {row.seed}"
            tip(point[0], f"{name}: score {row.score:.2f}, test loss {fixed(row.test_loss)}")
    axes.margins(0.06)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"Test loss before fine-tuning, {unit}")
    axes.set_ylabel("Mean score, 0 to 100")


def _number(value: float | None) -> float:
    """The value, or NaN for None, which leaves a gap in the line."""
    return float("nan") if value is None else value
