"""The command of pretrained.smk: models that others trained."""

from __future__ import annotations

from noiseband.cli import app
from noiseband.cli.options import PANEL, Out, ParamsText, parse
from noiseband.study import params


@app.command(rich_help_panel=PANEL)
def pretrained(params_text: ParamsText, out: Out) -> None:
    """Fetch a model that others trained, and write it in the format of a run."""
    from noiseband.hub.pretrained import write_pretrained

    write_pretrained(parse(params.PretrainedParams, params_text), out)
