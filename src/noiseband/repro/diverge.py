"""Find where two runs diverge: the first step from their traces, the tensor by retraining it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from noiseband.io.traces import DifferentRow, Row, first_different_row, read_rows
from noiseband.repro.compare import Comparison, Difference, compare_files
from noiseband.repro.verify import described, differing_keys
from noiseband.train.checkpoint import State, numbered, read
from noiseband.train.replay import Replay, by_name, replay
from noiseband.train.trainer import Job

Say = Callable[[str], None]

CHANGED_LATER = "no step's record differs: a file of weights was changed after training"
NOT_REPRODUCED = (
    "trained anew here, the runs do not both give their own traces (see above): this tells where "
    "they part on this machine"
)


@dataclass(frozen=True)
class Divergence:
    """Where two runs diverge, as far as that can be known. Steps are numbered from 0."""

    step: int | None = None
    """The first step with different records; None if all records are equal."""
    columns: list[str] = field(default_factory=list)
    """The columns of the trace that differ in that step."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """Both runs' values in these columns."""
    recipes: list[str] = field(default_factory=list)
    """The recipe keys that differ, with both values."""
    replayed_from: int | None = None
    """The number of steps before the state from which both runs were retrained."""
    reproduced: list[bool] = field(default_factory=list)
    """Whether each run reproduced its own trace when it was retrained."""
    where: str | None = None
    """What differs first: `initial weights`, `checkpoint`, `gradient` or `weights`."""
    difference: Difference | None = None
    """The first tensor in `where` that differs, in forward order."""
    tensors: int | None = None
    """The number of tensors in `where` that differ."""
    note: str | None = None

    @property
    def identical(self) -> bool:
        return self.step is None and self.where is None

    def as_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        found = {**vars(self), "difference": self.difference and self.difference.as_dict()}
        found["records"] = [
            {name: repr(value) for name, value in record.items()} for record in self.records
        ]
        return found

    def __str__(self) -> str:
        if self.identical:
            return "identical: every step's record and every weight are equal"
        lines = []
        if self.step is None:
            lines.append("different: all steps' records are equal")
        else:
            lines.append(f"different from step {self.step} on, first in {', '.join(self.columns)}")
        for which, record in zip(("first ", "second"), self.records, strict=False):
            values = ", ".join(f"{name} {value!r}" for name, value in record.items())
            lines.append(f"  {which}: {values}")
        lines += [f"  recipes differ: {line}" for line in self.recipes]
        if self.difference is not None:
            lines.append(f"first tensor: {self.where} of {self.difference.tensor}")
            details = described(self.difference) or [self.difference.reason]
            lines += [f"  {line}" for line in details]
            lines.append(f"  tensors that differ: {self.tensors}")
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)


def diverge(a: Job, b: Job, say: Say = lambda text: None) -> Divergence:
    """Find the first step and tensor in which two finished runs differ.

    Both runs are retrained to the end of that step, from the newest earlier checkpoint that both
    still have, or else from their initial weights. With `checkpoints.keep: all` this is at most one
    checkpoint interval.

    Args:
        a: the training job of one run.
        b: the training job of the other run.
        say: called with each line of progress.

    Raises:
        UserError: a file cannot be read.
    """
    rows = [read_rows(job.out / "trace.parquet") for job in (a, b)]
    recipes = differing_keys(*(job.params.recipe.whole() for job in (a, b)))
    row = first_different_row(*rows)
    if row is None:
        found = compare_files(*(job.out / "model.safetensors" for job in (a, b)))
        if found.identical:
            return Divergence(recipes=recipes)
        return _with(found, "weights", Divergence(recipes=recipes, note=CHANGED_LATER))
    known = Divergence(row.step, row.columns, _values(row, rows), recipes)
    if row.columns == ["step"]:
        return replace(known, note="one of the two has no such step; all that both have are equal")
    starts = compare_files(a.init, b.init)
    if not starts.identical:
        return _with(starts, "initial weights", known)
    state, moved = _common_state(a, b, row.step)
    if moved is not None:
        return _with(moved, "checkpoint", known)
    return _replayed(a, b, rows, state, known, say)


