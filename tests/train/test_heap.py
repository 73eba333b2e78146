"""Memory that is freed and used again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import re, sys, torch
from pathlib import Path
from noiseband.train.heap import KEPT, keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
tensor = torch.ones(KEPT // 8)  # half as large
heap = re.search(r"^(\\w+)-(\\w+) .*\\[heap\\]$", Path("/proc/self/maps").read_text(), re.MULTILINE)
begin, end = (int(address, 16) for address in heap.groups())
print(begin <= tensor.data_ptr() < end)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
@pytest.mark.parametrize("kind", ["keep", "return"])
def test_tensors_are_in_the_heap_which_is_kept(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """By default each large tensor has memory of its own, which goes back to the system."""
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, "-c", PROGRAM, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(kind == "keep")]
