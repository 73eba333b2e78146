"""Commands of repro.smk: a run trained afresh, and the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, Out, Results
from noiseband.gpus import reserve


@app.command(rich_help_panel=PANEL)
def verify_rerun(original: Path, rerun: Path, results: Results, out: Out) -> None:
    """Compare a run that was trained afresh with its original, and write what was found."""
    reserve(1, f"verify-rerun {out}")  # if they differ, both are trained again
    from noiseband.repro import rerun as stage

    stage.verify_rerun(original, rerun, results, out)


@app.command(rich_help_panel=PANEL)
def manifest(
    results: Results,
    out: Out,
    artefacts: Annotated[list[Path], typer.Argument(exists=True)],
    judged: Annotated[
        list[Path], typer.Option(exists=True, help="A file that depends on a judge's replies.")
    ] = [],  # noqa: B006
) -> None:
    """Write the digest of every deterministic artefact."""
    from noiseband.repro.manifest import write_manifest

    write_manifest(results, artefacts, out, judged)
