"""Which runs start from the same weights, and whether reference weights are the reference's."""

from __future__ import annotations

import csv
import io
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from noiseband.errors import UserError
from noiseband.files import read_json, write_text

COLUMNS = (
    "run",
    "start",
    "init_sha256",
    "tensors",
    "shared_with_baseline",
    "first_different",
    "reference",
)
TRAINED = "run:"
"""Before the name of a run whose final weights are the starting point."""


def golden_digests() -> dict[str, str]:
    """Starting point to the digest of the reference implementation's weights."""
    golden: dict[str, str] = read_json(Path(str(resources.files(__package__) / "golden.json")))
    return golden


def starts_table(
    starts: list[tuple[str, str]], baseline: str, digests: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """One row a run: its starting point, and how many tensors equal the baseline's.

    Args:
        starts: runs with their starting points; `run:<name>`, whose row has nothing more, for one
            that starts from another's final weights.
        baseline: the run that others are compared with.
        digests: starting point to its digest file.
    """
    golden = golden_digests()
    origin = dict(starts)[baseline]
    reference = None if origin.startswith(TRAINED) else digests[origin]["tensors"]
    rows: list[dict[str, Any]] = []
    for run, start in starts:
        if start.startswith(TRAINED):
            rows.append({**dict.fromkeys(COLUMNS, ""), "run": run, "start": start})
            continue
        own = digests[start]["tensors"]
        equal = [name for name in own if reference and own[name] == reference.get(name)]
        different = sorted(own.keys() - equal) if reference else []
        expected = golden.get(start)
        rows.append(
            {
                "run": run,
                "start": start,
                "init_sha256": digests[start]["sha256"],
                "tensors": len(own),
                "shared_with_baseline": len(equal) if reference else "",
                "first_different": different[0] if different else "",
                "reference": _against(expected, digests[start]["sha256"]),
            }
        )
    return rows


def _against(expected: str | None, found: str) -> str:
    """Empty where no reference digest is known, as for every keyed start."""
    if expected is None:
        return ""
    return "equal" if expected == found else "different"


def verify_starts(
    starts: list[tuple[str, str]], baseline: str, files: list[Path], out: Path, on_mismatch: str
) -> list[str]:
    """Write the table; return a complaint for each starting point that is not the reference's.

    Raises UserError with the complaints where `on_mismatch` is `stop`.
    """
    rows = starts_table(starts, baseline, {file.stem: read_json(file) for file in files})
    wrong = {row["start"]: row for row in rows if row["reference"] == "different"}
    complaints = [
        f"init {start}: digest {row['init_sha256'][:16]} is not the reference's "
        f"{golden_digests()[start][:16]}; the known causes are a CPU without AVX2 "
        f"(here: {torch.backends.cpu.get_cpu_capability()}) and another torch than 2.13.0 "
        f"(here: {torch.__version__}); use init: keyed, or on_mismatch: warn"
        for start, row in wrong.items()
    ]
    if complaints and on_mismatch == "stop":
        raise UserError("\n".join(complaints))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out, text.getvalue())
    return complaints
