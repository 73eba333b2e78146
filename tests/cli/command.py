"""Run a command as people type it, and look at what commands there are."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer

from noiseband.cli import app, main
from noiseband.cli.commands import MODULES


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


def commands() -> dict[str, Any]:
    """All commands with their options, by name."""
    for module in MODULES:
        importlib.import_module(f"noiseband.cli.{module}")
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def imported(*arguments: str | Path) -> set[str]:
    """The modules that a process of its own has imported when it has run the command."""
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.stderr))\n"
        "from noiseband.start import main; main()"
    )
    words = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def _text(stream: TextIOWrapper) -> str:
    written = stream.buffer
    assert isinstance(written, BytesIO)
    return written.getvalue().decode()
