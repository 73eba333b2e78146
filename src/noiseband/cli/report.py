"""`noiseband report`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import (
    DEFAULT_CONFIG,
    EVERY,
    MACHINES,
    Config,
    Machines,
    RuleParams,
    machine_table,
    parse,
)
from noiseband.errors import NotMadeError, UserError, study_command
from noiseband.study import Study, load_study, table_params
from noiseband.study.paths import Paths

if TYPE_CHECKING:
    from noiseband.tracking.running import RunProgress


@app.command()
def report(
    config: Config = DEFAULT_CONFIG,
    params_text: RuleParams = None,
    results: Annotated[Path | None, typer.Option(help="With --params: the results folder.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the page; default: report.html, or partial.html.")
    ] = None,
    machines: Machines = MACHINES,
    partial: Annotated[
        bool, typer.Option("--partial", help="Show what a study that is still running has so far.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Like --partial, but update the page until every run is finished."
        ),
    ] = False,
) -> None:
    """Rebuild tables, figures, manifest and page from the study's runs, without training.

    Example: `noiseband report --config config/config.yaml --out /tmp/report.html`

    While a study runs, `noiseband report --watch` in another terminal keeps `partial.html` up to
    date: finished runs in full, the others with their progress. A browser reloads it by itself.
    """
    if params_text is not None:
        from noiseband.report.page import write_report

        if results is None:
            raise UserError("--results is missing: --params needs it")
        given = parse(table_params.ReportParams, params_text)
        write_report(given, results, machines, out or Paths(results).report)
        from noiseband.referee.show.text import as_text
        from noiseband.referee.study import of_tables

        print(as_text(of_tables(results, given)), file=sys.stderr)
        return
    study = load_study(config)
    results, machines = study.results, machine_table(machines, config)
    if partial or watch:
        _partial(study, machines, out or results / "partial.html", watch)
        return
    from noiseband.report.finished import write_finished

    out = out or Paths(results).report
    try:
        write_finished(study, machines, out)
    except NotMadeError as missing:
        partly = study_command("report", "--partial")
        raise UserError(f"{missing}; or see the results so far: {partly}") from missing
    print(out)


def _partial(study: Study, machines: Path, out: Path, watch: bool) -> None:
    """Write the partial page once, or with `watch` until all runs are finished."""
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
    """The number of runs in each state, as in `3 finished, 1 training, 20 waiting`."""
    states = Counter(one.state for one in runs)
    return ", ".join(f"{count} {state}" for state, count in states.items())
