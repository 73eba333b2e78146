"""Commands of model.smk: initial weights. (People also type `init`, so it is elsewhere.)"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, Out, ParamsText, parse
from noiseband.study import params


@app.command(rich_help_panel=PANEL)
def verify_init(
    params_text: ParamsText,
    out: Out,
    pairs: Annotated[Path, typer.Option(help="Table of what each pair of starting points shares.")],
    digests: Annotated[list[Path], typer.Argument(exists=True)],
) -> None:
    """Tabulate which runs share initial weights; check reference weights against their digests."""
    from noiseband.repro.starts import verify_starts

    given = parse(params.StartsParams, params_text)
    for complaint in verify_starts(given, digests, out, pairs):
        print(complaint, file=sys.stderr)
