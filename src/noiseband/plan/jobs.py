"""The resources that training jobs request from a cluster: time, memory and nodes.

The resources of a rule change no result, and requesting more of them reruns nothing. Only executors
that send jobs elsewhere read them, so a study on one machine does not pay for the estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from noiseband.study import Run, Study
from noiseband.study.machines import Machine, load_machines, machine_of
from noiseband.study.weight_averages import decays

MARGIN = 1.5
"""Requested time as a multiple of the estimate, if the machine was measured with this model."""

MARGIN_SCALED = 3.0
"""The multiple if the rate is scaled from another model's, which may be off by half."""

START_MINUTES = 10
"""Minutes for the start of the processes, compilation and checkpoints."""

SNAKEMAKE_MB = 1024
"""Memory of the Snakemake process that runs a job on a cluster."""

HOST_GPU_MB = 4096
"""Main memory of a process on a GPU: libraries, and buffers pinned for the device."""

Resource = Callable[[Any], Any]
Elsewhere = Callable[[], bool] | None


def nodes_of(machine: Machine, processes: int) -> int:
    """The smallest number of nodes on which the processes of one run fit."""
    return min(machine.nodes, math.ceil(processes * machine.nodes / machine.devices))


def launcher(machine: Machine, processes: int, threads: int) -> str:
    """The command before `noiseband train`: empty on one node, `srun` on several.

    srun starts every process, and each finds its rank in Slurm's environment.
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
    """The resources of the rule `train`, by name: values, or functions of the wildcards.

    Args:
        study: the study, with its `machine`, `processes` and `placement`.
        table: the table of machines.
        elsewhere: whether jobs are sent to other computers, or this is one of those; None if that
            cannot be, so that Snakemake need not ask for each resource of each job.

    Raises:
        UserError: when a function is called, if a run's machine is not in the table.
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
        return study.runs[run].built_in.threads

    return {
        "launcher": on_cluster(
            lambda m, run: launcher(m, processes(run), threads(run)), otherwise=""
        ),
        "nodes": on_cluster(lambda m, run: nodes_of(m, processes(run))),
        "slurm_partition": on_cluster(lambda m, run: m.partition),
        # To Slurm, 0 means unlimited; on one machine it takes nothing from `--resources`.
        "runtime": on_cluster(lambda m, run: minutes(study, run, table, m), otherwise=0),
        "mem_mb": on_cluster(lambda m, run: node_memory(study, run, m), otherwise=0),
        # With `mpi` set, the Slurm executor lets a job start its own processes.
        "mpi": on_several(lambda m, run: "srun"),
        "tasks": on_several(lambda m, run: processes(run)),
        "cpus_per_task": on_several(lambda m, run: threads(run)),
        # Without this, the executor would read `tasks` as the number of tasks for each GPU.
        "tasks_per_gpu": on_several(lambda m, run: 0),
    }


def command_resources(study: Study, table: Path, elsewhere: Elsewhere) -> dict[str, Any]:
    """The resources of the rule `train_command`, by name: values, or functions of the wildcards.

    Time is that of the first finished run, with a margin, and unlimited before there is one. Memory
    is not known.
    """
    if elsewhere is None:
        return {"runtime": 0, "mem_mb": 0}
    machine = _machines(study, table, elsewhere)

    def partition(wildcards: Any) -> Any:
        found = machine(wildcards.run)
        return None if found is None else found.partition

    @cache
    def likely() -> dict[str, float | None]:
        from noiseband.plan.measured import expected_seconds

        return expected_seconds(study)

    def runtime(wildcards: Any) -> int:
        if machine(wildcards.run) is None:
            return 0
        seconds = likely()[wildcards.run]
        return 0 if seconds is None else START_MINUTES + math.ceil(MARGIN_SCALED * seconds / 60)

    return {"runtime": runtime, "mem_mb": 0, "slurm_partition": partition}


def gpu_resource(
    study: Study, table: Path, elsewhere: Elsewhere, devices: Callable[[str], int]
) -> Resource:
    """The resource `gpu` of a rule: the number of devices of a run's or pretrained model's job.

    None if the job is sent to a machine without GPUs, where a cluster could not provide them.
    """
    machine = _machines(study, table, elsewhere)

    def resource(wildcards: Any) -> int | None:
        found = machine(wildcards.run)
        return None if found is not None and not found.gpu else devices(wildcards.run)

    return resource


def _machines(study: Study, table: Path, elsewhere: Elsewhere) -> Callable[[str], Machine | None]:
    """The machine to which a run's or pretrained model's jobs are sent; None if they run here."""

    @cache
    def machine(model: str) -> Machine | None:
        if elsewhere is None or not elsewhere():
            return None
        found = study.weights.get(model)
        name = study.machine(found) if isinstance(found, Run) else study.config.machine
        return machine_of(load_machines(table), name)

    return machine


def minutes(study: Study, run: str, table: Path, machine: Machine) -> int:
    """The minutes to request; 0 if the machine's speed was not measured."""
    from noiseband.plan.estimate import work

    one = work(run, study.runs[run].built_in, load_machines(table), machine)
    if one.seconds is None:
        return 0
    # Rates are measured on all devices together.
    slower = max(1.0, machine.devices / study.processes(study.runs[run]))
    margin = MARGIN_SCALED if one.scaled else MARGIN
    return START_MINUTES + math.ceil(margin * slower * one.seconds / 60)


def node_memory(study: Study, run: str, machine: Machine) -> int:
    """The megabytes of main memory to request on each node."""
    from noiseband.plan.memory import memory, parameter_count

    recipe, processes = study.runs[run].built_in, study.processes(study.runs[run])
    moving = len(set(decays(study.config.averages).values()))
    if machine.gpu:
        # The initial weights, and a checkpoint (weights, two moments and the moving averages) while
        # it is written.
        each = HOST_GPU_MB + math.ceil(4 * (4 + moving) * parameter_count(recipe.model) / 1e6)
    else:
        each = math.ceil(memory(recipe, processes, moving).total / 1e6 + machine.base_gib * 1074)
    return SNAKEMAKE_MB + each * math.ceil(processes / nodes_of(machine, processes))
