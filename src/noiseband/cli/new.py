"""`noiseband new`: a study to start from."""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.run import repository
from noiseband.errors import UserError
from noiseband.io.files import write_text
from noiseband.study import load_study

TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a study may be called."""


class TrainerKind(StrEnum):
    """What trains the runs of a new study."""

    COMMAND = "command"
    BUILTIN = "builtin"


@app.command()
def new(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A new folder. Its name is also the name of the study."),
    ],
    trainer: Annotated[
        TrainerKind, typer.Option(help="A script of your own, or the built-in trainer.")
    ] = TrainerKind.COMMAND,
) -> None:
    """Write a study to start from, and say the two commands that follow.

    Example: `noiseband new my-idea`

    With `--trainer command` there is a script to replace, which already works.
    """
    if folder.exists():
        raise UserError(f"{folder}: exists already; remove it or give another name")
    name = folder.resolve().name
    if NAME.fullmatch(name) is None or len(name) > 100:
        raise UserError(
            f"{folder}: a study's name consists of letters, digits, '.', '_' and '-', and starts "
            "with a letter or a digit; give another name"
        )
    config, script = folder / "config.yaml", folder / "train.py"
    values = {"name": name, "config": shlex.quote(str(config)), "script": script.as_posix()}
    if trainer == TrainerKind.COMMAND:
        if " " in values["script"]:
            raise UserError(f"{folder}: has a blank in its path; give another name")
        write_text(script, _template("train.txt"), checksum=False)
    else:
        pocket = Path(repository("config/config.yaml")).read_text(encoding="utf-8")
        values |= {key: _section(pocket, key) for key in ("corpora", "recipe")}
    text = _template(f"{trainer.value}.yaml").format(**values)
    write_text(config, text, checksum=False)
    load_study(config)
    print(f"noiseband runs --config {values['config']}")
    print(f"noiseband run --config {values['config']}")


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _section(text: str, key: str) -> str:
    """The lines of a section of a config file, without comments that are about its own study."""
    found = re.search(rf"^{key}:\n(?:[ ].*\n|\n(?= ))+", text, re.MULTILINE)
    assert found is not None  # The pocket study has both.
    lines = found[0].rstrip().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))
