"""The page of a study that is still running: results of finished runs, progress of the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from noiseband.analysis.tables import write_tables
from noiseband.io.files import write_text
from noiseband.published.comparison import write_comparison
from noiseband.report.figures.write import write_figures
from noiseband.report.page import context, environment, waiting
from noiseband.study import Study
from noiseband.study.paths import Paths
from noiseband.study.runs import BASELINE
from noiseband.study.table_params import ReportParams
from noiseband.tracking.running import RunProgress, State, progress

READ = ("corpus", "tokens", "init", "runs", "contamination", "judge", "verify")
"""Folders of a study that tables, figures and page read."""


def write_partial(
    study: Study, machines: Path, out: Path, refresh: int | None = None
) -> list[RunProgress]:
    """Write the page from the runs finished so far; return the progress of every run.

    With `refresh`, a browser reloads the page after that many seconds. Its tables and figures go
    to `work/partial`, so that the workflow's own stay unchanged. Without a finished run of the
    baseline there is nothing to compare with, and the page shows only progress. Raises UserError
    as `write_report` does.
    """
    found = progress(study)
    params = _finished_part(study, found)
    if params is None:
        shown = waiting(ReportParams.of(study), found)
    else:
        view = _view(study.results)
        write_tables(params, view)
        write_comparison(params, view)
        write_figures(params, view)
        shown = {**context(params, view, machines), "partial": found}
    page = environment().get_template("page.html")
    write_text(out, page.render({**shown, "refresh": refresh}), checksum=False)
    return found


def _finished_part(study: Study, found: Sequence[RunProgress]) -> ReportParams | None:
    """The study reduced to its finished runs; None if no run of the baseline is finished."""
    done = [one.run for one in found if one.state == State.FINISHED]
    baselines = [name for name in done if study.runs[name].intervention == BASELINE]
    if not baselines:
        return None
    whole = ReportParams.of(study)
    answered = [
        model
        for model in whole.models
        if model.partition("/")[0] in (*done, *whole.pretrained) and _tuned(study.results, model)
    ]
    counted = {
        name: [run for run in runs if run in done]
        for name, runs in whole.contamination.items()
        if study.paths.contamination(name).exists()
    }
    tuned = {model.partition("/")[0] for model in answered}
    asked = {
        name: [run for run in runs if run in tuned]
        for name, runs in whole.seen_questions.items()
        if tuned.intersection(runs) and study.paths.seen_questions(name).exists()
    }
    loss = {name: study.paths.run(name) / "test_loss.json" for name in whole.pretrained}
    return whole.model_copy(
        update={
            "runs": done,
            "recipes": [],  # `progress` has compared them
            "pretrained": [name for name, file in loss.items() if file.exists()],
            "contamination": counted,
            "seen_questions": asked,
            "models": answered,
            "shares": [run for run in whole.shares if run in done],
            "baseline": whole.baseline if whole.baseline in baselines else baselines[0],
        }
    )


def _tuned(results: Path, model: str) -> bool:
    run, protocol, seed = model.split("/")
    folder = Paths(results).finetuned(run, protocol, seed)
    return (folder / "epochs.json").exists() and (folder / "answers.jsonl").exists()


def _view(results: Path) -> Path:
    """A results folder with links to the study's files and with its own tables and figures."""
    view = Paths(results).work / "partial"
    view.mkdir(parents=True, exist_ok=True)
    for name in READ:
        link = view / name
        if not link.is_symlink():
            link.symlink_to(Path("..", "..", name))
    return view
