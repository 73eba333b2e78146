"""Make jobs end soon after the Snakemake that started them, however it died.

After `kill -9` of Snakemake, or of the shell between the two, a job would otherwise continue alone.
It would lock its run's folder for hours, and in the end overwrite the results of a newer config.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

SECONDS_TO_SAVE = 20
"""Seconds from SIGTERM to the end of a process: enough for the current step and a checkpoint."""

before_the_end: list[Callable[[], None]] = []
"""Called right before a process that is still there after `SECONDS_TO_SAVE` ends, to end those that
it has started."""

_WORKFLOW = "NOISEBAND_WORKFLOW"


def sign_jobs() -> None:
    """Tell the jobs of this process, a Snakemake, which process started them."""
    import psutil

    me = psutil.Process()
    os.environ[_WORKFLOW] = f"{me.pid} {me.create_time()} {_place()}"


def _place() -> str:
    """The machine and the container, within which process ids are unique."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""  # macOS has no such namespaces
    return f"{platform.node()} {space}"


def end_with_workflow() -> None:
    """Have this process end soon after the death of its Snakemake or of its own parent.

    It then gets SIGTERM, so training saves the current step first. If Snakemake is gone already,
    this process ends at once. Nothing happens if no Snakemake started this process, or if it runs
    on another machine or in another container, where it cannot be seen.
    """
    signed = os.environ.get(_WORKFLOW)
    if not signed:
        return
    import psutil

    pid, began, place = signed.split(" ", 2)
    if place != _place():
        return
    try:
        snakemake = psutil.Process(int(pid))
        if abs(snakemake.create_time() - float(began)) > 1:
            return  # another process has this id, or the clock was changed
    except psutil.NoSuchProcess:
        sys.exit(128 + signal.SIGTERM)
    parent = os.getppid()

    def gone() -> bool:
        try:
            dead = not snakemake.is_running() or snakemake.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            dead = True
        return dead or os.getppid() != parent

    end_when(gone, SECONDS_TO_SAVE)


def end_when(gone: Callable[[], bool], seconds: float) -> None:
    """Send SIGTERM to this process within 0.5 s of `gone()`, and end it `seconds` later."""

    def watch() -> None:
        while not gone():
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)
        for call in before_the_end:
            call()
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="orphan watch", daemon=True).start()
