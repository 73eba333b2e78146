"""`noiseband report`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseband.cli import app
from noiseband.cli.people import (
    DEFAULT_CONFIG,
    MACHINES,
    Config,
    Machines,
    RuleParams,
    machine_table,
    made,
)
from noiseband.cli.stages import parse
from noiseband.errors import NotMadeError, UserError
from noiseband.study import Study, load_study, params
from noiseband.study.paths import Paths

if TYPE_CHECKING:
    from noiseband.tracking.running import RunProgress

EVERY = 10
"""Seconds between two looks at a study that is running."""


@app.command()
def report(
    config: Config = DEFAULT_CONFIG,
    params_text: RuleParams = None,
    results: Annotated[Path | None, typer.Option(help="With --params: results folder.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The page; default: report.html, or partial.html.")
    ] = None,
    machines: Machines = MACHINES,
    partial: Annotated[
        bool, typer.Option("--partial", help="Of a study that is still running: what there is.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="The same, made anew until every run is finished.")
    ] = False,
) -> None:
    """Build tables, figures, manifest and page anew from the study's runs, training nothing.

    Example: `noiseband report --config config/config.yaml --out /tmp/report.html`

    While a study runs, `noiseband report --watch` in another terminal keeps `partial.html` up to
    date: finished runs in full, the others with their progress. A browser that shows it follows.
    """
    if params_text is not None:
        from noiseband.report.page import write_report

        if results is None:
            raise UserError("--params needs --results beside it")
        given = parse(params.ReportParams, params_text)
        write_report(given, results, machines, out or Paths(results).report)
        return
    study = load_study(config)
    results, machines = study.results, machine_table(machines, config)
    if partial or watch:
        _partial(study, machines, out or results / "partial.html", watch)
        return
    out = out or Paths(results).report
    try:
        _finished(study, config, machines, out)
    except NotMadeError as missing:
        raise UserError(
            f"{missing} --configfile {config}; or see what there is: "
            f"noiseband report --partial --config {config}"
        ) from missing
    print(out)


def _finished(study: Study, config: Path, machines: Path, out: Path) -> None:
    """Write everything anew that is made from finished runs."""
    from noiseband.analysis.tables import write_tables
    from noiseband.published.comparison import write_comparison
    from noiseband.report.figures.write import write_figures
    from noiseband.report.page import write_report
    from noiseband.repro.manifest import write_manifest
    from noiseband.study.artefacts import deterministic_artefacts, judged_artefacts

    given, results = params.ReportParams.of(study), study.results
    write_tables(given, results)
    write_comparison(given, results)
    write_figures(given, results)
    artefacts, judged = (
        [made(file, config) for file in of(study)]
        for of in (deterministic_artefacts, judged_artefacts)
    )
    write_manifest(results, artefacts, Paths(results).manifest, judged)
    write_report(given, results, machines, out)


def _partial(study: Study, machines: Path, out: Path, watch: bool) -> None:
    """Write the partial page, once or until all runs are finished."""
    from noiseband.report.partial import write_partial
    from noiseband.tracking.running import progress

    seen: list[RunProgress] = []
    while True:
        now = progress(study)
        finished = all(one.state == "finished" for one in now)
        if now != seen:
            write_partial(study, machines, out, None if finished or not watch else EVERY)
            print(f"{out}  {_summary(now)}", file=sys.stderr)
        if not watch or finished:
            return
        seen = now
        time.sleep(EVERY)


def _summary(runs: list[RunProgress]) -> str:
    """`3 finished, 1 training, 20 waiting`."""
    states = Counter(one.state for one in runs)
    return ", ".join(f"{count} {state}" for state, count in states.items())
