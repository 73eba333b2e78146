"""What several commands take: options, and how each is looked up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from noiseband.errors import UserError, snakemake
from noiseband.study import Run, Study
from noiseband.study.problems import nearest
from noiseband.study.recipe import Section

# Of commands that people type.
Config = Annotated[
    Path, typer.Option("--config", help="The study's config file.", show_default=True)
]
DEFAULT_CONFIG = Path("config/config.yaml")
RunName = Annotated[str | None, typer.Option("--run", help="Name of a run of the study.")]
Machines = Annotated[Path, typer.Option("--machines", help="The table of machines.")]
MACHINES = Path("config/machines.yaml")
RuleParams = Annotated[
    str | None, typer.Option("--params", help="Instead of --config and --run: params as JSON.")
]

# Of rules.
PANEL = "Rules of the workflow"
ParamsText = Annotated[str, typer.Option("--params", help="The stage's params as JSON.")]
Out = Annotated[Path, typer.Option(help="Where the result goes.")]
Results = Annotated[Path, typer.Option(help="The study's results folder.")]
File = Annotated[Path, typer.Option(exists=True, dir_okay=False)]
Folder = Annotated[Path, typer.Option(exists=True, file_okay=False)]

EVERY = 10
"""Seconds between two looks at a study that is running (`--watch`)."""

Kind = TypeVar("Kind", bound=Section)


def parse(kind: type[Kind], text: str) -> Kind:
    """Params from JSON. Raises UserError naming the first field that does not fit."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise UserError(
            f"--params: {where}: {first['msg']}; copy it from `snakemake -p`"
        ) from error


def find_run(study: Study, name: str | None) -> Run:
    """The run of that name. Raises UserError with the nearest name."""
    if name is None:
        raise UserError("--run is missing: give a name that `noiseband runs` lists")
    if name in study.runs:
        return study.runs[name]
    raise UserError(
        f"--run {name}: no such run in {study.config.study}; {nearest(name, study.runs)}"
    )


def machine_table(given: Path, config: Path) -> Path:
    """The table of machines, beside the config where this folder has none. Raises UserError."""
    for path in (given, *([config.parent / given.name] if given == MACHINES else [])):
        if path.exists():
            return path
    raise UserError(
        f"{given}: no such table of machines; start in the project's folder, or give --machines"
    )


def made(path: Path, config: Path) -> Path:
    """The path, if it is there. Raises UserError with the command that makes it."""
    if not path.exists():
        raise UserError(f"{path} is not there yet; make it: {snakemake(path, config=config)}")
    return path