def _replayed(
    a: Job, b: Job, rows: list[list[Row]], state: State | None, known: Divergence, say: Say
) -> Divergence:
    """Train both from the state to the end of the step, and compare the step's results."""
    step = known.step
    assert step is not None
    begin = state.step if state else 0
    steps = "1 step" if step == begin else f"{step + 1 - begin:,} steps"
    say(f"retraining {steps} of each run, from {_place(begin)}")
    replays = []
    for job, own in zip((a, b), rows, strict=True):
        replays.append(replay(job, state, step))
        same = first_different_row(replays[-1].rows, own[begin : step + 1]) is None
        say(f"{job.out}: retrained, {'the same' if same else 'NOT the same'} as its trace")
        known = replace(known, replayed_from=begin, reproduced=[*known.reproduced, same])
    if not all(known.reproduced):
        known = replace(known, note=NOT_REPRODUCED)
    gradients = _compared(*(one.gradient for one in replays))
    if not gradients.identical:
        return _with(gradients, "gradient", known)
    weights = _compared(*(one.weights for one in replays))
    if not weights.identical:
        return _with(weights, "weights", known)
    return _not_repeated(a, b, replays, known)


def _not_repeated(a: Job, b: Job, replays: list[Replay], known: Divergence) -> Divergence:
    """The finding if both are equal when retrained: at least one training had a fault."""
    step = known.step
    assert step is not None
    for job, one, right in zip((a, b), replays, known.reproduced, strict=True):
        path = job.work / f"step-{step + 1:08d}.safetensors"
        if right or not path.is_file():
            continue
        try:
            stored = by_name(job, read(path))["weights"]
        except ValueError:
            continue
        note = f"first: {job.out} trained anew; second: its checkpoint after the step"
        return _with(_compared(one.weights, stored), "weights", replace(known, note=note))
    odd = [str(job.out) for job, r in zip((a, b), known.reproduced, strict=True) if not r]
    if not odd:
        return replace(known, note="gradient and weights of the step are equal, its record is not")
    return replace(
        known,
        note=f"{' and '.join(odd)}: trained anew here, it does not give its own trace"
        f"{_flipped(known, replays)}. Other hardware, other software or a fault of memory made "
        "that trace; the tensor can be named on the machine that made it",
    )


def _flipped(known: Divergence, replays: list[Replay]) -> str:
    """A remark if the checksums differ as if one bit had flipped; empty otherwise."""
    right = replays[0].rows[-1].weights_checksum
    gaps = [r["weights_checksum"] - right for r in known.records if "weights_checksum" in r]
    for gap in gaps:
        size = abs((gap + 2**63) % 2**64 - 2**63)  # the checksum is a sum that wraps around
        if size and size & (size - 1) == 0:
            bit = (size.bit_length() - 1) % 32
            return f"; its checksum is off by a power of two, as if bit {bit} of one weight flipped"
    return ""


def _common_state(a: Job, b: Job, step: int) -> tuple[State | None, Comparison | None]:
    """The newest intact checkpoint before the step that both runs have, and None.

    If the two files differ (in optimiser moments, which no trace records), it is None and their
    comparison. If there is no such checkpoint, it is None twice.
    """
    folders = [dict(numbered(job.work)) if job.work.is_dir() else {} for job in (a, b)]
    for done in sorted(folders[0].keys() & folders[1].keys(), reverse=True):
        if done > step:
            continue
        paths = [folder[done] for folder in folders]
        try:
            one, _ = (read(path) for path in paths)
        except ValueError:
            continue
        found = compare_files(*paths)
        if found.identical:
            return one, None
        states = [_split(job, path) for job, path in zip((a, b), paths, strict=True)]
        return None, _compared(*states)
    return None, None


def _split(job: Job, path: Path) -> dict[str, Tensor]:
    """A checkpoint's flat tensors, split into the model's tensors and named `<kind>/<name>`."""
    return {
        f"{kind}/{name}": tensor
        for kind, tensors in by_name(job, read(path)).items()
        for name, tensor in tensors.items()
    }


def _compared(a: dict[str, Tensor], b: dict[str, Tensor]) -> Comparison:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{name}.safetensors") for name in ("a", "b")]
        for tensors, path in zip((a, b), paths, strict=True):
            save_file(tensors, path)
        return compare_files(*paths)


def _values(row: DifferentRow, rows: list[list[Row]]) -> list[dict[str, Any]]:
    both = [own[row.step] for own in rows if row.step < len(own)]
    return [{name: getattr(one, name) for name in row.columns} for one in both]


def _place(done: int) -> str:
    return f"the checkpoint after step {done - 1}" if done else "the initial weights"


def _with(comparison: Comparison, where: str, known: Divergence) -> Divergence:
    return replace(
        known,
        where=where,
        difference=comparison.first,
        tensors=len(comparison.differences),
    )
