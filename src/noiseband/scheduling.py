"""How Snakemake runs here: what jobs are told, GPUs, signals, outputs that studies share, sums."""

from __future__ import annotations

import gc
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
from noiseband.files import SUMS, SWITCH, summing, write_json
from noiseband.gpus import visible


def name_configs(files: Iterable[str]) -> None:
    """Let jobs say which config a command must name to make a file again."""
    os.environ[CONFIGFILES] = configfiles(files)


def limit_gpus(workflow: Any) -> None:
    """Start no more jobs on GPUs at once than this machine has: `--resources gpu=N`, where it is
    not given and jobs run here. Jobs would wait for each other, but each would hold a core."""
    here = workflow.nodes is None
    if here and "gpu" not in workflow.global_resources and (devices := visible()):
        workflow.register_resource("gpu", len(devices))


def seek_garbage_less_often() -> None:
    """Spare a sixth of the planning of 1,000 runs, at no more memory.

    Planning makes objects by the hundred thousand that stay until the end, and by default Python
    looks through the newest after every 700.
    """
    gc.set_threshold(200_000, 50, 100)


def look_when_jobs_end(workflow: Any) -> None:
    """Have Snakemake choose the next jobs when one has ended, and not by the clock as well.

    By itself it starts at most 100 jobs a second, and so looks again a second after each choice.
    But each look asks for another, and so does each job that ends: after 100 jobs it looks 100
    times a second at everything that is ready (seen in 9.27). `--cores` and `--jobs` are limit
    enough; a rate that somebody asked for is left alone. Called when the scheduler is there.
    """
    scheduler = workflow.scheduler
    rate = getattr(scheduler, "job_rate_limiter", None)
    if rate is not None and (rate.max_jobs, rate.timespan) == (100, 1):
        scheduler.job_rate_limiter = None


def hear_sigterm() -> None:
    """Have Snakemake end on SIGTERM at any moment, once its running jobs have.

    Its own handler takes the lock of its scheduler. The code that a signal interrupts may hold that
    lock, most of all while jobs are selected, and would then wait for itself for ever (seen in
    9.27). So the handler goes to a thread of its own, which waits until the lock is free.
    """
    before = signal.getsignal(signal.SIGTERM)
    if callable(before):
        handle = before
        signal.signal(
            signal.SIGTERM, lambda *given: threading.Thread(target=handle, args=given).start()
        )


SHARED = "SNAKEMAKE_OUTPUT_CACHE"
DECIDING = ("numpy", "rustbpe", "safetensors", "tiktoken", "torch")
"""Packages that decide a corpus, its tokens or initial weights."""


def share_outputs(workflow: Any) -> None:
    """Where `--cache` is given, find or make the folder through which studies share outputs.

    It lies in `$SNAKEMAKE_OUTPUT_CACHE`, by default the user's cache, and is named after the
    versions of the packages that decide what is shared: Snakemake's key has none of them.
    """
    if workflow.workflow_settings.cache is None:
        return
    versions = {name: metadata.version(name) for name in DECIDING}
    name = hashlib.sha256(repr(sorted(versions.items())).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    given = os.environ.get(SHARED) or f"{home}/noiseband"
    if given.endswith(f"/{name}"):
        return  # a Snakemake that this one started
    if "://" not in given:
        given = str(Path(given).expanduser().absolute())
        folder = Path(given, name)
        try:
            write_json(folder / "versions.json", versions, summed=False)
        except OSError as error:
            print(
                f"{SHARED}: cannot write in {folder} ({error.strerror}); give another folder, or "
                "leave out --cache",
                file=sys.stderr,
            )
            sys.exit(2)
    os.environ[SHARED] = f"{given}/{name}"


def forget_shared_sums(workflow: Any, results: str) -> None:
    """With `--cache`, remove the sums in the folders of the rules that share their outputs.

    Snakemake may put another file in place there, without a command of ours that would know.
    Called before the first job.
    """
    if not summing():
        return
    shared = workflow.workflow_settings.cache or []
    outputs = [file for rule in workflow.rules if rule.name in shared for file in rule.output]
    for name in {Path(str(file)).relative_to(results).parts[0] for file in outputs}:
        for folder in list(Path(results, name).rglob(SUMS)):
            shutil.rmtree(folder)


def no_sums_in_storage(workflow: Any) -> None:
    """With results in a storage, have no command write sums or compare with them: only declared
    files travel, so that what lies beside them here may be of others."""
    if workflow.storage_settings.default_storage_provider is not None:
        os.environ[SWITCH] = "none"
