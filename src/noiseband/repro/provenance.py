"""What a run was made from, by which code, software and processor: `provenance.json`.

Volatile: another machine writes another one beside the same weights, so no manifest lists it. It
names no host, no user and no place on the disk.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from noiseband.dag.code import code_digest
from noiseband.io.files import write_json
from noiseband.processor import processor
from noiseband.repro.manifest import artefact_digest
from noiseband.study.params import TrainParams

PACKAGES = ("noiseband", "torch", "numpy", "safetensors", "tiktoken", "pyarrow", "snakemake")
"""Software that a run's files depend on, or that started it."""

OUTPUTS = ("recipe.json", "trace.parquet", "samples.jsonl", "model.json", "model.safetensors")
"""Files of a finished run that are equal across reruns."""


def write_provenance(
    out: Path,
    params: TrainParams,
    inputs: Mapping[str, Path],
    device: torch.device,
    processes: int,
    segments: Sequence[Mapping[str, Any]],
) -> None:
    """Write `provenance.json` of a run.

    Args:
        out: the run's folder, which has its results.
        params: all that the run was told.
        inputs: what it read (tokens, vocabulary, init), to be digested as in the manifest.
        device: of the first process.
        processes: how many trained.
        segments: what trained from which step on, where it was more than one machine too.
    """
    record = {
        "run": params.run,
        "params": params.model_dump(),
        "recipe_sha256": params.recipe.digest,
        "command": command(params),
        "code_sha256": code_digest("train.loop"),
        "inputs": {name: artefact_digest(path) for name, path in inputs.items()},
        "outputs": {name: artefact_digest(out / name) for name in OUTPUTS},
        "software": software(),
        "processor": {**processor(device), "processes": processes},
        "segments": list(segments),
    }
    write_json(out / "provenance.json", record)


def command(params: TrainParams) -> str:
    """The command that trains the run again, without the places of its files."""
    return f"noiseband train --run {params.run}"


def software() -> dict[str, str]:
    """Versions, by package."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    # The wheel's variant: cpu or cu130 decides which kernels there are.
    versions["torch"] = torch.__version__
    return versions
