"""Start several processes for one run on this machine, under torchrun.

For one run on several machines, start torchrun on each of them yourself: `noiseband train` reads
its rank from the environment variables that torchrun or another launcher sets.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import NoReturn

from noiseband.dag.orphans import SECONDS_TO_SAVE, end_when
from noiseband.errors import UserError

PEER_LOST = 75
"""Exit status of a process that ends because another process ended."""

_LAUNCHER = "NOISEBAND_LAUNCHER"


def launched() -> int:
    """The number of processes of which a launcher started this one: torchrun, or another that sets
    WORLD_SIZE. 0 if none did.

    Raises UserError if WORLD_SIZE is not a number.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if not size.isdecimal():
        raise UserError(
            f"the environment variable WORLD_SIZE is {size!r}, which is not a number of processes; "
            "`unset WORLD_SIZE` to train without a launcher"
        )
    count = int(size)
    return count if "TORCHELASTIC_RUN_ID" in os.environ or count > 1 else 0


def launch(processes: int, arguments: list[str], module: str = "noiseband") -> int:
    """Run `python -m <module> <arguments>` in several processes; return their exit status.

    If one process dies, the others end too, a message says so, and the next start resumes from the
    newest checkpoint. SIGTERM and SIGINT are passed on to all processes.
    """
    os.environ[_LAUNCHER] = str(os.getpid())
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # until a process reads its recipe
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # torchrun would log at length what _explain prints in one line.
    logging.disable(logging.CRITICAL)
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main(torchrun_arguments(processes, arguments, module))
    except SignalException as stop:
        return 128 + int(stop.sigval)
    except ChildFailedError as error:
        return _explain({rank: failure.exitcode for rank, failure in error.failures.items()})
    return 0


def torchrun_arguments(processes: int, arguments: list[str], module: str) -> list[str]:
    """The arguments for torchrun.

    By default it starts `python -u -m <module>`, which imports a file of the current folder that is
    called like a module, such as random.py; -P leaves the folder out.
    """
    return [
        "--standalone",
        f"--nproc-per-node={processes}",
        f"--shutdown-timeout={SECONDS_TO_SAVE}",
        "--no-python",
        "--",  # otherwise torchrun takes --run for an abbreviated option of its own
        *(sys.executable, "-u", "-P", "-m", module),
        *arguments,
    ]


def _explain(statuses: dict[int, int]) -> int:
    """Print why the run ended, and return its exit status.

    Args:
        statuses: exit status of each failed process by rank; negative if a signal ended it.
    """
    # A process that ended only because another one had died is not the cause.
    last = (PEER_LOST, -signal.SIGTERM)
    rank, status = min(statuses.items(), key=lambda item: (item[1] in last, item[0]))
    if status > 0 and status != PEER_LOST:
        return status  # that process has printed the reason
    how = "lost its peers" if status > 0 else f"was ended by {signal.Signals(-status).name}"
    print(
        f"noiseband: process {rank} {how}, and the others ended too; start again, and the run "
        "resumes from its newest checkpoint",
        file=sys.stderr,
    )
    return 1


def end(status: int) -> NoReturn:
    """End this process at once. Its files must be complete.

    If the interpreter shuts down while a thread of Gloo or NCCL is still ending, it can abort
    ("terminate called without an active exception"), and a finished run would count as failed.
    If another process of the run has died, a normal exit could wait for that process for minutes.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def end_with_launcher() -> None:
    """Make this process end within 5 s of its launcher's death, whatever the cause.

    torchrun starts each process in its own session, so killing torchrun's process group would leave
    the processes alive. This process gets SIGTERM first, so a step that finishes soon is saved.
    """
    launcher = int(os.environ.get(_LAUNCHER, os.getppid()))
    end_when(lambda: os.getppid() != launcher, 3)
