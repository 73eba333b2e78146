"""The command of judge.smk: scores for answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, Out, ParamsText, parse
from noiseband.study import params


@app.command(rich_help_panel=PANEL)
def judge(
    params_text: ParamsText,
    round: Annotated[int, typer.Option(min=1, help="Number of the round, from 1.")],
    out: Out,
    answers: Annotated[list[Path], typer.Argument(exists=True)],
    store: Annotated[
        Path | None,
        typer.Option(help="Folder of requests and replies, if the judge is a language model."),
    ] = None,
) -> None:
    """Score all models' answers, one question at a time.

    Example: `noiseband judge --params '{"judge": {"kind": "chrf"}}' --round 1
    --out /tmp/round-1.jsonl results/runs/*/ift/early-stop/42/answers.jsonl`

    A language model's replies are stored and never requested twice. If judging stops (killed, no
    network, or the budget is spent: exit 2), the same command continues.
    """
    from noiseband.judge.console import Console
    from noiseband.judge.judge import judge_files
    from noiseband.terminal import tell

    given = parse(params.JudgeParams, params_text)
    judge_files(given.judge, round, answers, store, out, Console(f"round {round}"), tell)
