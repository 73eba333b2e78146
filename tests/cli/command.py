"""Run a command as people type it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest.mock import patch

from noiseband.cli import main


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the entry point with these arguments in this process; return its status and its output.

    A process of its own would spend seconds on imports. The tests of the workflow, and those of
    killed and of training processes, start real ones.
    """
    words = list(map(str, arguments))
    out, error = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    status = 0
    with (
        patch.object(sys, "argv", ["noiseband", *words]),
        patch.dict(os.environ),
        redirect_stdout(out),
        redirect_stderr(error),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(words, status, _text(out), _text(error))


def _text(stream: TextIOWrapper) -> str:
    written = stream.buffer
    assert isinstance(written, BytesIO)
    return written.getvalue().decode()
