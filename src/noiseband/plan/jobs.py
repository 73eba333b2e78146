"""What a cluster is asked for: time, memory and computers of each training job.

Resources of a rule change no result, and asking for more of them reruns nothing. Only executors
that send jobs elsewhere read these, so a study on one machine does not pay for the estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from noiseband.plan.machines import Machine, load_machines, machine_of
from noiseband.study import Study

MARGIN = 1.5
"""Time asked for over time estimated, where the machine was measured with this model."""

MARGIN_SCALED = 3.0
"""The same where the rate is scaled from another model's, which may be off by half."""

START_MINUTES = 10
"""For the start of the processes, compilation and checkpoints."""

SNAKEMAKE_MB = 1024
"""Memory of the Snakemake that a cluster's job runs in."""

HOST_GPU_MB = 4096
"""Memory beside a GPU's that a process holds: libraries, and buffers pinned for the device."""

Resource = Callable[[Any], Any]
Elsewhere = Callable[[], bool] | None


def nodes_of(machine: Machine, processes: int) -> int:
    """Computers that so many processes of one run are spread over: as few as hold them."""
    return min(machine.nodes, math.ceil(processes * machine.nodes / machine.devices))


def launcher(machine: Machine, processes: int, threads: int) -> str:
    """What stands before `noiseband train`: nothing on one computer, srun on several.

    There srun starts every process; each finds its place from Slurm's environment.
    """
    nodes = nodes_of(machine, processes)
    if nodes == 1:
        return ""
    gpus = f" --gpus={processes}" if machine.gpu else ""
    return (
        f"srun --nodes={nodes} --ntasks={processes} --cpus-per-task={threads}{gpus}"
        " --kill-on-bad-exit=1 "
    )


def training_resources(study: Study, table: Path, elsewhere: Elsewhere) -> dict[str, Any]:
    """Resources of the rule `train`, by name; functions of the wildcards where they depend on them.

    Args:
        study: with its `machine`, `processes` and `placement`.
        table: the table of machines.
        elsewhere: whether jobs are sent to other computers, or this is one of those; None where
            that cannot be: Snakemake need not ask for each resource of each job then.

    Raises:
        UserError: from the functions, where the table lacks a run's machine.
    """
    if elsewhere is None:
        return {"launcher": "", "runtime": 0, "mem_mb": 0}
    machine = _machines(study, table, elsewhere)

    def on_cluster(value: Callable[[Machine, str], Any], otherwise: Any = None) -> Resource:
        def resource(wildcards: Any) -> Any:
            found = machine(wildcards.run)
            return otherwise if found is None else value(found, wildcards.run)

        return resource

    def on_several(value: Callable[[Machine, str], Any]) -> Resource:
        return on_cluster(lambda m, run: value(m, run) if nodes_of(m, processes(run)) > 1 else None)

    def processes(run: str) -> int:
        return study.processes(study.runs[run])

    def threads(run: str) -> int:
        return study.runs[run].recipe.threads

    return {
        "launcher": on_cluster(
            lambda m, run: launcher(m, processes(run), threads(run)), otherwise=""
        ),
        "nodes": on_cluster(lambda m, run: nodes_of(m, processes(run))),
        "slurm_partition": on_cluster(lambda m, run: m.partition),
        # 0 is unlimited, to Slurm, and costs nothing of what `--resources` allows on one machine.
        "runtime": on_cluster(lambda m, run: minutes(study, run, table, m), otherwise=0),
        "mem_mb": on_cluster(lambda m, run: node_memory(study, run, m), otherwise=0),
        # What the Slurm executor calls a job that starts its own processes.
        "mpi": on_several(lambda m, run: "srun"),
        "tasks": on_several(lambda m, run: processes(run)),
        "cpus_per_task": on_several(lambda m, run: threads(run)),
        # Or it would take `tasks` for a number of tasks on each GPU.
        "tasks_per_gpu": on_several(lambda m, run: 0),
    }


def gpu_resource(
    study: Study, table: Path, elsewhere: Elsewhere, devices: Callable[[str], int]
) -> Resource:
    """Resource `gpu` of a rule: how many devices a job of a run or pretrained model works on.

    None where it is sent to a machine that has none: a cluster would look for them in vain.
    """
    machine = _machines(study, table, elsewhere)

    def resource(wildcards: Any) -> int | None:
        found = machine(wildcards.run)
        return None if found is not None and not found.gpu else devices(wildcards.run)

    return resource


def _machines(study: Study, table: Path, elsewhere: Elsewhere) -> Callable[[str], Machine | None]:
    """The machine that a run's or pretrained model's jobs are sent to; None where they stay."""

    @cache
    def machine(model: str) -> Machine | None:
        if elsewhere is None or not elsewhere():
            return None
        run = study.runs.get(model)
        name = study.config.machine if run is None else study.machine(run)
        return machine_of(load_machines(table), name)

    return machine


def minutes(study: Study, run: str, table: Path, machine: Machine) -> int:
    """To ask for; 0 where nobody measured how fast the machine trains."""
    from noiseband.plan.estimate import work

    one = work(run, study.runs[run].recipe, load_machines(table), machine)
    if one.seconds is None:
        return 0
    # Rates are of all devices together.
    slower = max(1.0, machine.devices / study.processes(study.runs[run]))
    margin = MARGIN_SCALED if one.scaled else MARGIN
    return START_MINUTES + math.ceil(margin * slower * one.seconds / 60)


def node_memory(study: Study, run: str, machine: Machine) -> int:
    """Megabytes of main memory to ask for on each computer."""
    from noiseband.plan.memory import memory, parameter_count

    recipe, processes = study.runs[run].recipe, study.processes(study.runs[run])
    if machine.gpu:
        # The initial weights, and a checkpoint (weights and two moments) on its way to the disk.
        each = HOST_GPU_MB + math.ceil(4 * 4 * parameter_count(recipe.model) / 1e6)
    else:
        each = math.ceil(memory(recipe, processes).total / 1e6 + machine.base_gib * 1074)
    return SNAKEMAKE_MB + each * math.ceil(processes / nodes_of(machine, processes))
