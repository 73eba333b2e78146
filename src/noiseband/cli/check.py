"""`noiseband check`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noiseband.cli import app
from noiseband.errors import UserError, nearest
from noiseband.study import load_study
from noiseband.study.plugins import Plugin, PluginError, read_plugin

if TYPE_CHECKING:
    from noiseband.repro.ideas.subject import Subject

WIDTH = 80


@app.command()
def check(
    plugin: Annotated[Path, typer.Argument(help="Python file with ideas.")],
    name: Annotated[
        list[str] | None, typer.Option(help="Check the ideas of this name only; may be repeated.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Study whose recipes give the ideas' options; default: their defaults."),
    ] = None,
) -> None:
    """Check that ideas keep noiseband's promises, with a tiny model, and say what breaks them.

    Example: `noiseband check ideas.py`

    Gradients are compared with differences. A token's result must not depend on other sequences or
    later tokens. Runs must end with the same bits when they are repeated, trained by two processes,
    and killed and resumed. Exits with 1 if an idea breaks a promise.
    """
    try:
        found = read_plugin(str(plugin))
    except PluginError as error:
        raise UserError(f"{plugin}: {error}") from None
    names = [idea.name for idea in found.ideas]
    for one in name or []:
        if one not in names:
            raise UserError(f"--name {one}: {plugin} has no such idea; {nearest(one, names)}")
    options = {} if config is None else _options_in(config, found)
    from noiseband.repro.ideas.subject import Subject

    subjects = [
        Subject(found, idea, options.get((idea.part, f"{found.stem}.{idea.name}"), {}))
        for idea in found.ideas
        if name is None or idea.name in name
    ]
    for subject in subjects:
        lacking = [option for option in subject.idea.needed if option not in subject.options]
        if lacking:
            raise UserError(
                f"{plugin}:{subject.idea.line}: {subject.name} needs the option {lacking[0]}; give "
                "it a default, or --config with a study whose recipe has it"
            )
    broken = sum(_findings(subject) for subject in subjects)
    if broken:
        print(f"{broken} {'check' if broken == 1 else 'checks'} failed.")
        raise typer.Exit(1)


def _options_in(config: Path, plugin: Plugin) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The options of each idea, by part and kind, in the first run of the study that uses it."""
    from noiseband.study.ideas import ideas_of

    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    study = load_study(config)
    if Path(plugin.path).resolve() not in [Path(one).resolve() for one in study.config.plugins]:
        raise UserError(f"{config}: its `plugins` do not have {plugin.path}")
    for run in study.runs.values():
        for use in ideas_of(run.built_in):
            found.setdefault((use.part, use.kind), use.options)
    return found


def _findings(subject: Subject) -> int:
    """Check an idea and print the findings; return how many promises it breaks."""
    from noiseband.repro.ideas.runs import check

    given = "".join(f" {key}={value}" for key, value in subject.options.items())
    print(f"{subject.plugin.path}:{subject.idea.line}: {subject.idea.part} {subject.name}{given}")
    broken = 0

    def report(name: str, finding: str | None) -> None:
        nonlocal broken
        broken += finding is not None
        print(f"  {name:<18}  {'holds' if finding is None else 'BROKEN'}", flush=True)
        if finding is not None:
            print(textwrap.fill(finding, WIDTH, initial_indent="    ", subsequent_indent="    "))

    try:
        check(subject, report)
    except UserError as error:
        report("every call", str(error))
    return broken
