"""Jobs end soon after the Snakemake that started them, however it died.

After `kill -9` of Snakemake, or of the shell between the two, a job would go on alone: hold its
run's folder for hours, and at its end write over what a newer config has made meanwhile.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

SECONDS_TO_SAVE = 20
"""From the request to stop until a process is ended: for the step under way and a checkpoint."""

_WORKFLOW = "NOISEBAND_WORKFLOW"


def sign_jobs() -> None:
    """Let jobs of this process, a Snakemake, know whose they are."""
    import psutil

    me = psutil.Process()
    os.environ[_WORKFLOW] = f"{me.pid} {me.create_time()}"


def end_with_workflow() -> None:
    """Have this process end soon after the death of its Snakemake, or of its own parent.

    The death counts as SIGTERM: training saves the step under way first. Does nothing where no
    Snakemake started it, or one on another machine or behind the wall of a container, which cannot
    be seen from here.
    """
    pid, _, began = os.environ.get(_WORKFLOW, "").partition(" ")
    if not pid:
        return
    import psutil

    try:
        snakemake = psutil.Process(int(pid))
        if abs(snakemake.create_time() - float(began)) > 1:
            return  # another process, which has the number here
    except psutil.Error:
        return
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
