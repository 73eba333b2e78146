"""What the rule files need: the study, and the files that stages leave and others read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from noiseband.dag.code import PACKAGE
from noiseband.errors import UserError
from noiseband.files import is_sum
from noiseband.plan.machines import load_machines, machine_of
from noiseband.study import Study, parse_study, read_yaml
from noiseband.study.contamination import contaminations
from noiseband.study.corpora import Corpus, FileSource, TokenisedCorpus
from noiseband.study.extend import EXTENDS, extended
from noiseband.study.params import finetuned_models
from noiseband.terminal import on_a_terminal


def one_of(names: Iterable[str]) -> str:
    """A wildcard's constraint: one of these names, and nothing at all where there are none.

    It is part of every path with the wildcard, and Snakemake reads those once for each job and
    file, so a thousand names must be short: runs that share their seeds are `(?:a|b)-(?:1|2)`.
    """
    tails: dict[str, list[str]] = {}
    for name in names:
        head, dash, tail = name.rpartition("-")
        tails.setdefault(re.escape(head + dash), []).append(re.escape(tail))
    heads: dict[tuple[str, ...], list[str]] = {}
    for head, own in tails.items():
        heads.setdefault(tuple(own), []).append(head)
    either = ("|".join(alike) for alike in heads.values())
    last = ("|".join(own) for own in heads)
    return "|".join(f"(?:{a})(?:{b})" for a, b in zip(either, last, strict=True)) or "(?!)"


def beside(snakefile: str, file: str) -> str:
    """A file of the repository: in the folder in which the study runs (`--directory`), or else in
    the folder `snakefile`, where the Snakefile is."""
    return file if Path(file).exists() else os.path.relpath(Path(snakefile, file))


def report_assets() -> list[str]:
    """Templates, styles and scripts of the page."""
    files = (PACKAGE / "report" / "templates").rglob("*")
    return sorted(os.path.relpath(file) for file in files if file.is_file())


def study_of(config: dict[str, Any], files: list[str], machines: str) -> Study:
    """The study of Snakemake's merged config, on a machine of the table.

    Snakemake reads YAML more loosely than we do, so the files are read a second time for what it
    lets pass, such as a key written twice. A mistake ends the process with its message alone:
    an exception in a Snakefile would bury it under a traceback.
    """
    try:
        # A path in `extends` starts at the file that says it, the last of those that do.
        extending = [file for file in files if EXTENDS in (read_yaml(file) or {})]
        data = extended(config, Path([*files[-1:], *extending][-1])) if files else config
        study = parse_study(data, source=", ".join(map(str, files)) or "config")
        # The report, which comes last, would be the first to miss one.
        table = load_machines(Path(machines))
        for machine in dict.fromkeys(map(study.machine, study.runs.values())):
            machine_of(table, machine)
        return study
    except UserError as error:
        print(on_a_terminal(str(error)), file=sys.stderr)
        sys.exit(2)


def check_folders(study: Study) -> None:
    """End with a line where a folder of texts or tokens is not there: a pattern that matches no
    file would be found out by the job alone."""
    for name in study.corpora:
        chosen = study.config.corpora[name]
        sources = [chosen.tokenised] if isinstance(chosen, TokenisedCorpus) else chosen.sources
        for source in sources:
            path = getattr(source, "path", None)
            if path is not None and not Path(path).is_dir():
                print(
                    f"corpora.{name}: path: {path!r}: no such folder; a path starts at the folder "
                    "in which snakemake runs",
                    file=sys.stderr,
                )
                sys.exit(2)


TABLES = (
    "runs", "pretrained", "contamination", "verdicts", "gaps", "noise", "stacks", "factorial",
    "finetuning", "epochs", "finetuning-noise", "twins", "positions",
)  # fmt: skip
FIGURES = (
    "effects", "noise", "pareto", "loss", "learning-rate", "gradient-norm", "positions",
    "finetuning",
)  # fmt: skip


def table_names(study: Study) -> list[str]:
    """Names of the study's CSV tables."""
    return [*TABLES, *(["reproduced"] if study.config.published else [])]


def run_files(study: Study, *names: str) -> list[str]:
    """`results/runs/<run>/<name>` for every run and name."""
    return [f"{study.config.results}/runs/{run}/{name}" for run in study.runs for name in names]


def pretrained_files(study: Study, *names: str) -> list[str]:
    """`results/runs/<model>/<name>` for every pretrained model and name."""
    results = study.config.results
    return [f"{results}/runs/{model}/{name}" for model in study.pretrained for name in names]


def finetuned_files(study: Study, *names: str) -> list[str]:
    """`results/runs/<run>/ift/<protocol>/<seed>/<name>` for every fine-tuned model and name."""
    return [
        f"{study.config.results}/runs/{run}/ift/{protocol}/{seed}/{name}"
        for run, protocol, seed in finetuned_models(study)
        for name in names
    ]


