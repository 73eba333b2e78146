"""Estimate each run's hours, cost and memory on a machine, and the totals of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from noiseband.io.files import read_json
from noiseband.model.flops import flops_per_token
from noiseband.plan.memory import GIB, Memory, memory, parameter_count
from noiseband.study import Run, Study
from noiseband.study.architecture import Model
from noiseband.study.machines import Machine, Machines, machine_of
from noiseband.study.recipe import Recipe, valid_processes
from noiseband.study.weight_averages import decays

NEAR = 0.1
"""A model whose arithmetic per token is within this share of another's has the same rate."""


@dataclass(frozen=True)
class Work:
    """The work of one run."""

    run: str
    steps: int
    tokens: int
    seconds: float | None
    """None if the table of machines has no rate for the run's precision."""
    scaled: bool
    """Whether the rate was measured with another model or another dropout than the run's."""


@dataclass(frozen=True)
class RunPlan(Work):
    """The work of one run, with its memory, disk space and traffic."""

    done: bool
    """Whether the run was already trained with this recipe."""
    memory: Memory
    """The estimated memory of one device."""
    needed: int
    """Memory of one device in bytes: measured if there is a measurement, otherwise estimated."""
    memory_measured: str | None
    """The source of the measurement; None for an estimate."""
    fits: bool
    processes: int
    disk: int
    """Bytes of the trained model, its snapshots and averages, and the checkpoints that are kept."""
    traffic: int
    """Bytes of gradient that each process sends in a step, with each process on its own machine."""


@dataclass(frozen=True)
class Total:
    """The total of several runs, of which `runs_at_once` run at the same time."""

    runs: int
    tokens: int
    seconds: float | None
    usd: float | None
    kwh: float | None


def work(run: str, recipe: Recipe, machines: Machines, machine: Machine) -> Work:
    """The work of a run of this recipe, with the whole machine to itself."""
    rate, scaled = _rate(recipe, machines, machine)
    seconds = None if rate is None else recipe.tokens / rate
    return Work(run, recipe.steps, recipe.tokens, seconds, scaled)


def plan(study: Study, machines: Machines, machine: Machine) -> list[RunPlan]:
    """The plan of each run of the study, including repeats, which are trained afresh."""
    return [_plan(study, run, machines, machine) for run in study.runs.values()]


def plan_each(study: Study, machines: Machines) -> dict[str, list[RunPlan]]:
    """The plans by machine, each run on the machine that the study assigns; the study's own first.

    Raises UserError if a machine is not in the table.
    """
    found: dict[str, list[RunPlan]] = {study.config.machine: []}
    for run in study.runs.values():
        name = study.machine(run)
        machine = machine_of(
            machines,
            name,
            f"placement.{run.name}.machine" if run.name in study.config.placement else "machine",
        )
        found.setdefault(name, []).append(_plan(study, run, machines, machine))
    return {name: plans for name, plans in found.items() if plans}


def total(plans: Sequence[Work], machine: Machine) -> Total:
    """The total of several plans on one machine.

    Money and energy are those of the machine's hours. All three are None if the length of any run
    is unknown.
    """
    known = [one.seconds for one in plans if one.seconds is not None]
    seconds = sum(known) / machine.runs_at_once if len(known) == len(plans) else None
    hours = None if seconds is None else seconds / 3600
    price, watts = machine.usd_per_hour, machine.watts
    return Total(
        runs=len(plans),
        tokens=sum(one.tokens for one in plans),
        seconds=seconds,
        usd=None if hours is None or price is None else hours * price,
        kwh=None if hours is None or watts is None else hours * watts / 1000,
    )


def combined(totals: Sequence[Total]) -> Total:
    """The total over several machines.

    Money and energy are summed over the machines for which they are known; they are None if the
    length of any run is unknown.
    """
    seconds = [one.seconds for one in totals if one.seconds is not None]
    timed = len(seconds) == len(totals)
    usd = [one.usd for one in totals if one.usd is not None]
    kwh = [one.kwh for one in totals if one.kwh is not None]
    return Total(
        runs=sum(one.runs for one in totals),
        tokens=sum(one.tokens for one in totals),
        seconds=sum(seconds) if timed else None,
        usd=sum(usd) if timed and usd else None,
        kwh=sum(kwh) if timed and kwh else None,
    )


