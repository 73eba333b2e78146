"""Jobs end soon after the Snakemake that started them, however it died.

After `kill -9` of Snakemake, or of the shell between the two, a job would go on alone: hold its
run's folder for hours, and at its end write over what a newer config has made meanwhile.
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
"""From the request to stop until a process is ended: for the step under way and a checkpoint."""

_WORKFLOW = "NOISEBAND_WORKFLOW"


def sign_jobs() -> None:
    """Let jobs of this process, a Snakemake, know whose they are."""
    import psutil

    me = psutil.Process()
    os.environ[_WORKFLOW] = f"{me.pid} {me.create_time()} {_place()}"


def _place() -> str:
    """Where numbers of processes mean the same: this machine, and this container."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""  # macOS has one
    return f"{platform.node()} {space}"


def end_with_workflow() -> None:
    """Have this process end soon after the death of its Snakemake, or of its own parent.

    The death counts as SIGTERM: training saves the step under way first. Where Snakemake is gone
    already, this process ends at once. Does nothing where no Snakemake started it, or one on
    another machine or behind the wall of a container, which cannot be seen from here.
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
            return  # another process has the number, or somebody has set the clock
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
    """Send this process SIGTERM within 0.5 s of `gone()`, and end it that many seconds later."""

    def watch() -> None:
        while not gone():
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="orphan watch", daemon=True).start()
