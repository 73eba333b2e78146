"""The paths of a study's files. Every path under its results folder is defined here, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noiseband.study.free_recipe import CommandRecipe
from noiseband.study.recipe import Recipe


def snapshot_in(run: Path, number: int | str) -> Path:
    """Folder of one of a run's snapshots, in the run's own folder."""
    return run / "snapshots" / str(number)


def average_in(run: Path, average: str) -> Path:
    """Folder of one of the averages of a run's weights, in the run's own folder."""
    return run / "averages" / average


@dataclass(frozen=True)
class Paths:
    """The files and folders under a results folder.

    Rule files call the same methods with a wildcard, such as `paths.run("{run}")`.
    """

    results: Path

    def corpus(self, corpus: str) -> Path:
        """Folder of a corpus's splits as text, with their card."""
        return self.results / "corpus" / corpus

    def texts(self, corpus: str, split: str) -> Path:
        """Documents of one split: `train`, `validation` or `test`."""
        return self.corpus(corpus) / f"{split}.jsonl"

    def fields(self, corpus: str, split: str) -> Path:
        """Fields of the documents of one split, by which a loss is sliced."""
        return self.corpus(corpus) / f"{split}.fields.parquet"

    def tokens(self, corpus: str) -> Path:
        """Folder of a corpus's splits as tokens, with their card and vocabulary."""
        return self.results / "tokens" / corpus

    def split(self, corpus: str, split: str) -> Path:
        """Tokens of one split: `train`, `validation` or `test`."""
        return self.tokens(corpus) / f"{split}.safetensors"

    def packed(self, corpus: str, context: int | str) -> Path:
        """Tokens of the training split, packed into sequences for a context. The card has the same
        name with suffix `.json`, and the corpora that they come from `.origin.safetensors`."""
        return self.tokens(corpus) / f"packed-{context}.safetensors"

    def training_tokens(self, corpus: str, packed: int | None) -> Path:
        """The tokens of a corpus that a run reads; `packed` is the context for which they are
        packed, and None if they are contiguous."""
        return self.split(corpus, "train") if packed is None else self.packed(corpus, packed)

    def origin(self, tokens: Path) -> Path:
        """The corpora that the tokens of a mixture's file come from, one segment after another."""
        return tokens.with_suffix(".origin.safetensors")

    def vocabulary(self, corpus: str) -> Path:
        """Rank file of the vocabulary with which a corpus is tokenised."""
        return self.tokens(corpus) / "vocabulary.tiktoken"

    def checked(self, corpus: str) -> Path:
        """Written when a corpus has what the study needs of it (`repro/data_check.py`)."""
        return self.tokens(corpus) / "checked.json"

    def start(self, start: str) -> Path:
        """Initial weights. Their digests are in the file of the same name with suffix `.json`."""
        return self.results / "init" / f"{start}.safetensors"

    def instructions(self, name: str) -> Path:
        """Folder of instruction rows for fine-tuning."""
        return self.results / "instructions" / name

    def run(self, run: str) -> Path:
        """Folder of a run's results, or of a pretrained model's."""
        return self.results / "runs" / run

    def snapshot(self, run: str, number: int | str) -> Path:
        """Folder of one of a run's snapshots: number n is n intervals before the end."""
        return snapshot_in(self.run(run), number)

    def average(self, run: str, average: str) -> Path:
        """Folder of one of the averages of a run's weights."""
        return average_in(self.run(run), average)

    def documents(self, run: str) -> Path:
        """Losses of a run, or of a pretrained model, on each document of the test window."""
        return self.run(run) / "test_documents.csv"

    def evaluation(self, run: str, evaluation: str) -> Path:
        """Metrics of one further evaluation of a run, or of a pretrained model."""
        return self.run(run) / "evaluations" / f"{evaluation}.json"

    def evaluation_items(self, run: str, evaluation: str) -> Path:
        """The same evaluation's results for each of its items."""
        return self.run(run) / "evaluations" / f"{evaluation}.items.parquet"

    def evaluating(self, run: str, evaluation: str) -> Path:
        """Folder of an evaluation that is not finished yet."""
        return self.work / "evaluations" / run / evaluation

    def rerun(self, run: str) -> Path:
        """Folder of a run that was trained a second time on demand."""
        return self.results / "reruns" / run

    def converted(self, run: str) -> Path:
        """Folder of a model that a command exported, in the form that fine-tuning reads."""
        return self.run(run) / "converted"

    def finetuned(self, run: str, protocol: str, seed: int | str) -> Path:
        """Folder of a fine-tuned model."""
        return self.run(run) / "ift" / protocol / str(seed)

    def finetuned_model(self, model: str) -> Path:
        """Folder of the fine-tuned model that is named `<run>/<protocol>/<seed>`."""
        run, protocol, seed = model.split("/")
        return self.finetuned(run, protocol, seed)

    def judged(self, protocol: str) -> Path:
        """Folder of a protocol's judging rounds."""
        return self.results / "judge" / protocol

    def judged_round(self, protocol: str, number: int | str) -> Path:
        """The judge's scores in one round, counted from 1."""
        return self.judged(protocol) / f"round-{number}.jsonl"

    def contamination(self, window: str) -> Path:
        """Counts of the parts of a test window that also occur in training tokens."""
        return self.results / "contamination" / f"{window}.json"

    def seen_questions(self, name: str) -> Path:
        """Counts of the test and validation questions that a model saw before it was asked them."""
        return self.results / "contamination" / f"{name}.json"

    def verified(self, run: str) -> Path:
        """Comparison of a repeat with the run that it repeats."""
        return self.results / "verify" / f"{run}.json"

    @property
    def tables(self) -> Path:
        """Folder of the study's tables."""
        return self.results / "tables"

    def table(self, name: str) -> Path:
        """One of the study's CSV tables."""
        return self.tables / f"{name}.csv"

    def figure(self, name: str) -> Path:
        """One of the study's figures."""
        return self.results / "figures" / f"{name}.svg"

    @property
    def manifest(self) -> Path:
        """The digests of all deterministic artefacts."""
        return self.results / "manifest.json"

    @property
    def report(self) -> Path:
        """The study's page."""
        return self.results / "report.html"

    @property
    def work(self) -> Path:
        """Folder for files kept between jobs. No rule declares it, so Snakemake leaves it alone."""
        return self.results / "work"

    def training(self, run: str, recipe: Recipe | CommandRecipe) -> Path:
        """Folder of a run's checkpoints. Its name contains the recipe's digest, so that a run never
        resumes from checkpoints of another recipe."""
        return self.work / f"{run}-{recipe.digest[:16]}"

    def log(self, rule: str, job: str = "") -> Path:
        """Log of a job, or of the rule if it has only one job."""
        return self.results / "logs" / f"{_joined(rule, job)}.log"

    def benchmark(self, rule: str, job: str = "") -> Path:
        """Snakemake's benchmark of a job, or of the rule if it has only one job."""
        return self.results / "benchmarks" / f"{_joined(rule, job)}.tsv"


def _joined(rule: str, job: str) -> str:
    return f"{rule}/{job}" if job else rule
