"""Write `timing.json` and `provenance.json` of a run that a command made. Both are volatile."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noiseband.cpu import cpu_name
from noiseband.dag.code import code_digest
from noiseband.io.checksums import file_sha256
from noiseband.io.files import read_json, write_json
from noiseband.repro.manifest import artefact_digest
from noiseband.study.command_params import RESULT, CommandParams, declared_files
from noiseband.study.user_files import files_of
from noiseband.train.external import Ended, Place
from noiseband.versions import versions

PACKAGES = ("noiseband", "snakemake", "numpy", "torch", "transformers", "safetensors")
"""Packages whose versions are recorded, if noiseband's environment has them."""


def write_records(params: CommandParams, place: Place, ended: Ended, gpus: Sequence[str]) -> None:
    """Write both files of a finished run; `gpus` are the names of its GPUs."""
    result = read_json(place.out / RESULT)
    tokens = result["tokens"]
    speed = None if tokens is None or ended.resumed else round(tokens / ended.seconds)
    device = ", ".join(gpus) or cpu_name()
    timing = {
        "seconds": round(ended.seconds, 3),
        "steps": result["steps"],
        "resumed": ended.resumed,
        "tokens_per_second": speed,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": device,
        "processes": place.processes,
        "peak_memory_bytes": _peak_memory(),
        "machine": platform.machine(),
    }
    write_json(place.out / "timing.json", timing)
    sources = [path for given in params.files for path in files_of(Path(given))]
    record = {
        "run": params.run,
        "params": params.model_dump(),
        "recipe_sha256": params.digest,
        "command": params.command,
        "code_sha256": code_digest("train.collect"),
        "inputs": {path.as_posix(): file_sha256(path) for path in sorted(sources)},
        "outputs": {
            name: artefact_digest(place.out / name)
            for name in declared_files(params.outputs).values()
        },
        "software": software(),
        "processor": {
            "cpu": cpu_name(),
            "architecture": platform.machine(),
            "threads": place.threads,
            "processes": place.processes,
            **({"gpu": device} if gpus else {}),
        },
        "segments": [],
    }
    write_json(place.out / "provenance.json", record)


def software() -> dict[str, str]:
    """The version of Python and of each package in the environment of noiseband, which is usually
    the command's too."""
    return {"python": platform.python_version(), **versions(PACKAGES)}


def _peak_memory() -> int:
    """The most memory that one process of the command used, in bytes."""
    most: Any = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return int(most) if sys.platform == "darwin" else int(most) * 1024
