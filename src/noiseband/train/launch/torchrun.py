"""Several processes on this machine for one run, started and watched by torchrun.

On several machines, start torchrun there yourself: `noiseband train` knows that it is one of many
from the environment, whoever made it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import NoReturn

from noiseband.dag.orphans import SECONDS_TO_SAVE, end_when

PEER_LOST = 75
"""Exit status of a process that ends because another one did."""

_LAUNCHER = "NOISEBAND_LAUNCHER"


def launched() -> bool:
    """Whether torchrun, or another that says so in the environment, started this process as one
    of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ or int(os.environ.get("WORLD_SIZE", "1")) > 1


def launch(processes: int, arguments: list[str], module: str = "noiseband") -> int:
    """Run `python -m <module> <arguments>` in that many processes; their common exit status.

    A process that dies takes the others with it: theirs is a clear message, and the next start
    goes on from the newest checkpoint. SIGTERM and SIGINT are passed on.
    """
    os.environ[_LAUNCHER] = str(os.getpid())
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # until a process reads its recipe
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.disable(logging.CRITICAL)  # torchrun's own account of what is said below in a line
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
    """What torchrun is called with."""
    return [
        "--standalone",
        f"--nproc-per-node={processes}",
        f"--shutdown-timeout={SECONDS_TO_SAVE}",
        "--module",
        "--",  # what follows is not torchrun's: it would take --run for a short form of its own
        module,
        *arguments,
    ]


def _explain(statuses: dict[int, int]) -> int:
    """Say why the run ended; the exit status that stands for it.

    Args:
        statuses: of each failed process by rank; negative where a signal ended it.
    """
    # Those who lost a peer, or were ended on its account, are not the reason.
    last = (PEER_LOST, -signal.SIGTERM)
    rank, status = min(statuses.items(), key=lambda item: (item[1] in last, item[0]))
    if status > 0 and status != PEER_LOST:
        return status  # it has said why
    how = "lost its peers" if status > 0 else f"was ended by {signal.Signals(-status).name}"
    print(
        f"noiseband: process {rank} {how}, and the others with it; start again, and the run goes "
        "on from its newest checkpoint",
        file=sys.stderr,
    )
    return 1


def end(status: int) -> NoReturn:
    """End this process at once; its files are complete.

    An interpreter that takes itself down while a thread of Gloo's or NCCL's is on its way out can
    abort ("terminate called without an active exception"), and a finished run would count as
    failed. After the death of a peer, what is left of the group could wait for it for minutes.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def end_with_launcher() -> None:
    """Have this process end within 5 s of its launcher's death, however it died.

    torchrun starts processes in sessions of their own, so that killing its process group leaves
    them alive. The launcher's death counts as SIGTERM: if a step is over soon, it is saved.
    """
    launcher = int(os.environ.get(_LAUNCHER, os.getppid()))
    end_when(lambda: os.getppid() != launcher, 3)
