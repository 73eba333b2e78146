"""Write `provenance.json`: the inputs, code, software and processor with which a run was trained.

The file is volatile: another machine writes a different one for the same weights, so no manifest
lists it. It names no host, no user and no local path.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from noiseband.dag.code import code_digest
from noiseband.io.files import write_json
from noiseband.processor import processor
from noiseband.repro.manifest import artefact_digest
from noiseband.study.params import TrainParams
from noiseband.versions import versions

PACKAGES = ("noiseband", "torch", "numpy", "safetensors", "tiktoken", "pyarrow", "snakemake")
"""Packages that a run's files depend on, or that started the run."""

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
        out: the run's folder, with its results.
        params: the run's params.
        inputs: the files that it read (tokens, vocabulary, init), digested as in the manifest.
        device: the device of the first process.
        processes: the number of training processes.
        segments: the segments of the training, each with its first step and its machine.
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
    """The command that trains the run again, without the paths of its files."""
    return f"noiseband train --run {params.run}"


def software() -> dict[str, str]:
    """The version of Python and of each package."""
    # torch's own version also has the wheel's variant (cpu or cu130), which decides the kernels.
    own = {"torch": torch.__version__}
    return {"python": platform.python_version(), **versions(PACKAGES), **own}
