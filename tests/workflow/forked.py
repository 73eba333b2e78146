"""Processes of Snakemake that have imported it before they start.

Snakemake imports all of its plugins, which takes seconds, and these tests start it a hundred times.
So one process imports it, and each Snakemake is a fork of that process. noiseband is not imported
before the fork, because each project has its own copy of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["snakemake.cli"])


def snakemake(
    words: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `snakemake <words>` in a folder, in a process of its own, to its end."""
    with TemporaryDirectory() as texts:
        said = [Path(texts, name) for name in ("out", "error")]
        given = words, folder, dict(environment), said
        process = _PROCESSES.Process(target=_main, args=given, name="snakemake")
        process.start()
        process.join()
        assert process.exitcode is not None
        out, error = (path.read_text(errors="replace") for path in said)
    return subprocess.CompletedProcess(words, process.exitcode, out, error)


def _main(words: list[str], folder: Path, environment: dict[str, str], said: list[Path]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = ["snakemake", *words]
    for descriptor, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    from snakemake.cli import main

    main()
