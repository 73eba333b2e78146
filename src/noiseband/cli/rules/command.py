"""Commands of command.smk: runs that a command of the user's own makes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, Out, ParamsText, parse
from noiseband.gpus import reserve
from noiseband.study.command_params import CommandParams


@app.command(rich_help_panel=PANEL)
def train_command(
    params_text: ParamsText,
    work: Annotated[Path, typer.Option(help="Folder that survives kills.")],
    out: Out,
    processes: Annotated[int, typer.Option(min=1, help="Processes of the run.")] = 1,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of the run, if there are any.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each process.")] = 1,
    metrics: Annotated[
        str, typer.Option(help="Metrics that the study declares, joined by commas.")
    ] = "",
) -> None:
    """Make a run with the command of `trainer:`, and take its outputs over."""
    from noiseband.repro.command_provenance import write_records
    from noiseband.train.external import Place, run_command

    given = parse(CommandParams, params_text)
    devices = reserve(gpus, f"train {given.run}") if gpus else []
    place = Place(work, out, processes, len(devices), threads)
    ended = run_command(given, place, [name for name in metrics.split(",") if name])
    if ended.stopped_by is not None:
        print(f"noiseband: {given.run}: stopped; the next start goes on", file=sys.stderr)
        sys.exit(128 + ended.stopped_by)
    write_records(given, place, ended, [_name(number) for number in range(len(devices))])


def _name(number: int) -> str:
    """The marketing name of a GPU of this process."""
    import torch

    from noiseband.processor import device_name

    return device_name(torch.device("cuda", number))


@app.command(rich_help_panel=PANEL)
def verify_command(
    original: Path,
    rerun: Path,
    out: Out,
    volatile: Annotated[
        list[str], typer.Option(help="A metric that may differ between reruns.")
    ] = [],  # noqa: B006
) -> None:
    """Compare a run that a command made a second time with its original."""
    from noiseband.repro.command_rerun import verify_command_rerun

    verify_command_rerun(original, rerun, out, tuple(volatile))
