"""Compare two runs that a command made from one recipe: by all the outputs that it declares."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noiseband.analysis.command_runs import by_command, identity
from noiseband.analysis.sources import json_file
from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.io.series import first_difference, read_series
from noiseband.repro.compare import compare_digests
from noiseband.repro.manifest import artefact_digest
from noiseband.repro.verify import differing_keys
from noiseband.study.command_params import (
    DIGESTS,
    EXPORTED,
    RECIPE,
    RESULT,
    SAMPLES,
    TRACE,
)


@dataclass(frozen=True)
class CommandDivergence:
    """Where two runs of a command differ. Steps are as the command logs them."""

    step: int | None = None
    """The first logged step that differs; None if the traces are equal or there are none."""
    columns: list[str] = field(default_factory=list)
    """The columns of the trace that differ in that step."""
    recipes: list[str] = field(default_factory=list)
    """The recipe keys that differ, with both values."""
    outputs: list[str] = field(default_factory=list)
    """The outputs that differ, each as a phrase."""

    @property
    def identical(self) -> bool:
        return not self.outputs and self.step is None

    @property
    def note(self) -> str | None:
        return "; ".join(self.outputs) or None

    def as_dict(self) -> dict[str, Any]:
        """The fields, for JSON, with those of a run of the built-in trainer."""
        return {**vars(self), "difference": None, "note": self.note}

    def __str__(self) -> str:
        if self.identical:
            return "identical: every output that the trainer declares is equal"
        lines = ["different: the traces are equal, or there are none"]
        if self.step is not None:
            lines = [f"different from step {self.step} on, first in {', '.join(self.columns)}"]
        lines += [f"  recipes differ: {line}" for line in self.recipes]
        return "\n".join([*lines, *(f"  {line}" for line in self.outputs)])


def compare_runs(a: Path, b: Path, volatile: tuple[str, ...] = ()) -> CommandDivergence:
    """Compare the declared outputs of two runs; `volatile` metrics are left out.

    Raises UserError if one of the folders has no finished run of a command.
    """
    for folder in (a, b):
        if not by_command(folder):
            raise UserError(
                f"{folder}: not the folder of a finished run of a command: it has no {RESULT}"
            )
    cards = [json_file(folder / RECIPE) for folder in (a, b)]
    step, columns = None, list[str]()
    outputs: list[str] = _metrics(a, b, volatile)
    if _both(a, b, TRACE, outputs):
        found = first_difference(read_series(a / TRACE), read_series(b / TRACE))
        if found is not None:
            step, columns = found
    if _both(a, b, DIGESTS, outputs):
        compared = compare_digests(json_file(a / DIGESTS), json_file(b / DIGESTS))
        if compared.first is not None:
            outputs.append(
                f"weights: {len(compared.differences)} of {compared.tensors} tensors differ, first "
                f"{compared.first.tensor}"
            )
    if _both(a, b, SAMPLES, outputs) and _sums(a, b, SAMPLES):
        outputs.append("samples: other texts")
    if _both(a, b, EXPORTED, outputs):
        one, other = (json_file(folder / EXPORTED)["files"] for folder in (a, b))
        files = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
        if files:
            outputs.append(f"export: {len(files)} files differ, first {files[0]}")
    recipes = differing_keys(cards[0]["recipe"], cards[1]["recipe"])
    return CommandDivergence(step, columns, recipes, outputs)


def verify_command_rerun(
    original: Path, rerun: Path, out: Path, volatile: tuple[str, ...] = ()
) -> bool:
    """Compare two run folders and write the finding; return whether they are identical.

    Raises UserError if one of the folders has no finished run of a command.
    """
    found = compare_runs(original, rerun, volatile)
    if not found.identical:
        print(found, file=sys.stderr)
    trace = original / TRACE
    finding = {
        "run": json_file(rerun / RECIPE)["run"],
        "original": json_file(original / RECIPE)["run"],
        "identical": found.identical,
        "sha256": {
            "original": identity(original, volatile),
            "rerun": identity(rerun, volatile),
        },
        "steps": len(read_series(trace)[0]) if trace.is_file() else 0,
        "divergence": None if found.identical else found.as_dict(),
    }
    write_json(out, finding)
    return found.identical


def _both(a: Path, b: Path, name: str, outputs: list[str]) -> bool:
    """Whether both folders have a file; that only one has it is added to `outputs`."""
    there = [(folder / name).is_file() for folder in (a, b)]
    if there[0] != there[1]:
        outputs.append(f"{name}: only the {'first' if there[0] else 'second'} has it")
    return all(there)


def _sums(a: Path, b: Path, name: str) -> bool:
    return artefact_digest(a / name) != artefact_digest(b / name)


def _metrics(a: Path, b: Path, volatile: tuple[str, ...]) -> list[str]:
    """The metrics that differ, each with both values."""
    one, other = (json_file(folder / RESULT)["metrics"] for folder in (a, b))
    return [
        f"{name}: {_value(one, name)} and {_value(other, name)}"
        for name in sorted({*one, *other})
        if name not in volatile and one.get(name) != other.get(name)
    ]


def _value(metrics: dict[str, Any], name: str) -> str:
    return "missing" if name not in metrics else repr(metrics[name]["value"])
