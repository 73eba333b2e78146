"""Where the page comes from: software, machines, times and digests.

What may differ between reruns (seconds, dates, hosts) is only here and on the page, never in a
table or a figure.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from noiseband.analysis.sources import json_if_any
from noiseband.duration import duration
from noiseband.study.paths import Paths

PACKAGES = (
    "noiseband", "torch", "numpy", "scipy", "pandas", "pyarrow", "safetensors", "tiktoken",
    "rustbpe", "sacrebleu", "matplotlib", "jinja2", "pydantic", "snakemake",
)  # fmt: skip


@dataclass(frozen=True)
class Timing:
    """How long one run took, from its `timing.json`."""

    run: str
    seconds: float
    steps: int | None
    """Steps in that time; fewer than the run's steps if it was resumed. None if unknown."""
    tokens_per_second: float | None
    finished: str
    device: str
    torch: str | None
    """Version of PyTorch; None for a run of a command."""

    @property
    def duration(self) -> str:
        return duration(self.seconds)


@dataclass(frozen=True)
class Segment:
    """A part of a run that was trained on one machine."""

    step: int
    """First step."""
    processor: str
    processes: int


@dataclass(frozen=True)
class Moved:
    """A run trained on several classes of processor, so that none of them reproduces its bits."""

    run: str
    segments: list[Segment]


@dataclass(frozen=True)
class Provenance:
    """Where a study's numbers come from."""

    manifest: str | None
    """Digest over every deterministic artefact."""
    artefacts: dict[str, str]
    """Digests by path under the results folder."""
    judged: dict[str, str]
    """The same for files that depend on a judge's replies; the manifest's digest excludes them."""
    versions: list[tuple[str, str]]
    """Packages that made this page, with their versions."""
    python: str
    platform: str
    timings: list[Timing]
    moved: list[Moved]
    """Runs that moved to another class of processor, from their `provenance.json`."""

    @property
    def devices(self) -> list[str]:
        """Processors that trained the runs."""
        return sorted({timing.device for timing in self.timings})

    @property
    def torches(self) -> list[str]:
        """Versions of PyTorch that trained the runs."""
        return sorted({timing.torch for timing in self.timings if timing.torch is not None})

    @property
    def total(self) -> str:
        """Training time of all runs together."""
        return duration(sum(timing.seconds for timing in self.timings))


def provenance(results: Path, runs: list[str]) -> Provenance:
    """Everything that the page says about its origin; what is not on disk is left out."""
    manifest: dict[str, Any] = json_if_any(Paths(results).manifest) or {}
    return Provenance(
        manifest=manifest.get("sha256"),
        artefacts=manifest.get("artefacts", {}),
        judged=manifest.get("judged", {}),
        versions=[(name, version) for name in PACKAGES if (version := _version(name))],
        python=platform.python_version(),
        platform=platform.platform(aliased=True, terse=True),
        timings=[timing for run in runs if (timing := _timing(results, run))],
        moved=[moved for run in runs if (moved := _moved(results, run))],
    )


def _timing(results: Path, run: str) -> Timing | None:
    found = json_if_any(Paths(results).run(run) / "timing.json")
    if found is None:
        return None
    return Timing(
        run=run,
        seconds=found["seconds"],
        steps=found["steps"],
        tokens_per_second=found["tokens_per_second"],
        finished=found["finished"],
        device=found["device"],
        torch=found.get("torch"),
    )


def _moved(results: Path, run: str) -> Moved | None:
    found = json_if_any(Paths(results).run(run) / "provenance.json") or {}
    rows = found.get("segments", [])
    if len({_class(row) for row in rows}) < 2:
        return None
    return Moved(
        run,
        [Segment(row["step"], row.get("gpu") or row["cpu"], row["processes"]) for row in rows],
    )


def _class(row: dict[str, Any]) -> tuple[Any, ...]:
    """What decides the bits: the processor and its libraries, but not the number of processes."""
    gpu = ("gpu", "compute_capability", "cuda", "cudnn")
    cpu = ("architecture", "cpu", "cpu_capability", "threads")
    products = ("bfloat16_products", "float16_products")
    return tuple(row.get(key) for key in (gpu if "gpu" in row else (*cpu, *products)))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
