"""Start the process that forks for each job, where jobs run here and nothing is unusual."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from typing import Any

from noiseband.dag.fork_client import FORKS, ONE_THREAD, fork_name, surroundings
from noiseband.gpus import visible

SERVER = "from noiseband.cli.fork_server import main; main()"
WITH_TORCH = {
    "init", "train", "rerun", "evaluate", "evaluate_loss", "evaluate_choice", "finetune", "respond",
    "verify_rerun",
}  # fmt: skip
"""Rules whose jobs import PyTorch."""


def fork_jobs(workflow: Any) -> None:
    """Have the jobs of this Snakemake forked from a process that has imported PyTorch.

    Nothing happens, so that each job's command runs itself, with a single such job, on a system
    other than Linux, on a machine with GPUs, in containers or other environments of Snakemake, if
    jobs are sent elsewhere, and if `NOISEBAND_FORKS` is `off`. Call this before the first job, when
    the environment of jobs is complete.
    """
    if os.environ.get(FORKS) == "off" or not _usual(workflow):
        return
    if sum(job.rule.name in WITH_TORCH for job in workflow.dag.needrun_jobs()) < 2:
        return
    address = f"noiseband-{os.getpid()}-{secrets.token_hex(8)}"
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(f"\0{address}")
        listener.listen(1024)
        server = start(listener)
    except OSError:
        return
    finally:
        listener.close()
    os.environ[FORKS] = f"{address} {surroundings({**os.environ, **ONE_THREAD})}"
    _benchmark_forks(server)


def start(listener: socket.socket) -> int:
    """Start the server in a session of its own, so that only its commands pass signals on.

    Its standard input is a pipe whose other end stays open until this process ends, however it
    ends. That is how the server knows.

    Returns:
        The server's process id.
    """
    reads, _ = os.pipe()
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER, str(listener.fileno())],
        stdin=reads,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        start_new_session=True,
        env={**os.environ, **ONE_THREAD},
    )
    os.close(reads)
    return server.pid


def _usual(workflow: Any) -> bool:
    return (
        sys.platform == "linux"
        and workflow.is_main_process
        and workflow.nodes is None
        and not workflow.dryrun
        and not workflow.touch
        and not workflow.deployment_settings.deployment_method
        and workflow.storage_settings.default_storage_provider is None
        and not visible()
    )


def _benchmark_forks(server: int) -> None:
    """Have Snakemake's benchmarks measure the forks instead of the commands that wait for them."""
    import psutil
    from snakemake.benchmark import BenchmarkTimer

    class Tree(psutil.Process):  # type: ignore[misc]
        """The shell of a job. The fork of each process below it is below it too."""

        def children(self, recursive: bool = False) -> list[psutil.Process]:
            commands = super().children(recursive)
            forks = {fork.name(): fork for fork in psutil.Process(server).children()}
            ours = [forks[name] for one in commands if (name := fork_name(one.pid)) in forks]
            return [*commands, *ours, *(one for fork in ours for one in fork.children(True))]

    start_timer = BenchmarkTimer.__init__

    def start_with_tree(timer: Any, pid: int, *others: Any) -> None:
        start_timer(timer, pid, *others)
        timer.main = Tree(pid)

    BenchmarkTimer.__init__ = start_with_tree
