"""`noiseband crate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, Config
from noiseband.study import load_study


@app.command()
def crate(
    out: Annotated[Path, typer.Option(help="A new folder, or a file that ends in .zip.")],
    config: Config = DEFAULT_CONFIG,
    weights: Annotated[bool, typer.Option("--weights", help="Include the final weights.")] = False,
) -> None:
    """Export a finished study as a Workflow Run RO-Crate.

    Example: `noiseband crate --out study.crate.zip`

    The crate contains the workflow, the resolved config, tables, figures, the page, and every run's
    recipe, trace, digests and provenance. It contains no host name, user name or path of this disk.
    """
    from noiseband.repro.crate import write_crate

    write_crate(load_study(config), Path(), out, weights)
    print(out)
