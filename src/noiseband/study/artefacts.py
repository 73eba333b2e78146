"""The files that a study's stages write, and which of them are equal across reruns."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from noiseband.study.averages import averaged_over
from noiseband.study.command_params import declared_files
from noiseband.study.contamination import contaminations
from noiseband.study.corpora import Corpus, MixedCorpus, TokenisedCorpus
from noiseband.study.evaluations import evaluations_of
from noiseband.study.runs import Study
from noiseband.study.seen_questions import seen_questions
from noiseband.study.table_params import finetuned_models, shared_runs
from noiseband.study.weight_averages import average_name, average_names

SPLITS = ("train", "validation", "test")
AVERAGED_FILES = ("model.safetensors", "model.json", "test_loss.json", "test_documents.csv")
"""The files of an average of a run's weights that every rerun repeats."""
TABLES = (
    "runs", "pretrained", "contamination", "verdicts", "documents", "gaps", "noise", "stacks",
    "factorial", "finetuning", "epochs", "finetuning-noise", "twins", "positions",
    "seen-questions", "measurements", "metrics", "metric-verdicts", "items",
)  # fmt: skip
VOLATILE_TABLES = ("volatile-measurements", "volatile-metrics", "volatile-verdicts")
"""Tables of metrics that another execution of the same runs changes."""
FIGURES = (
    "effects", "metrics", "noise", "pareto", "loss", "learning-rate", "gradient-norm", "positions",
    "finetuning",
)  # fmt: skip
VOLATILE_FIGURES = ("volatile-metrics",)
"""Figures of those tables."""


def table_names(study: Study) -> list[str]:
    """Names of the study's CSV tables."""
    config = study.config
    some = {
        "averages": bool(config.averages),
        "shares": bool(shared_runs(study)),
        "published": config.published,
    }
    return [*TABLES, *(name for name, there in some.items() if there)]


def run_files(study: Study, *names: str) -> list[Path]:
    """The file `name` of every run, for every name."""
    return [folder / name for folder in map(study.paths.run, study.runs) for name in names]


def trained_files(study: Study, *names: str) -> list[Path]:
    """The files `names` of every run that the built-in trainer makes; empty with a command."""
    return [] if study.config.trainer is not None else run_files(study, *names)


def trace_files(study: Study) -> list[Path]:
    """The trace of every run, unless the study's trainer declares none."""
    trainer = study.config.trainer
    if trainer is not None and trainer.outputs.trace is None:
        return []
    return run_files(study, "trace.parquet")


def command_files(study: Study) -> list[Path]:
    """The files of every run of a command that reruns should repeat; empty without a command."""
    trainer = study.config.trainer
    return [] if trainer is None else run_files(study, *declared_files(trainer.outputs).values())


def pretrained_files(study: Study, *names: str) -> list[Path]:
    """The file `name` of every pretrained model, for every name."""
    return [folder / name for folder in map(study.paths.run, study.pretrained) for name in names]


def finetuned_files(study: Study, *names: str) -> list[Path]:
    """The file `name` of every fine-tuned model, for every name."""
    folders = [study.paths.finetuned(*model) for model in finetuned_models(study)]
    return [folder / name for folder in folders for name in names]


def converted_files(study: Study) -> list[Path]:
    """The exported models of a command in the form that fine-tuning reads."""
    if study.config.trainer is None:
        return []
    names = ("model.safetensors", "vocabulary.tiktoken", "shape.json")
    return [study.paths.converted(run.name) / name for run in study.finetuned for name in names]


def judged_files(study: Study) -> list[Path]:
    """Every judging round of every protocol that at least one run is fine-tuned with."""
    protocols = dict.fromkeys(protocol for _, protocol, _ in finetuned_models(study))
    rounds = range(1, study.config.judge.rounds + 1)
    return [study.paths.judged_round(name, number) for name in protocols for number in rounds]


def corpora_made_of(study: Study, what: Literal["text", "tokens", "corpora"]) -> list[str]:
    """Names of the corpora that this study tokenises from text, takes as ready-made tokens, or
    mixes from others."""
    kind = {"text": Corpus, "tokens": TokenisedCorpus, "corpora": MixedCorpus}[what]
    return [name for name, one in study.config.corpora.items() if isinstance(one, kind)]


