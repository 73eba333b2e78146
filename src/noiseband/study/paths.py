"""Where the files of a study are: every path under its results folder is written here, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noiseband.study.recipe import Recipe


@dataclass(frozen=True)
class Paths:
    """The files and folders under a results folder.

    Rule files call the same methods with a wildcard, such as `paths.run("{run}")`.
    """

    results: Path

    def corpus(self, corpus: str) -> Path:
        """Folder of a corpus's splits as text, with their card."""
        return self.results / "corpus" / corpus

    def tokens(self, corpus: str) -> Path:
        """Folder of a corpus's splits as tokens, with their card and vocabulary."""
        return self.results / "tokens" / corpus

    def split(self, corpus: str, split: str) -> Path:
        """Tokens of one split: `train`, `validation` or `test`."""
        return self.tokens(corpus) / f"{split}.safetensors"

    def vocabulary(self, corpus: str) -> Path:
        """The rank file that a corpus is tokenised by."""
        return self.tokens(corpus) / "vocabulary.tiktoken"

    def start(self, start: str) -> Path:
        """Initial weights; their digests are in the file of the same name that ends in `.json`."""
        return self.results / "init" / f"{start}.safetensors"

    def instructions(self, name: str) -> Path:
        """Folder of instruction rows for fine-tuning."""
        return self.results / "instructions" / name

    def run(self, run: str) -> Path:
        """Folder of a run's results, or of a pretrained model's."""
        return self.results / "runs" / run

    def rerun(self, run: str) -> Path:
        """Folder of a run that was trained a second time on demand."""
        return self.results / "reruns" / run

    def finetuned(self, run: str, protocol: str, seed: int | str) -> Path:
        """Folder of a fine-tuned model."""
        return self.run(run) / "ift" / protocol / str(seed)

    def finetuned_model(self, model: str) -> Path:
        """The same, of a model that is named `<run>/<protocol>/<seed>`."""
        run, protocol, seed = model.split("/")
        return self.finetuned(run, protocol, seed)

    def judged(self, protocol: str) -> Path:
        """Folder of a protocol's judging rounds."""
        return self.results / "judge" / protocol

    def judged_round(self, protocol: str, number: int | str) -> Path:
        """What the judge said in one round, counted from 1."""
        return self.judged(protocol) / f"round-{number}.jsonl"

    def contamination(self, window: str) -> Path:
        """What of a test window is in training tokens."""
        return self.results / "contamination" / f"{window}.json"

    def verified(self, run: str) -> Path:
        """The comparison of a run that was trained twice."""
        return self.results / "verify" / f"{run}.json"

    @property
    def tables(self) -> Path:
        """Folder of the study's tables."""
        return self.results / "tables"

    def table(self, name: str) -> Path:
        """One of the tables that are CSV."""
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
        """Folder of what is kept between jobs. No rule declares it: Snakemake leaves it alone."""
        return self.results / "work"

    def training(self, run: str, recipe: Recipe) -> Path:
        """Folder of a run's checkpoints. It has the recipe in its name, so that a run of another
        recipe never goes on from them."""
        return self.work / f"{run}-{recipe.digest[:16]}"

    def log(self, rule: str, job: str = "") -> Path:
        """The log of a job; of the rule itself where it has one job only."""
        return self.results / "logs" / f"{_joined(rule, job)}.log"

    def benchmark(self, rule: str, job: str = "") -> Path:
        """What Snakemake measured of a job; of the rule itself where it has one job only."""
        return self.results / "benchmarks" / f"{_joined(rule, job)}.tsv"


def _joined(rule: str, job: str) -> str:
    return f"{rule}/{job}" if job else rule
