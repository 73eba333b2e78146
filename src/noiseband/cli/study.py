"""Commands that show a config file's runs, and the schema of config files."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, Config
from noiseband.study import Run, StudyConfig, load_study
from noiseband.study.free_recipe import CommandRecipe
from noiseband.study.section import written


@app.command()
def schema(
    format: Annotated[
        Literal["json", "markdown"], typer.Option(help="json for editors, markdown for people.")
    ] = "json",
) -> None:
    """Print the schema of config files: JSON for editors, or the config reference.

    Example: `noiseband schema --format markdown | less`
    """
    from noiseband.study.document import config_reference

    if format == "markdown":
        print(config_reference(), end="")
    else:
        print(json.dumps(StudyConfig.model_json_schema(), indent=2))


@app.command()
def runs(config: Config = DEFAULT_CONFIG) -> None:
    """Check a config file and list its runs with their changes.

    Example: `noiseband runs --config config/config.yaml`
    """
    study = load_study(config)
    width = max(map(len, study.models))
    for run in study.runs.values():
        changes = (
            f"{key}: {written(old)} -> {written(new)}" for key, (old, new) in run.difference.items()
        )
        note = ", ".join(changes) or "the baseline recipe"
        if run.repeat_of is not None:
            note = f"repeat of {run.repeat_of}"
        note = f"approximate: {note}" if run.approximate else note
        print("  ".join(filter(None, [f"{run.name:<{width}}", _size(run), note])))
    for name, one in study.pretrained.items():
        place = one.source.path or f"{one.source.repo} at {one.source.revision}"
        print(f"{name:<{width}}  pretrained  {place}")


def _size(run: Run) -> str:
    """The length of a run; empty for a run of a command, which alone knows it."""
    return "" if isinstance(run.recipe, CommandRecipe) else f"{run.recipe.steps:,} steps"