def corpus_files(study: Study) -> list[Path]:
    """Splits, cards and vocabularies of the corpora that the study's runs use."""
    paths, from_text = study.paths, corpora_made_of(study, "text")
    text = [
        paths.corpus(corpus) / name
        for corpus in study.corpora
        if corpus in from_text
        for name in (*(f"{split}.jsonl" for split in SPLITS), "card.json")
    ]
    tokens = [
        file
        for corpus in study.corpora
        for file in (
            *(paths.split(corpus, split) for split in SPLITS),
            paths.tokens(corpus) / "card.json",
        )
    ]
    packed = [paths.packed(*one) for one in study.packed]
    return [
        *text,
        *tokens,
        *map(paths.vocabulary, study.corpora),
        *origin_files(study),
        *packed,
        *(file.with_suffix(".json") for file in packed),
    ]


def origin_files(study: Study) -> list[Path]:
    """The corpora that training tokens come from, for each mixture that is read and each corpus
    that is packed."""
    paths, mixed = study.paths, corpora_made_of(study, "corpora")
    files = [paths.split(corpus, "train") for corpus in study.corpora if corpus in mixed]
    return [paths.origin(file) for file in (*files, *(paths.packed(*one) for one in study.packed))]


def contamination_files(study: Study) -> list[Path]:
    """The contamination counts of every pair of a test window and training tokens."""
    return [study.paths.contamination(name) for name in contaminations(study)]


def seen_questions_files(study: Study) -> list[Path]:
    """The counts of seen questions for every pair of a set of rows and training tokens."""
    return [study.paths.seen_questions(name) for name in seen_questions(study)]


def evaluation_files(study: Study, *, repeatable: bool = False) -> list[Path]:
    """The metrics of every further evaluation of every run and pretrained model.

    Args:
        repeatable: only of those that give the same bytes a second time.
    """
    return [
        study.paths.evaluation(model, name)
        for model, name in evaluations_of(study)
        if study.config.evaluations[name].repeatable or not repeatable
    ]


def snapshot_files(study: Study) -> list[Path]:
    """The snapshots of every run with their digests, and what is measured of each alone."""
    config, paths = study.config, study.paths
    last = 0 if config.snapshots is None else config.snapshots.last
    weights = [
        paths.snapshot(run, number) / name
        for run in study.runs
        for number in range(1, last)
        for name in ("model.safetensors", "model.json")
    ]
    measured = [
        file
        for run, name in evaluations_of(study)
        if config.evaluations[name].repeatable
        for snapshot in averaged_over(study, run, name)
        for file in evaluated_files(study, snapshot, name)
    ]
    return [*weights, *measured]


def average_files(study: Study) -> list[Path]:
    """The averages of every run's weights with their digests, and what is measured of them."""
    return [
        file
        for run in study.runs
        for average in study.config.averages
        for file in (
            *(study.paths.average(run, average) / name for name in AVERAGED_FILES),
            *(
                file
                for name, one in study.config.evaluations.items()
                if one.repeatable
                for file in evaluated_files(study, average_name(run, average), name)
            ),
        )
    ]


def measured_averages(study: Study) -> list[Path]:
    """The metrics of the averages of every run's weights."""
    names = [name for run in study.runs for name in average_names(run, study.config.averages)]
    return [
        *(study.paths.run(name) / "test_loss.json" for name in names),
        *(study.paths.evaluation(name, one) for name in names for one in study.config.evaluations),
    ]


def evaluated_files(study: Study, model: str, evaluation: str) -> list[Path]:
    """The metrics of one further evaluation of a model, and the items if it has any."""
    metrics = study.paths.evaluation(model, evaluation)
    if not study.config.evaluations[evaluation].has_items:
        return [metrics]
    return [metrics, study.paths.evaluation_items(model, evaluation)]


def evaluation_item_files(study: Study, *, repeatable: bool = False) -> list[Path]:
    """The results for each item of every further evaluation that has them; `repeatable` as in
    `evaluation_files`."""
    return [
        study.paths.evaluation_items(model, name)
        for model, name in evaluations_of(study)
        if study.config.evaluations[name].has_items
        and (study.config.evaluations[name].repeatable or not repeatable)
    ]


