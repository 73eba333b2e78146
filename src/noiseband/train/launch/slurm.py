"""The processes of one run as srun starts them: one task each, on as many nodes as there are."""

from __future__ import annotations

import os
import re
import subprocess

from noiseband.errors import UserError

FIRST_PORT, PORTS = 20_000, 10_000


def find_place() -> None:
    """Where srun started this process as one of several tasks, say so in torchrun's words.

    Sets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, and MASTER_ADDR and MASTER_PORT unless they
    are set. A job of one task, and a process that torchrun started, is left alone.

    Raises:
        UserError: Slurm does not say where its first node is.
    """
    given = os.environ
    # Of the step, which srun made: a batch script sees the job's numbers without being a task.
    tasks = int(given.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks == 1 or "RANK" in given:
        return
    nodes = int(given["SLURM_STEP_NUM_NODES"])
    given["RANK"], given["WORLD_SIZE"] = given["SLURM_PROCID"], str(tasks)
    given["LOCAL_RANK"], given["LOCAL_WORLD_SIZE"] = given["SLURM_LOCALID"], str(tasks // nodes)
    if "MASTER_ADDR" not in given:
        given["MASTER_ADDR"] = _address(given["SLURM_STEP_NODELIST"])
    # Another one for every job, so that two on one node do not meet.
    given.setdefault("MASTER_PORT", str(FIRST_PORT + int(given["SLURM_JOB_ID"]) % PORTS))


def _address(nodes: str) -> str:
    """Where Slurm itself reaches the first of `nodes` (such as `n[01-04]`)."""
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