def extra_seed(study: Study, plans: Sequence[RunPlan]) -> list[RunPlan]:
    """The plans of one more seed for the whole study: one run of each arm.

    Approximate runs and runs that continue others do not count as arms.
    """
    by_name = {one.run: one for one in plans}
    fresh = [run for run in study.distinct if not (run.continues or run.approximate)]
    first = {run.intervention: run.name for run in reversed(fresh)}
    return [by_name[name] for name in first.values()]


def disk(study: Study, plans: Sequence[RunPlan]) -> int:
    """Bytes of all runs' models and checkpoints, the initial weights and the pretrained models."""
    shapes = [recipe.model for recipe in study.starts.values()]
    shapes += [one.model for one in study.pretrained.values()]
    return sum(4 * parameter_count(model) for model in shapes) + sum(one.disk for one in plans)


def _plan(study: Study, run: Run, machines: Machines, machine: Machine) -> RunPlan:
    recipe = run.built_in
    processes = max(n for n in valid_processes(recipe.batch.fewest_slots) if n <= machine.devices)
    size = 4 * parameter_count(recipe.model)
    averages = study.config.averages
    moving = len(set(decays(averages).values()))
    parts = memory(recipe, processes, moving)
    needed, measured = _measured(recipe, processes, machines)
    if measured is None:
        needed = parts.total + round(machine.base_gib * GIB)
    else:
        needed += parts.moving_averages
    checkpoints = study.config.checkpoints
    last = -(-recipe.steps // checkpoints.every) + 1
    snapshots = 0 if study.config.snapshots is None else study.config.snapshots.last - 1
    kept = last if checkpoints.keep == "all" else len(checkpoints.keep) + checkpoints.last
    return RunPlan(
        **asdict(work(run.name, recipe, machines, machine)),
        done=_done(study.paths.run(run.name), recipe),
        memory=parts,
        needed=needed,
        memory_measured=measured,
        fits=needed <= machine.memory_gib * GIB,
        processes=processes,
        # A checkpoint has the weights, two moments and the moving averages; a snapshot is also in
        # the work folder.
        disk=size * (1 + (3 + moving) * min(kept, last) + 2 * snapshots + len(averages)),
        traffic=round(2 * size * (processes - 1) / processes),
    )


def _done(folder: Path, recipe: Recipe) -> bool:
    """Whether the folder has the trained model of this recipe."""
    try:
        card = read_json(folder / "recipe.json")
    except (OSError, ValueError):
        return False
    return (folder / "model.safetensors").exists() and card.get("digest") == recipe.digest


@cache
def _arithmetic(model: Model) -> float:
    """Floating-point operations per token; cached, because computing them builds the model."""
    return flops_per_token(model)


def _rate(recipe: Recipe, machines: Machines, machine: Machine) -> tuple[float | None, bool]:
    """Tokens per second, and whether they are scaled from another model or dropout."""
    rates = [rate for rate in machine.rates if rate.precision == recipe.precision]
    if not rates:
        return None, False
    dropout, own = recipe.model.dropout > 0, _arithmetic(recipe.model)
    # The rate with the same dropout is preferred, then that of the model nearest in size.
    best = min(
        rates,
        key=lambda rate: (
            rate.dropout != dropout,
            abs(_arithmetic(machines.models[rate.model]) / own - 1),
        ),
    )
    measured = machines.models[best.model]
    factor = _arithmetic(measured) / own
    scaled = best.dropout != dropout or abs(factor - 1) > NEAR
    return best.tokens_per_second * factor, scaled


def _measured(recipe: Recipe, processes: int, machines: Machines) -> tuple[int, str | None]:
    own = (recipe.precision, recipe.batch.microbatch, processes)
    for one in machines.memory:
        same = (one.precision, one.microbatch, one.processes) == own
        if same and machines.models[one.model] == recipe.model and recipe.attention == "explicit":
            return round(one.gib * GIB), one.source
    return 0, None
