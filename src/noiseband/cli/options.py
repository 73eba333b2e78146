"""Options that several commands share, and functions that look up their values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from noiseband.errors import CONFIGFILES, NotMadeError, UserError, configfiles, nearest

if TYPE_CHECKING:
    from noiseband.study import Run, Section, Study
    from noiseband.study.architecture import Model


def named(
    context: typer.Context, parameter: typer.CallbackParam, config: Path | None
) -> Path | None:
    """Have messages name the config file in their commands, if it was given."""
    source = context.get_parameter_source(str(parameter.name))
    if config is not None and source is not None and source.name == "COMMANDLINE":
        os.environ[CONFIGFILES] = configfiles([config])
    return config


# Options of commands that people type.
Config = Annotated[
    Path,
    typer.Option("--config", help="The study's config file.", show_default=True, callback=named),
]
DEFAULT_CONFIG = Path("config/config.yaml")
RunName = Annotated[str | None, typer.Option("--run", help="Name of a run of the study.")]
Machines = Annotated[Path, typer.Option("--machines", help="The table of machines.")]
MACHINES = Path("config/machines.yaml")
RuleParams = Annotated[
    str | None,
    typer.Option("--params", help="The stage's params as JSON, instead of --config and --run."),
]

# Options of commands that rules call.
PANEL = "Rules of the workflow"
ParamsText = Annotated[str, typer.Option("--params", help="The stage's params as JSON.")]
Out = Annotated[Path, typer.Option(help="File or folder for the result.")]
Results = Annotated[Path, typer.Option(help="The study's results folder.")]
File = Annotated[Path, typer.Option(exists=True, dir_okay=False)]
Folder = Annotated[Path, typer.Option(exists=True, file_okay=False)]
Shape = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Shape of the model, if the params do not have it."
    ),
]

EVERY = 10
"""Seconds between two checks of a running study (`--watch`)."""

Kind = TypeVar("Kind", bound="Section")


def parse(kind: type[Kind], text: str) -> Kind:
    """The params in a JSON text. Raises UserError with the first invalid field."""
    from pydantic import ValidationError

    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise UserError(
            f"--params: {where}: {first['msg']}; copy it from `snakemake -p`"
        ) from error


def model_of(model: Model | None, file: Path | None) -> Model:
    """The model of the params or, for a run of a command, of the file with its shape."""
    if model is not None:
        return model
    if file is None:
        raise UserError("--shape is missing: these params are of a run that a command made")
    from noiseband.io.files import read_json
    from noiseband.study.architecture import Model

    return Model(**read_json(file))


def find_run(study: Study, name: str | None) -> Run:
    """The run with this name. Raises UserError with the nearest name if there is none."""
    if name is None:
        raise UserError("--run is missing: give a name that `noiseband runs` lists")
    if name in study.runs:
        return study.runs[name]
    raise UserError(
        f"--run {name}: no such run in {study.config.study}; {nearest(name, study.runs)}"
    )


def machine_table(given: Path, config: Path) -> Path:
    """The path of the table of machines: `given`, or a default next to the config.

    Raises UserError if neither exists.
    """
    for path in (given, *([config.parent / given.name] if given == MACHINES else [])):
        if path.exists():
            return path
    raise UserError(
        f"{given}: no such table of machines; start in the project's folder, or give --machines"
    )


def made(path: Path) -> Path:
    """The path, if it exists. Raises NotMadeError otherwise."""
    if not path.exists():
        raise NotMadeError(path)
    return path
