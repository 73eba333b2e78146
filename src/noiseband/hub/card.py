"""The model card: a Markdown page about a run, written from its files and the study's tables."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from noiseband.analysis import inference
from noiseband.analysis.rows import NoiseRow, RunRow, VerdictRow
from noiseband.analysis.sources import json_file, json_if_any, json_lines
from noiseband.corpus.vocabulary import END_OF_TEXT
from noiseband.errors import UserError, run_command
from noiseband.hub import markdown
from noiseband.io.tables import read_rows
from noiseband.model.gpt import parameter_shapes
from noiseband.report import words
from noiseband.report.views.recipes import baseline_recipe
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.verdicts import Call
from noiseband.study import Run, Study
from noiseband.study.architecture import Model
from noiseband.study.hub_classes import hub_class
from noiseband.study.mixtures import parts
from noiseband.study.section import written

TEMPLATES = Path(__file__).parent / "templates"
VARIED = {
    "init_and_train": "all seeds",
    "train_only": "the training seed alone",
    "data_only": "the seed of the data's order alone",
    "init_only": "the seed of the initial weights alone",
}
"""For each noise component, what differs between its runs."""
SAMPLE = 500
"""The number of characters of the last sample that are shown."""


def card_text(study: Study, run: Run, repo: str, licence: str) -> str:
    """The card of a finished run. Equal files give equal text.

    Raises UserError if a file of the run is missing, or the tables describe another training.
    """
    folder = study.paths.run(run.name)
    provenance, digests = json_file(folder / "provenance.json"), json_file(folder / "model.json")
    samples = json_lines(folder / "samples.jsonl")
    recipe = run.built_in
    return _environment().get_template("card.md").render(
        head=_head(licence, recipe.model),
        title=repo.partition("/")[2],
        repo=repo,
        run=run.name,
        study=study.config.study,
        about=study.config.title,
        parameters=sum(math.prod(shape) for shape in parameter_shapes(recipe.model).values()),
        changes=[(k, written(a), written(b)) for k, (a, b) in run.difference.items()],
        loss=json_file(folder / "test_loss.json"),
        standing=standing(study, run, digests["sha256"]),
        sample=_last(samples),
        steps=f"{recipe.steps:,}",
        tokens=f"{recipe.tokens:,}",
        data=_data(study, recipe.data.corpus),
        recipe=baseline_recipe(study.results, run.name),
        software=provenance["software"],
        processor=provenance["processor"].get("gpu", provenance["processor"]["cpu"]),
        inputs=sorted(provenance["inputs"].items()),
        recipe_sha256=provenance["recipe_sha256"],
        weights_sha256=digests["sha256"],
        licence=licence,
    )  # fmt: skip


def standing(study: Study, run: Run, weights_sha256: str) -> list[str]:
    """The study's verdict on the run's recipe, as sentences of Markdown.

    Raises UserError if the tables were made from other weights.
    """
    tables = study.paths.tables
    if not (tables / "runs.csv").is_file():
        return ["**No verdict:** this study has no tables yet, so its noise is unknown."]
    rows = read_rows(tables / "runs.csv", RunRow)
    row = next((row for row in rows if row.run == run.name), None)
    if row is None or row.weights_sha256 != weights_sha256:
        raise UserError(
            f"{tables / 'runs.csv'}: describes another training of {run.name}; make it again: "
            f"{run_command(tables / 'runs.csv')}"
        )
    verdicts = read_rows(tables / "verdicts.csv", VerdictRow)
    noise = _noise(read_rows(tables / "noise.csv", NoiseRow), study.config.alpha)
    noise = [*_band(verdicts, study.config.alpha), *noise]
    if run.intervention == BASELINE:
        return noise
    found = next((one for one in verdicts if one.intervention == run.intervention), None)
    if found is None:
        return ["**No verdict:** this recipe is only a part of the study's design.", *noise]
    return [*_verdict(found, rows, study.config.alpha), *noise]


def _verdict(row: VerdictRow, rows: Sequence[RunRow], alpha: float) -> list[str]:
    name, decimals = markdown.code(row.intervention), words.effect_decimals([row])
    said = [f"**Verdict: {row.verdict}.** The change {name} {words.answer(row, decimals)}"]
    baselines = sum(one.intervention == BASELINE and one.repeat_of is None for one in rows)
    counts = (
        f"{words.counted(row.runs, 'run')} of it and {words.counted(baselines, 'baseline run')}"
    )
    if row.verdict == Call.NOT_ENOUGH_RUNS:
        said.append(f"That rests on {counts}: too few to tell a difference from noise.")
        return said
    if row.verdict == Call.IDENTICAL:
        return said
    said.append(
        f"That rests on {counts}; the interval ({1 - alpha:.0%}) and "
        f"p = {words.p_text(row.p_value)} hold for all changes of the study "
        "together. The verdict is about the change, over all of its runs, not about these weights."
    )
    return said


def _band(rows: Sequence[VerdictRow], alpha: float) -> list[str]:
    """The sentence about the noise band; nothing if the study cannot estimate it."""
    half = inference.band_half_width(rows)
    if half is None:
        return []
    return [
        f"**Noise band: ±{words.fixed(half, words.decimals_of(half))}.** By the study's model, a "
        "new run of the baseline on new seeds falls this close to the mean of its runs with a "
        f"probability of {1 - alpha:.0%}: another run's loss within the band is no sign of a "
        "better or a worse recipe."
    ]


def _noise(rows: Sequence[NoiseRow], alpha: float) -> list[str]:
    """The sentences about how much baseline runs scatter, or that this is unknown."""
    known = [row for row in rows if row.sd is not None and row.component in VARIED]
    if not known:
        return [
            "**Noise unknown:** not enough runs. The baseline was not run with two different "
            "seeds, so a difference between this loss and another says nothing by itself."
        ]
    lines = []
    for row in known:
        decimals = words.decimals_of(row.sd)
        low, high = (words.fixed(end, decimals) for end in (row.sd_low, row.sd_high))
        lines.append(
            f"**Noise:** {row.n} baseline runs that differ in {VARIED[row.component]} "
            f"have a mean of {words.fixed(row.mean, decimals)} and a standard deviation of "
            f"{words.fixed(row.sd, decimals)} ({1 - alpha:.0%} interval: {low} to "
            f"{high}), from {words.fixed(row.minimum, decimals)} to "
            f"{words.fixed(row.maximum, decimals)}."
        )
    return lines


def _head(licence: str, model: Model) -> str:
    data = {
        "license": licence,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": [hub_class(model) or "gpt2", "noiseband", "reproducibility"],
    }
    return f"---\n{yaml.safe_dump(data, sort_keys=False)}---\n"


def _last(samples: list[dict[str, Any]]) -> dict[str, str] | None:
    if not samples:
        return None
    one = samples[-1]
    # The end-of-text token gets another name, so that it stands out from the text around it.
    text = str(one["text"])[:SAMPLE].replace(END_OF_TEXT, "[end of text]")
    return {"prompt": str(one["prompt"]), "text": text}


def _data(study: Study, corpus: str) -> list[str]:
    """One line for each source of the corpus, or of the corpora that it mixes, with its licence."""
    mixed = parts(study.config.corpora, corpus)
    if mixed != [corpus]:
        return [line for part in mixed for line in _data(study, part)]
    # A pretokenised corpus has no documents: the card of its tokens names the sources.
    card = json_if_any(study.paths.corpus(corpus) / "card.json")
    card = card or json_if_any(study.paths.tokens(corpus) / "card.json") or {}
    lines = []
    for source in card.get("sources", []):
        name = source.get("package") or source.get("repo") or source.get("path") or "documents"
        pinned = source.get("version") or source.get("revision") or ""
        licence = source.get("licence") or source.get("license") or "licence not recorded"
        lines.append(f"{name} {pinned}: {licence}".replace(" :", ":"))
    return lines or [f"the corpus {corpus}, as noiseband/config.json says"]


def _environment() -> Environment:
    jinja = Environment(  # nosec B701
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # This is Markdown, not HTML: each filter escapes its value for the place where it is used.
    jinja.filters |= {
        "inline": markdown.inline,
        "code": markdown.code,
        "block": markdown.block,
        "tojson": json.dumps,
    }
    return jinja