def table_inputs(study: Study) -> list[Path]:
    """The files that the tables are made from."""
    return [
        *trained_files(study, "recipe.json", "model.json", "trace.parquet"),
        *trained_files(study, "test_loss.json", "test_documents.csv"),
        *command_files(study),
        *(run_files(study, "timing.json") if _any_volatile(study) else []),
        *pretrained_files(study, "pretrained.json", "model.json", "test_loss.json"),
        *evaluation_files(study),
        *evaluation_item_files(study),
        *measured_averages(study),
        *contamination_files(study),
        *seen_questions_files(study),
        *finetuned_files(study, "epochs.json", "answers.jsonl"),
        *judged_files(study),
        *_share_files(study),
    ]


def _share_files(study: Study) -> list[Path]:
    """What tells where the tokens come from that runs read."""
    paths, corpora = study.paths, dict.fromkeys(run.corpus for run in shared_runs(study))
    return [
        *(paths.tokens(corpus) / "card.json" for corpus in corpora),
        *origin_files(study),
        *(paths.packed(*one).with_suffix(".json") for one in study.packed),
    ]


def _identifying(study: Study) -> list[str]:
    """The file with the digest of a run's weights."""
    return ["model.json"] if study.config.trainer is None else []


def _repeatable(study: Study) -> list[Path]:
    """The files of a command's runs for the manifest: without `result.json` if some of its metrics
    may be volatile; the measurements that are not are in a table."""
    names = ["result.json"] if _any_volatile(study) else []
    return [file for file in command_files(study) if file.name not in names]


def _any_volatile(study: Study) -> bool:
    return any(metric.volatile for metric in study.metrics)


def page_inputs(study: Study) -> list[Path]:
    """What the page itself shows of runs and corpora.

    Tables and figures hold the rest, and the manifest changes with any of it.
    """
    cards = [
        *(study.paths.corpus(corpus) / "card.json" for corpus in corpora_made_of(study, "text")),
        *(study.paths.tokens(corpus) / "card.json" for corpus in study.corpora),
    ]
    originals = dict.fromkeys(run.repeat_of for run in study.repeats if run.repeat_of)
    files = [
        *(card for card in cards if card.parent.name in study.corpora),
        *run_files(study, "recipe.json", "timing.json", "provenance.json"),
        *trained_files(study, "samples.jsonl"),
        *(study.paths.run(run) / name for run in originals for name in _identifying(study)),
        *command_files(study),
        *pretrained_files(study, "pretrained.json"),
        *finetuned_files(study, "answers.jsonl"),
        *judged_files(study),
    ]
    return list(dict.fromkeys(files))


def judged_artefacts(study: Study) -> list[Path]:
    """Files that depend on a judge's replies, if asking it again may give other replies.

    Replies are stored, so these files are equal across reruns that keep the store.
    """
    if study.config.judge.repeatable or not finetuned_models(study):
        return []
    return [
        *judged_files(study),
        *map(study.paths.table, ("finetuning", "finetuning-noise", "twins")),
        study.paths.tables / "answers.parquet",
        study.paths.figure("finetuning"),
    ]


def deterministic_artefacts(study: Study) -> list[Path]:
    """Every file whose bytes, or tensors, are equal across reruns."""
    judged, paths = set(judged_artefacts(study)), study.paths
    starts = [paths.start(start) for start in study.starts]
    files = [
        *corpus_files(study),
        *starts,
        *(start.with_suffix(".json") for start in starts),
        *trained_files(study, "recipe.json", "model.safetensors", "model.json"),
        *trained_files(study, "trace.parquet", "samples.jsonl"),
        *trained_files(study, "test_loss.json", "test_documents.csv"),
        *_repeatable(study),
        *snapshot_files(study),
        *average_files(study),
        *pretrained_files(study, "pretrained.json", "model.safetensors", "model.json"),
        *pretrained_files(study, "test_loss.json", "test_documents.csv"),
        *evaluation_files(study, repeatable=True),
        *evaluation_item_files(study, repeatable=True),
        *contamination_files(study),
        *seen_questions_files(study),
        *converted_files(study),
        *finetuned_files(study, "model.safetensors", "epochs.json", "answers.jsonl"),
        *judged_files(study),
        *(paths.verified(run.name) for run in study.repeats),
        *map(paths.table, table_names(study)),
        *([] if study.config.trainer is not None else map(paths.table, ("init", "starts"))),
        paths.tables / "answers.parquet",
        *map(paths.figure, FIGURES),
    ]
    return [file for file in files if file not in judged]
