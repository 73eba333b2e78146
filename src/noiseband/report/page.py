"""The report: one self-contained file that makes no network requests."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from noiseband.analysis import inference
from noiseband.analysis.agreement import agreements
from noiseband.analysis.command_runs import by_command, identity
from noiseband.analysis.measurements import values
from noiseband.analysis.noise import noise_sentence
from noiseband.analysis.rows import (
    AverageRow,
    ContaminationRow,
    DocumentsRow,
    FactorialRow,
    GapRow,
    ItemsRow,
    MeasurementRow,
    MetricRow,
    MetricVerdictRow,
    NoiseRow,
    PretrainedRow,
    RunRow,
    ShareRow,
    StackRow,
    VerdictRow,
)
from noiseband.analysis.sources import json_if_any
from noiseband.analysis.tuning_rows import (
    FinetuningRow,
    SeenQuestionsRow,
    TuningNoiseRow,
    TwinRow,
)
from noiseband.errors import NotMadeError
from noiseband.io.checksums import intact
from noiseband.io.files import write_text
from noiseband.io.series import read_series
from noiseband.io.tables import read_rows
from noiseband.report import words
from noiseband.report.figures.palette import GLYPHS, slug, variables
from noiseband.report.packed import packed
from noiseband.report.sanitize import plain, shown
from noiseband.report.views.agreement import agreement_sentences
from noiseband.report.views.answer import facts, groups, scatter_note
from noiseband.report.views.corpus import corpus
from noiseband.report.views.costs import costs
from noiseband.report.views.explorer import explorer
from noiseband.report.views.factorial import factorial_view
from noiseband.report.views.gaps import gaps
from noiseband.report.views.metrics import columns
from noiseband.report.views.provenance import provenance
from noiseband.report.views.published import published_view
from noiseband.report.views.questions import questions
from noiseband.report.views.recipes import baseline_recipe, differences
from noiseband.report.views.samples import checkpoints, last_samples, samples
from noiseband.report.views.seen_questions import seen_sentences
from noiseband.report.views.shares import shares
from noiseband.report.views.starts import starts
from noiseband.study.artefacts import FIGURES, VOLATILE_FIGURES
from noiseband.study.metrics import TEST_LOSS
from noiseband.study.paths import Paths
from noiseband.study.table_params import ReportParams
from noiseband.tracking.running import RunProgress

TEMPLATES = Path(__file__).parent / "templates"
SCRIPT = (
    "text", "sort", "csv", "save", "numbers", "switches", "unpack", "timeline",
    "explorer-state", "explorer-search", "explorer-view", "explorer-controls", "explorer",
    "start",
)  # fmt: skip
"""Files of `templates/script`, joined into one script; the last file calls the others."""


def write_report(params: ReportParams, results: Path, machines: Path, out: Path) -> None:
    """Write the page from the tables, figures and records under `results`.

    On one installation, equal files make an equal page. `machines` is the table of machines.
    Raises UserError for a missing table or figure; the page says what else is missing and how to
    make it.
    """
    page = environment().get_template("page.html").render(context(params, results, machines))
    write_text(out, page, checksum=False)


def environment(templates: Path = TEMPLATES) -> Environment:
    """The templates in a folder; every value is escaped, and an unknown name is an error."""
    jinja = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {
        "shown": shown,
        "plain": plain,
        "slug": slug,
        "fixed": words.fixed,
        "with_unit": words.with_unit,
        "percent": words.percent,
        "signed": words.signed,
        "effect_decimals": words.effect_decimals,
        "whole_percent": words.whole_percent,
        "p_text": words.p_text,
        "firmness": words.firmness,
        "differ": words.differ,
        "items_differ": words.items_differ,
        "item_decimals": words.item_decimals,
        "difference_decimals": words.difference_decimals,
        "test_tokens": words.test_tokens,
        "spelled": words.spelled,
        "listed": words.listed,
        "duration": words.time,
    }
    jinja.globals |= {"glyphs": GLYPHS, "counted": words.counted, "seeds": words.seeds}
    return jinja


def context(params: ReportParams, results: Path, machines: Path) -> dict[str, Any]:
    """All that the templates show."""
    tables = Paths(results).tables
    runs = read_rows(tables / "runs.csv", RunRow)
    verdicts = read_rows(tables / "verdicts.csv", VerdictRow)
    models = read_rows(tables / "finetuning.csv", FinetuningRow)
    baseline = next(row for row in runs if row.run == params.baseline)
    measured = read_rows(tables / "measurements.csv", MeasurementRow)
    loss = values(measured, TEST_LOSS).get(params.baseline)
    noise = read_rows(tables / "noise.csv", NoiseRow)
    distinct = [row.run for row in runs if not row.repeat_of]
    growth = samples(results, params.baseline)
    others = [run for run in distinct if run != params.baseline]
    moments = checkpoints(results, [params.baseline, *others])
    asked = read_rows(tables / "seen-questions.csv", SeenQuestionsRow)
    answered = explorer(results, models, runs)
    volatile = [metric.name for metric in params.judged if metric.volatile]
    return {
        "params": params,
        "page": _assets(),
        "partial": [],
        "waiting": False,
        "refresh": None,
        "charts": {name: _chart(results, name) for name in (*FIGURES, *VOLATILE_FIGURES)},
        "primary": params.primary,
        "metric_columns": columns(
            verdicts,
            read_rows(tables / "metrics.csv", MetricRow),
            read_rows(tables / "metric-verdicts.csv", MetricVerdictRow),
            read_rows(tables / "volatile-metrics.csv", MetricRow),
            read_rows(tables / "volatile-verdicts.csv", MetricVerdictRow),
        ),
        "groups": groups(verdicts, params.primary),
        "summary": words.summary(verdicts),
        "facts": facts(params, runs, verdicts),
        "scatter_note": scatter_note(verdicts),
        "confidence": f"{1 - params.alpha:.0%}",
        "decimals": words.effect_decimals(verdicts),
        "runs": runs,
        "pretrained": read_rows(tables / "pretrained.csv", PretrainedRow),
        "gaps": gaps(read_rows(tables / "gaps.csv", GapRow)),
        "verdicts": verdicts,
        "items": read_rows(tables / "items.csv", ItemsRow),
        "averages": (read_rows(tables / "averages.csv", AverageRow) if params.averages else []),
        "shares": shares(read_rows(tables / "shares.csv", ShareRow) if params.shares else []),
        "documents": read_rows(tables / "documents.csv", DocumentsRow),
        "verdict_of": {row.intervention: row for row in verdicts},
        "costs": costs(params, results, machines, runs, verdicts),
        "without_value": inference.without_value(runs),
        "baseline": baseline,
        "baseline_loss": loss,
        "noise": noise,
        "noise_sentence": noise_sentence(noise, params.alpha),
        "factorial": factorial_view(
            params, read_rows(tables / "factorial.csv", FactorialRow), runs
        ),
        "stacks": read_rows(tables / "stacks.csv", StackRow),
        "growth": growth,
        "logged": _logged(results, params),
        "timeline": packed(moments) if growth else None,
        "last_samples": last_samples(results, distinct),
        "published": published_view(tables) if params.published else None,
        "models": models,
        "tuning_noise": read_rows(tables / "finetuning-noise.csv", TuningNoiseRow),
        "twins": read_rows(tables / "twins.csv", TwinRow),
        "seen_questions": asked,
        "seen_sentences": seen_sentences(asked),
        "agreement": agreement_sentences(agreements(results, models, params.alpha), params.alpha),
        "questions": {
            protocol: questions(results, protocol, models)
            for protocol in dict.fromkeys(row.protocol for row in models)
        },
        "explorer": packed(answered) if answered else None,
        "starts": starts(tables),
        "reruns": [found for run in params.runs if (found := _rerun(results, run, volatile))],
        "differences": differences(results, runs),
        "recipe": baseline_recipe(results, params.baseline),
        "corpora": [
            found
            for name in params.corpora
            if (
                found := corpus(
                    results, name, params.baseline, loss, params.unit, params.measured_on
                )
            )
        ],
        "contamination": read_rows(tables / "contamination.csv", ContaminationRow),
        "provenance": provenance(results, params.runs),
    }


def waiting(params: ReportParams, partial: Sequence[RunProgress]) -> dict[str, Any]:
    """What the templates show while no run of the baseline is finished."""
    return {
        "params": params,
        "page": _assets(),
        "partial": partial,
        "waiting": True,
        "refresh": None,
    }


def _assets() -> dict[str, Any]:
    """The style, the script, and a content security policy that allows only this script."""
    style = variables(":root") + (TEMPLATES / "style.css").read_text(encoding="utf-8")
    files = [TEMPLATES / "script" / f"{name}.js" for name in SCRIPT]
    script = '"use strict";\n' + "".join(file.read_text(encoding="utf-8") for file in files)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    ours = {"style": Markup(style), "script": Markup(script)}  # nosec B704
    return {**ours, "policy": policy}


def _chart(results: Path, name: str) -> Markup:
    """A figure as part of the page. Its texts were escaped when the figure was drawn."""
    path = Paths(results).figure(name)
    try:
        text = intact(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotMadeError(path) from error
    return Markup(text)  # nosec B704


def _logged(results: Path, params: ReportParams) -> list[str]:
    """The columns of the baseline's trace; empty if its trainer logs no steps."""
    trace = Paths(results).run(params.baseline) / "trace.parquet"
    if not params.command:
        return ["loss"]
    return list(read_series(trace)[1]) if trace.exists() else []


def _rerun(results: Path, run: str, volatile: Sequence[str]) -> Any:
    """The finding about a run that was trained twice; None if there is none for these weights."""
    found = json_if_any(Paths(results).verified(run))
    if found is None:
        return None
    original = Paths(results).run(found["original"])
    if by_command(original):
        return found if found["sha256"]["original"] == identity(original, volatile) else None
    now = json_if_any(Paths(results).run(found["original"]) / "model.json") or {}
    return found if found["sha256"]["original"] == now.get("sha256") else None
