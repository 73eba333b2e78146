"""Find which runs start from the same weights, and which interventions change the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.io.tables import write_rows
from noiseband.published.golden import golden_digests
from noiseband.repro.compare import compare_digests
from noiseband.repro.golden import complaint
from noiseband.study.params import StartsParams

TRAINED = "run:"
"""The prefix of a starting point that is the final weights of another run."""

SAME = "same point"
EXTENDED = "same where both have it"
MOVED = "moved"


@dataclass(frozen=True)
class RunStart:
    """Where one run starts, compared with a baseline run that has the same init_seed."""

    run: str
    start: str
    """The file's name in `init/`; or `run:` and the name of a run, for its final weights."""
    init_sha256: str | None = None
    tensors: int | None = None
    compared_with: str | None = None
    """The baseline run; None if the study has none with this init_seed."""
    comparison: str | None = None
    """`same point`; `same where both have it` if only one has some tensors; or `moved`."""
    shared: int | None = None
    """The number of tensors that are equal in both."""
    new: int | None = None
    """The number of tensors that the baseline run does not have."""
    gone: int | None = None
    """The number of tensors that only the baseline run has."""
    moved: int | None = None
    """The number of tensors that both have, with different values or shapes."""
    first_moved: str | None = None
    """The first of the moved tensors, in forward order."""
    reference: str | None = None
    """`equal` or `different`: the weights compared with the reference's, if those are known."""


@dataclass(frozen=True)
class SharedTensors:
    """The tensors that two starting points share."""

    start: str
    other: str
    shared: int
    """The number of tensors that are equal in both."""
    tensors: int
    """The number of tensors in `start`."""


def run_starts(params: StartsParams, digests: Mapping[str, dict[str, Any]]) -> list[RunStart]:
    """One row for each run; `digests` has the starting points' digest files by name."""
    starts = {one.run: one.start for one in params.runs}
    return [_row(one.run, one.start, one.compared_with, starts, digests) for one in params.runs]


def _row(
    run: str,
    start: str,
    baseline: str | None,
    starts: Mapping[str, str],
    digests: Mapping[str, dict[str, Any]],
) -> RunStart:
    if start.startswith(TRAINED):
        return RunStart(run, start)
    own = digests[start]
    known = RunStart(
        run, start, own["sha256"], len(own["tensors"]), reference=_reference(start, own)
    )
    if baseline is None:
        return known
    other = digests[starts[baseline]]
    differences = compare_digests(other, own).differences
    new = sum(difference.tensor not in other["tensors"] for difference in differences)
    gone = sum(difference.tensor not in own["tensors"] for difference in differences)
    moved = [d.tensor for d in differences if d.tensor in own["tensors"].keys() & other["tensors"]]
    return replace(
        known,
        compared_with=baseline,
        comparison=MOVED if moved else EXTENDED if differences else SAME,
        shared=len(own["tensors"]) - new - len(moved),
        new=new,
        gone=gone,
        moved=len(moved),
        first_moved=moved[0] if moved else None,
    )


def _reference(start: str, found: dict[str, Any]) -> str | None:
    golden = golden_digests(start)
    if golden is None:
        return None
    return "equal" if golden["sha256"] == found["sha256"] else "different"


def shared_tensors(digests: Mapping[str, dict[str, Any]]) -> list[SharedTensors]:
    """The number of equal tensors, by name and bits, for each pair of starting points, in order."""
    return [
        SharedTensors(
            start,
            other,
            sum(theirs["tensors"].get(name) == tensor for name, tensor in own["tensors"].items()),
            len(own["tensors"]),
        )
        for start, own in digests.items()
        for other, theirs in digests.items()
    ]


def verify_starts(params: StartsParams, files: Sequence[Path], out: Path, pairs: Path) -> list[str]:
    """Write both tables; return a message for each starting point that is not the reference's.

    Args:
        files: the starting points' digest files.
        out: CSV file with one row for each run (`RunStart`).
        pairs: CSV file with one row for each pair of starting points (`SharedTensors`).

    Raises:
        UserError: there are such messages and `on_mismatch` is `stop`; then nothing is written.
    """
    digests = {file.stem: read_json(file) for file in files}
    complaints = [text for start in digests if (text := complaint(start, digests[start]))]
    if complaints and params.on_mismatch == "stop":
        raise UserError("\n".join(complaints))
    write_rows(out, RunStart, run_starts(params, digests))
    write_rows(pairs, SharedTensors, shared_tensors(digests))
    return complaints
