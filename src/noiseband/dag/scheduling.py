"""Adapt Snakemake: environment of jobs, GPUs, signals, outputs shared by studies, checksums."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from noiseband.errors import CONFIGFILES, configfiles
from noiseband.gpus import visible
from noiseband.io.checksums import CHECKSUMS, SWITCH, checksumming
from noiseband.io.files import write_json


def name_configs(files: Iterable[str]) -> None:
    """Tell jobs the config files, which their messages name in the command that repairs a file."""
    os.environ[CONFIGFILES] = configfiles(files)


def limit_gpus(workflow: Any) -> None:
    """Set `--resources gpu=N` to the number of GPUs here, if it is not given and jobs run here.

    Without it, jobs on GPUs would still wait for each other, but each would occupy a core.
    """
    here = workflow.nodes is None
    if here and "gpu" not in workflow.global_resources and (devices := visible()):
        workflow.register_resource("gpu", len(devices))


def look_when_jobs_end(workflow: Any) -> None:
    """Make Snakemake choose the next jobs only when a job has ended, and not on timers too.

    By default it starts at most 100 jobs a second and therefore looks again a second after each
    choice. Each look schedules another one, and so does each job that ends: after 100 jobs it goes
    through everything that is ready 100 times a second (seen in 9.27). `--cores` and `--jobs` limit
    enough, and a rate that the user asked for stays. Call this when the scheduler exists.
    """
    scheduler = workflow.scheduler
    rate = getattr(scheduler, "job_rate_limiter", None)
    if rate is not None and (rate.max_jobs, rate.timespan) == (100, 1):
        scheduler.job_rate_limiter = None


def handle_sigterm() -> None:
    """Make Snakemake end after its running jobs on SIGTERM, whenever the signal arrives.

    Snakemake's own handler takes the lock of its scheduler. The interrupted code may hold that
    lock, especially while jobs are selected, and the process would then deadlock (seen in 9.27).
    The handler is therefore called in a separate thread, which waits until the lock is free.
    """
    before = signal.getsignal(signal.SIGTERM)
    if callable(before):
        handle = before
        signal.signal(
            signal.SIGTERM, lambda *given: threading.Thread(target=handle, args=given).start()
        )


SHARED = "SNAKEMAKE_OUTPUT_CACHE"
DECIDING = (
    "numpy", "rustbpe", "safetensors", "sentencepiece", "tiktoken", "tokenizers", "torch",
)  # fmt: skip
"""Packages that a corpus, its tokens or the initial weights depend on."""


def share_outputs(workflow: Any) -> None:
    """With `--cache`, find or create the folder through which studies share outputs.

    It is in `$SNAKEMAKE_OUTPUT_CACHE`, by default in the user's cache, and is named after the
    versions of the packages that the outputs depend on, which Snakemake's key does not include.
    """
    if workflow.workflow_settings.cache is None:
        return
    versions = {name: metadata.version(name) for name in DECIDING}
    name = hashlib.sha256(repr(sorted(versions.items())).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    given = os.environ.get(SHARED) or f"{home}/noiseband"
    if given.endswith(f"/{name}"):
        return  # another Snakemake started this one and has set the folder
    if "://" not in given:
        given = str(Path(given).expanduser().absolute())
        folder = Path(given, name)
        try:
            write_json(folder / "versions.json", versions, checksum=False)
        except OSError as error:
            print(
                f"{SHARED}: cannot write to {folder} ({error.strerror}); give another folder, or "
                "leave out --cache",
                file=sys.stderr,
            )
            sys.exit(2)
    os.environ[SHARED] = f"{given}/{name}"


def forget_shared_checksums(workflow: Any, results: Path) -> None:
    """With `--cache`, remove the checksums in the folders of the rules that share their outputs.

    There Snakemake may replace a file without running any of our commands. Call this before the
    first job.
    """
    if not checksumming():
        return
    shared = workflow.workflow_settings.cache or []
    outputs = [file for rule in workflow.rules if rule.name in shared for file in rule.output]
    for name in {Path(str(file)).relative_to(results).parts[0] for file in outputs}:
        for folder in list(Path(results, name).rglob(CHECKSUMS)):
            shutil.rmtree(folder)


def no_checksums_in_storage(workflow: Any) -> None:
    """Turn checksums off if the results are in a storage.

    Only declared files are transferred, so the checksums on this machine may belong to other files.
    """
    if workflow.storage_settings.default_storage_provider is not None:
        os.environ[SWITCH] = "none"
