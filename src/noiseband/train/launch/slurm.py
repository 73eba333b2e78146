"""The processes of one run as srun starts them: one per task, on one or more nodes."""

from __future__ import annotations

import os
import re
import subprocess

from noiseband.errors import UserError

FIRST_PORT, PORTS = 20_000, 10_000


def find_place() -> None:
    """Set torchrun's variables if srun started this process as one of several tasks.

    Sets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, and MASTER_ADDR and MASTER_PORT unless they
    are set already. Does nothing in a job of one task or in a process that torchrun started.

    Raises:
        UserError: Slurm does not give the address of its first node.
    """
    given = os.environ
    # The step's variables, since srun made it: a batch script has the job's, but is not a task.
    tasks = int(given.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks == 1 or "RANK" in given:
        return
    nodes = int(given["SLURM_STEP_NUM_NODES"])
    given["RANK"], given["WORLD_SIZE"] = given["SLURM_PROCID"], str(tasks)
    given["LOCAL_RANK"], given["LOCAL_WORLD_SIZE"] = given["SLURM_LOCALID"], str(tasks // nodes)
    if "MASTER_ADDR" not in given:
        given["MASTER_ADDR"] = _address(given["SLURM_STEP_NODELIST"])
    # Each job has its own port, so that two jobs on one node do not collide.
    given.setdefault("MASTER_PORT", str(FIRST_PORT + int(given["SLURM_JOB_ID"]) % PORTS))


def _address(nodes: str) -> str:
    """The address at which Slurm reaches the first of `nodes` (such as `n[01-04]`)."""
    [first, *_] = _scontrol("show", "hostnames", nodes).split()
    found = re.search(r"\bNodeAddr=(\S+)", _scontrol("--oneliner", "show", "node", first))
    return found[1] if found else first


def _scontrol(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["scontrol", *arguments], check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(
            f"scontrol {' '.join(arguments)}: {error}; set MASTER_ADDR to the address of the first "
            "node"
        ) from error
    return done.stdout
