"""Rules of judge.smk: scores for answers."""

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
        typer.Option(help="Folder of requests and replies, for a judge that is a language model."),
    ] = None,
) -> None:
    """Score all models' answers, a question at a time.

    Example: `noiseband judge --params '{"judge": {"kind": "chrf"}}' --round 1
    --out /tmp/round-1.jsonl results/runs/*/ift/early-stop/42/answers.jsonl`

    What a language model replied is stored, and never asked for twice: if judging stops (killed,
    no network, a budget spent: exit 2), the same command goes on.
    """
    from noiseband.judge.console import Console
    from noiseband.judge.judge import judge_files

    given = parse(params.JudgeParams, params_text)
    judge_files(given.judge, round, answers, store, out, Console(f"round {round}"))
