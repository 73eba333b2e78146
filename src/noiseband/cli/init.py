"""`noiseband init`, which a rule also calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, Config, RuleParams, RunName, find_run, parse
from noiseband.errors import UserError
from noiseband.study import load_study, params


@app.command()
def init(
    config: Config = DEFAULT_CONFIG,
    run: RunName = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for init.safetensors and init.json.")
    ] = None,
    params_text: RuleParams = None,
    weights: Annotated[Path | None, typer.Option(help="With --params: the tensor file.")] = None,
    digests: Annotated[Path | None, typer.Option(help="With --params: the digest file.")] = None,
) -> None:
    """Draw a run's initial weights and write them with their digests.

    Example: `noiseband init --run baseline-1 --out /tmp/start`
    """
    if params_text is not None:
        given = parse(params.InitParams, params_text)
    else:
        study = load_study(config)
        found = find_run(study, run)
        if found.continues is not None:
            raise UserError(
                f"--run {run}: starts from the final weights of {found.continues}, which are (or "
                f"will be) {study.start_file(found)}; there are no weights to draw"
            )
        given = params.InitParams.of(found.built_in)
    if out is not None:
        weights, digests = out / "init.safetensors", out / "init.json"
    if weights is None or digests is None:
        raise UserError("--out is missing: give a folder for init.safetensors and init.json")
    from noiseband.model.init import write_init

    whole = write_init(given.model, given.method, given.seed, weights, digests)
    print(f"{whole}  {weights}")
