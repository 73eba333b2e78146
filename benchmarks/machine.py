"""Describe the machine on which a measurement was taken."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from noiseband.determinism import pick_device
from noiseband.processor import device_name


def machine() -> dict[str, Any]:
    """Device, cores, memory and relevant versions, without host name and time."""
    versions = {}
    for package in ("torch", "transformers", "accelerate", "numpy"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "device": device_name(pick_device()),
        "gpus": torch.cuda.device_count(),
        "processor": device_name(torch.device("cpu")),
        "cores": os.cpu_count(),
        "memory_gib": round(pages * page / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
    }


def anonymous_memory() -> int:
    """The bytes of this process's memory that are not backed by a file (Linux)."""
    found = re.search(r"^RssAnon:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])
