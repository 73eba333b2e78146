"""The trainer of a study whose runs a command makes: `trainer:` in a config."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from noiseband.study.commands import check_command, command_words
from noiseband.study.problems import Problem
from noiseband.study.section import Positive, Section, canonical_json
from noiseband.study.user_files import files_sha256

SEEDS = ("init_seed", "data_seed", "train_seed")
"""The seeds of a run, in the order in which a config writes them."""
PLACEHOLDERS = ("recipe", "out", "work", "processes", "gpus", "threads")
"""What a command may contain in braces."""
NEEDED = ("recipe", "out")
"""What every command must contain."""
EXAMPLE = "python train.py --config {recipe} --out {out}"
"""A command that contains all that it must."""


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or value in ("", "."):
        raise ValueError("should be a path inside the folder {out}, such as trace.csv")
    if path.parts[0] == "result.json":
        raise ValueError("result.json has the metrics; choose another name")
    return value


Inside = Annotated[str, AfterValidator(_inside)]


class Outputs(Section):
    """What the command writes in its folder `{out}` besides `result.json`. Each is a path there."""

    trace: Inside | None = None
    """Table with a row for each step that is logged, as CSV (`.csv`) or JSON lines (`.jsonl`), with
    the columns `step`, counted from 0, and `loss`, and any others with numbers."""
    samples: Inside | None = None
    """JSON lines with the keys `step`, `prompt` and `text`: texts that the model wrote."""
    weights: Inside | None = None
    """The final weights as a safetensors file. Runs are then compared by them, to the bit."""
    export: Inside | None = None
    """A folder with the model in a format that other programs read. Fine-tuning reads a
    model of a class of `transformers` with its tokenizer: GPT-2, Llama, Mistral, Qwen2 or Qwen3."""

    @field_validator("trace", mode="after")
    @classmethod
    def _a_table(cls, value: str | None) -> str | None:
        if value is not None and PurePosixPath(value).suffix not in (".csv", ".jsonl"):
            raise ValueError("its name should end in .csv or .jsonl")
        return value

    @field_validator("samples", mode="after")
    @classmethod
    def _lines(cls, value: str | None) -> str | None:
        if value is not None and PurePosixPath(value).suffix != ".jsonl":
            raise ValueError("its name should end in .jsonl")
        return value

    @field_validator("weights", mode="after")
    @classmethod
    def _tensors(cls, value: str | None) -> str | None:
        if value is not None and PurePosixPath(value).suffix != ".safetensors":
            raise ValueError("its name should end in .safetensors")
        return value


class Trainer(Section):
    """A command that makes the study's runs, in place of the built-in trainer. `recipe` then
    consists of keys of your own, which the command reads from a JSON file."""

    command: Annotated[str, Field(min_length=1)]
    """The command of one run, started without a shell in the folder in which Snakemake runs. In
    braces: `{recipe}`, the path of a JSON file with the recipe and its seeds; `{out}`, an empty
    folder for `result.json` and the other outputs; `{work}`, a folder that survives kills;
    `{processes}`, `{gpus}` and `{threads}`, the numbers of each. Write a brace that is none of
    these twice."""
    files: list[str] = []
    """Files and folders that decide the result, such as the script: their content is part of every
    run's digest. Hidden files and `__pycache__` are left out."""
    seeds: Annotated[list[Literal["init_seed", "data_seed", "train_seed"]], Field(min_length=1)]
    """The seeds that the command reads from its recipe. A config that varies another one is
    refused."""
    outputs: Outputs = Outputs()
    """What the command writes besides `result.json`."""
    threads: Positive = 1
    """CPU threads that each process of a run uses."""
    gpus: Annotated[int, Field(ge=0)] | None = None
    """GPUs that a run uses on a machine that has some; null means one for each process."""

    @field_validator("command", mode="after")
    @classmethod
    def _a_command(cls, value: str) -> str:
        check_command(value, PLACEHOLDERS, NEEDED, EXAMPLE)
        return value

    @field_validator("seeds", mode="after")
    @classmethod
    def _in_order(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("a seed appears twice; remove it")
        return [name for name in SEEDS if name in value]

    def words(self, **values: str | int) -> list[str]:
        """The words of the command of a run, with a value for each of `PLACEHOLDERS`."""
        return command_words(self.command, values)

    @cached_property
    def files_sha256(self) -> str:
        """SHA-256 over the names and contents of `files`, read once. Raises OSError."""
        return files_sha256(sorted(set(self.files)))

    @property
    def sha256(self) -> str:
        """SHA-256 of what decides a result besides the recipe: the command and its files."""
        text = canonical_json({"command": self.command, "files": self.files_sha256})
        return hashlib.sha256(text.encode()).hexdigest()

    def problems(self) -> list[Problem]:
        """The files that are missing or cannot be read."""
        found = []
        for position, given in enumerate(self.files):
            if not Path(given).exists():
                remedy = (
                    "no such file or folder; give its path relative to the folder in which "
                    "snakemake runs"
                )
                found.append(Problem(f"trainer.files.{position}", given, remedy))
        try:
            if not found:
                _ = self.files_sha256
        except OSError as error:
            remedy = f"{error.filename}: {error.strerror}; make it readable, or leave it out"
            found.append(Problem("trainer.files", None, remedy))
        return found
