"""The memory that a process has used, and the memory that is available."""

from __future__ import annotations

import platform
import re
import resource
from pathlib import Path

import torch


def peak_memory(device: torch.device) -> int:
    """Peak memory of this process so far, in bytes: on the GPU, or in RAM if it uses the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    if (kibibytes := _field("/proc/self/status", "VmHWM")) is not None:
        return 1024 * kibibytes
    # Without /proc. This figure may also include the peak of the parent process.
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory(device: torch.device) -> int | None:
    """Bytes that a new process could use, within a container's limit; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    kibibytes = _field("/proc/meminfo", "MemAvailable")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        left = limit - int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):  # no container, or no limit ("max")
        left = None
    known = [n for n in (kibibytes and 1024 * kibibytes, left) if n is not None]
    return min(known, default=None)


def _field(file: str, name: str) -> int | None:
    """The number in a named field of a file in Linux's /proc; None if file or field is absent."""
    try:
        found = re.search(rf"^{name}:\s+(\d+)", Path(file).read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
