"""Run a command as people type it, in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from noiseband.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
