"""Commands that compare results bit by bit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, Config, named
from noiseband.gpus import reserve
from noiseband.study import load_study
from noiseband.terminal import on_a_terminal


@app.command()
def verify(
    a: Annotated[
        Path, typer.Argument(help="A run's folder, a tensor file, a digest file or a manifest.")
    ],
    b: Annotated[Path, typer.Argument(help="The other one.")],
) -> None:
    """Compare two results bit by bit: exit 0 and "identical", or exit 1 and where they differ.

    Example: `noiseband verify results/runs/baseline-1 /tmp/baseline-1`
    """
    _compare_commands(a, b)
    from noiseband.repro import verify as stage

    found = stage.verify(a, b)
    print(on_a_terminal(str(found)))  # tensor names come from a file and may contain anything
    sys.exit(0 if found.identical else 1)


@app.command()
def intact(config: Config = DEFAULT_CONFIG) -> None:
    """Compare every file of a study with the SHA-256 recorded when it was written: exit 0, or exit
    1 and the damaged files.

    Example: `noiseband intact --config config/config.yaml`

    Every stage checks the files that it reads, so a damaged file stops it anyway. This command
    checks all files at once, including those that no stage reads again.
    """
    from noiseband.io.checksums import is_intact
    from noiseband.repro.intact import files_with_checksums, remedy

    results = load_study(config).results
    files = files_with_checksums(results)
    bar = tqdm(files, desc="Comparing", unit=" files", delay=2, disable=None)
    damaged = [path for path in bar if not is_intact(path)]
    if not damaged:
        print(f"{results}: all {len(files)} files with a checksum are intact")
        return
    print("\n".join(map(str, damaged)))
    print(f"make them again: {remedy(damaged, results)}", file=sys.stderr)
    sys.exit(1)


@app.command()
def diverge(
    a: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    b: Annotated[Path, typer.Argument(help="Folder of the other run.")],
    config: Annotated[
        Path | None,
        typer.Option(
            help="The config file of the study with their tokens; default: the study whose results "
            "the first run is in, or config/config.yaml.",
            callback=named,
        ),
    ] = None,
) -> None:
    """Find where two runs first differ: the step and, by training both again, the tensor.

    Exit 0 and "identical", or exit 1. The step comes from the traces. The tensor (a gradient or
    a weight, in forward order) comes from training both again, from the newest checkpoint before
    that step which both still have. Runs that a command of the user's own made are compared by
    their traces and other outputs alone.

    Example: `noiseband diverge results/runs/baseline-1 /tmp/baseline-1`
    """
    _compare_commands(a, b)
    results = _results(a, config)
    reserve(1, f"diverge {a} {b}")
    from noiseband.repro import diverge as stage
    from noiseband.train.replay import finished_job

    first, second = finished_job(a, results), finished_job(b, results)
    found = stage.diverge(first, second, say=lambda text: print(text, file=sys.stderr))
    print(on_a_terminal(str(found)))  # tensor names come from a file and may contain anything
    sys.exit(0 if found.identical else 1)


def _compare_commands(a: Path, b: Path) -> None:
    """If a command made both runs, print how their declared outputs differ, and end the process."""
    from noiseband.analysis.command_runs import by_command

    if by_command(a) and by_command(b):
        from noiseband.repro.command_rerun import compare_runs

        found = compare_runs(a, b)
        print(on_a_terminal(str(found)))
        sys.exit(0 if found.identical else 1)


def _results(run: Path, config: Path | None) -> Path:
    """The results folder of the config's study or, if none is given, the one that the run is in."""
    runs = run.absolute().parent
    if config is None and runs.name == "runs" and (runs.parent / "tokens").is_dir():
        return runs.parent
    return load_study(config or DEFAULT_CONFIG).results
