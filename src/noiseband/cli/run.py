"""`noiseband run`: Snakemake with noiseband's Snakefile and profile, from any folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.dag.code import PACKAGE
from noiseband.errors import UserError
from noiseband.study.yaml_file import read_yaml


@app.command()
def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET",
            help="Files or rules to make.",
            show_default="the report",
        ),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option(help="The study's config file.", show_default="config/config.yaml"),
    ] = None,
    cores: Annotated[str, typer.Option(help="How many cores to use, or `all`.")] = "all",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show what would run.")
    ] = False,
) -> None:
    """Run a study with Snakemake: all of it, or what the targets need.

    Options of Snakemake follow `--`, as in `noiseband run TARGET -- --keep-going`. The exit status
    is Snakemake's.

    Example: `noiseband run results/mine/tables/verdicts.csv --config my-study.yaml`
    """
    # Snakemake would answer a bad value with a traceback.
    if cores != "all" and not (cores.isdecimal() and int(cores) >= 1):
        raise UserError(f"--cores {cores}: use `all` or a whole number from 1")
    for file in config or []:
        read_yaml(file)
    options = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    files = (targets or [])[: len(targets or []) - len(options)]
    words = ["--cores", cores, *(["--dry-run"] if dry_run else []), *options]
    if not any(word.partition("=")[0] == "--workflow-profile" for word in options):
        words += ["--workflow-profile", repository("profiles/default")]
    if config:
        words += ["--configfile", *map(str, config)]
    # Targets come after `--`, because several options take all words that follow.
    # -P: a file in this folder that is called like a module, such as random.py, is not imported.
    words = ["-P", "-m", "snakemake", "--snakefile", repository("Snakefile"), *words, "--", *files]
    os.execv(sys.executable, [sys.executable, *words])  # nosec B606


def repository(name: str) -> str:
    """The path of a file of the repository, as short as it can be from here.

    Raises UserError if the package was installed without the repository.
    """
    path = PACKAGE.parents[1] / name
    if not path.exists():
        raise UserError(
            f"{path} is not there: `noiseband run` needs a clone of the repository; install the "
            "package from there with `pip install -e .`"
        )
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