def judged_files(study: Study) -> list[str]:
    """Every judging round of every protocol that some run is fine-tuned by."""
    protocols = dict.fromkeys(protocol for _, protocol, _ in finetuned_models(study))
    return [
        f"{study.config.results}/judge/{protocol}/round-{number}.jsonl"
        for protocol in protocols
        for number in range(1, study.config.judge.rounds + 1)
    ]


def corpora_made_of(study: Study, what: Literal["text", "tokens"]) -> list[str]:
    """Names of the corpora whose tokens are made here from text, or are made already by others."""
    kind = Corpus if what == "text" else TokenisedCorpus
    return [name for name, one in study.config.corpora.items() if isinstance(one, kind)]


def local_files(study: Study, corpus: str) -> list[str]:
    """Files in folders that a corpus is read from. They are inputs; those of the Hub are none."""
    chosen = study.config.corpora[corpus]
    if isinstance(chosen, TokenisedCorpus):
        source = chosen.tokenised
        return [f"{source.path}/{file}" for file in source.files.values() if source.path]
    return [
        str(path)
        for source in chosen.sources
        if isinstance(source, FileSource) and source.path
        for path in matching_files(source)
    ]


def matching_files(source: FileSource) -> list[Path]:
    """Files of a source in a folder; none where the folder is not there, which the rule's command
    then says."""
    folder = Path(str(source.path))
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not is_sum(path)
        and any(fnmatchcase(path.relative_to(folder).as_posix(), one) for one in source.files)
    )


def corpus_files(study: Study, folder: str, *names: str) -> list[str]:
    """`results/<folder>/<corpus>/<name>` for every corpus of the study's runs; in the folder
    `corpus`, of those made from text."""
    corpora = study.corpora
    made = corpora_made_of(study, "text") if folder == "corpus" else corpora
    return [
        f"{study.config.results}/{folder}/{corpus}/{name}"
        for corpus in corpora
        if corpus in made
        for name in names
    ]


def contamination_files(study: Study) -> list[str]:
    """`results/contamination/<window>.json` for every test window and training tokens."""
    return [f"{study.config.results}/contamination/{name}.json" for name in contaminations(study)]


def table_inputs(study: Study) -> list[str]:
    """What the tables are made of."""
    return [
        *run_files(study, "recipe.json", "model.json", "trace.parquet", "test_loss.json"),
        *pretrained_files(study, "pretrained.json", "model.json", "test_loss.json"),
        *contamination_files(study),
        *finetuned_files(study, "epochs.json", "answers.jsonl"),
        *judged_files(study),
    ]


def page_inputs(study: Study) -> list[str]:
    """What the page shows of runs and corpora itself. Tables and figures hold the rest, and the
    manifest changes with any of it."""
    originals = dict.fromkeys(run.repeat_of for run in study.repeats)
    return [
        *corpus_files(study, "corpus", "card.json"),
        *corpus_files(study, "tokens", "card.json"),
        *run_files(study, "recipe.json", "samples.jsonl", "timing.json", "provenance.json"),
        *(f"{study.config.results}/runs/{run}/model.json" for run in originals),
        *pretrained_files(study, "pretrained.json"),
        *finetuned_files(study, "answers.jsonl"),
        *judged_files(study),
    ]


def judged_artefacts(study: Study) -> list[str]:
    """Files that hold what a judge said, where asking it anew may give something else; what it said
    once is stored, so that they are equal across reruns which keep the store."""
    if study.config.judge.repeatable or not finetuned_models(study):
        return []
    results = study.config.results
    return [
        *judged_files(study),
        *(f"{results}/tables/{name}.csv" for name in ("finetuning", "finetuning-noise", "twins")),
        f"{results}/tables/answers.parquet",
        f"{results}/figures/finetuning.svg",
    ]


def deterministic_artefacts(study: Study) -> list[str]:
    """Every file whose bytes, or tensors, are equal across reruns."""
    results, splits = study.config.results, ("train", "validation", "test")
    judged = set(judged_artefacts(study))
    files = [
        *corpus_files(study, "corpus", *(f"{split}.jsonl" for split in splits), "card.json"),
        *corpus_files(study, "tokens", *(f"{split}.safetensors" for split in splits), "card.json"),
        *corpus_files(study, "tokens", "vocabulary.tiktoken"),
        *(f"{results}/init/{start}.safetensors" for start in study.starts),
        *(f"{results}/init/{start}.json" for start in study.starts),
        *run_files(study, "recipe.json", "model.safetensors", "model.json"),
        *run_files(study, "trace.parquet", "samples.jsonl", "test_loss.json"),
        *pretrained_files(study, "pretrained.json", "model.safetensors", "model.json"),
        *pretrained_files(study, "test_loss.json"),
        *contamination_files(study),
        *finetuned_files(study, "model.safetensors", "epochs.json", "answers.jsonl"),
        *judged_files(study),
        *(f"{results}/verify/{run.name}.json" for run in study.repeats),
        *(f"{results}/tables/{name}.csv" for name in (*table_names(study), "init", "starts")),
        f"{results}/tables/answers.parquet",
        *(f"{results}/figures/{name}.svg" for name in FIGURES),
    ]
    return [file for file in files if file not in judged]
