"""`noiseband plan`."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, MACHINES, Config, machine_table
from noiseband.cli.options import Machines as Table
from noiseband.duration import duration
from noiseband.errors import run_command
from noiseband.study import Study, load_study

if TYPE_CHECKING:
    from noiseband.plan.estimate import RunPlan, Total
    from noiseband.study import Study
    from noiseband.study.machines import Machine, Machines

UNKNOWN = "–"


@app.command()
def plan(
    config: Config = DEFAULT_CONFIG,
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine", help="An entry of the table of machines; default: the study's machines."
        ),
    ] = None,
    table: Table = MACHINES,
) -> None:
    """Estimate what a study needs before it runs: hours, cost, memory, disk and traffic.

    Example: `noiseband plan --config config/factorial.yaml --machine 1xRTX3090`

    Exits with 1 if a run does not fit the machine's memory.
    """
    study = load_study(config)
    if study.config.trainer is not None:
        _plan_command(study, machine, machine_table(table, config))
        return
    from noiseband.plan.estimate import disk, plan_each
    from noiseband.plan.estimate import plan as plan_runs
    from noiseband.study.machines import load_machines, machine_of

    machines = load_machines(machine_table(table, config))
    if machine is None:
        groups = plan_each(study, machines)
    else:
        groups = {machine: plan_runs(study, machines, machine_of(machines, machine, "--machine"))}
    for name, some in groups.items():
        print(f"{study.config.study} on {name} ({machines.machines[name].source})\n")
        _runs(some, machines.machines[name])
        print()
    _totals(study, groups, machines)
    plans = [one for some in groups.values() for one in some]
    _evaluations(study, [one.run for one in plans if one.done], machine, machines)
    print(f"\nDisk: {_size(disk(study, plans))} for models, kept checkpoints and initial weights.")
    print(f"Corpora: {', '.join(_corpora(study))}.")
    _memory(plans)
    _links(plans, machines)
    _ideas(study)
    remarks = [_remarks(some, machines.machines[name]) for name, some in groups.items()]
    sys.exit(max(remarks))


def _plan_command(study: Study, name: str | None, table: Path) -> None:
    """Print the time and cost of a study whose runs a command makes, from its finished runs."""
    from noiseband.plan.estimate import Work, combined, total
    from noiseband.plan.measured import expected_seconds, measured_seconds
    from noiseband.study.machines import load_machines, machine_of

    machines = load_machines(table)
    done, likely = measured_seconds(study), expected_seconds(study)
    names = {run.name: name or study.machine(run) for run in study.runs.values()}
    each = {run: machine_of(machines, one) for run, one in names.items()}
    works = {run: Work(run, 0, 0, seconds, scaled=False) for run, seconds in likely.items()}
    width = max(map(len, works))
    print(f"{study.config.study}, by the time of its finished runs\n")
    print(f"{'run':<{width}}  {'time':>12}  {'cost':>10}")
    for run, one in works.items():
        cost = _money(total([one], each[run]).usd)
        line = f"{run:<{width}}  {_time(one.seconds):>12}  {cost:>10}"
        print(line + ("  done" if run in done else ""))
    print(f"\n{'':<28}  {'runs':>5}  {'time':>12}  {'cost':>10}")
    fresh = {run.intervention: run.name for run in reversed(study.distinct) if not run.approximate}
    for label, wanted in (
        ("in all", list(works)),
        ("done already", [run for run in works if run in done]),
        ("still to do", [run for run in works if run not in done]),
        ("another seed of everything", list(fresh.values())),
    ):
        whole = combined([total([works[run]], each[run]) for run in wanted])
        print(f"{label:<28}  {whole.runs:>5}  {_time(whole.seconds):>12}  {_money(whole.usd):>10}")
    if not done:
        first = study.paths.run(study.config.baseline) / "result.json"
        print(f"\nNo run is finished, so its time is not known; make one: {run_command(first)}")
    _evaluations(study, done, name, machines)


def _evaluations(
    study: Study, done: Collection[str], machine: str | None, machines: Machines
) -> None:
    """Print the time and cost of the further evaluations that are still to do.

    Args:
        done: the runs that are trained.
        machine: the machine of all jobs; None for those that the study assigns.
    """
    from noiseband.plan.estimate import Work, combined, total
    from noiseband.plan.evaluations import plan_evaluations
    from noiseband.study import Run
    from noiseband.study.machines import machine_of

    plans = plan_evaluations(study, done)
    if not plans:
        return
    width = max(len("evaluation"), *(len(one.name) for one in plans))
    line = f"{{:<{width}}}  {{:>5}}  {{:>5}}  {{:>12}}  {{:>12}}  {{:>10}}"
    print("\n" + line.format("evaluation", "jobs", "done", "each", "still to do", "cost"))
    for one in plans:
        totals = []
        for job in one.left:
            model = study.weights[job]
            own = study.machine(model) if isinstance(model, Run) else study.config.machine
            work = Work(job, 0, 0, one.seconds, scaled=False)
            totals.append(total([work], machine_of(machines, machine or own)))
        whole = combined(totals)
        finished = one.jobs - len(one.left)
        times = _time(one.seconds), _time(whole.seconds), _money(whole.usd)
        print(line.format(one.name, one.jobs, finished, *times))
    unknown = [one for one in plans if one.left and one.seconds is None]
    if unknown:
        first = study.paths.evaluation(unknown[0].left[0], unknown[0].name)
        print(
            f"\nNot yet priced, because no job is measured: "
            f"{', '.join(one.name for one in unknown)}. Make one: {run_command(first)}"
        )


def _totals(study: Study, groups: dict[str, list[RunPlan]], machines: Machines) -> None:
    """Print the runs, tokens, hours, cost and energy: in all, and of the runs still to do."""
    from noiseband.plan.estimate import combined, extra_seed, total

    plans = [one for some in groups.values() for one in some]
    done = [one.run for one in plans if one.done]
    more = [one.run for one in extra_seed(study, plans)]
    line = "{:<28}  {:>5}  {:>15}  {:>12}  {:>10}  {:>9}"
    print(line.format("", "runs", "tokens", "time", "cost", "energy"))
    if len(groups) > 1:
        for name, some in groups.items():
            print(line.format(f"on {name}", *_cells(total(some, machines.machines[name]))))
    for label, wanted in (
        ("in all", [one.run for one in plans]),
        ("done already", done),
        ("still to do", [one.run for one in plans if not one.done]),
        ("another seed of everything", more),
    ):
        parts = [
            total([one for one in some if one.run in wanted], machines.machines[name])
            for name, some in groups.items()
        ]
        print(line.format(label, *_cells(combined(parts))))
    free = [name for name in groups if machines.machines[name].usd_per_hour is None]
    if free and len(groups) > len(free):
        print(f"\nThe cost leaves out {', '.join(free)}, which has no usd_per_hour.")


def _corpora(study: Study) -> list[str]:
    """The disk space of each corpus, including its downloads, as text."""
    from noiseband.plan.corpora import corpora_disk
    from noiseband.study.corpora import Corpus

    texts = []
    for name, size in corpora_disk(study).items():
        about = "about " if isinstance(study.config.corpora[name], Corpus) else ""
        known = "unknown (pin its token counts)" if size is None else f"{about}{_size(size)}"
        texts.append(f"{known} for {name}")
    return texts


def _runs(plans: list[RunPlan], machine: Machine) -> None:
    width = max(len(one.run) for one in plans)
    line = f"{{:<{width}}}  {{:>7}}  {{:>15}}  {{:>12}}  {{:>10}}  {{:>11}}  {{}}"
    print(line.format("run", "steps", "tokens", "time", "cost", "memory", ""))
    for one in plans:
        cost = None
        if one.seconds is not None and machine.usd_per_hour is not None:
            cost = one.seconds / 3600 * machine.usd_per_hour / machine.runs_at_once
        notes = [
            *(["done"] if one.done else []),
            *([] if one.fits else ["does not fit"]),
            *(["rate scaled"] if one.scaled else []),
        ]
        print(
            line.format(
                one.run,
                f"{one.steps:,}",
                f"{one.tokens:,}",
                _time(one.seconds),
                _money(cost),
                _size(one.needed),
                ", ".join(notes),
            ).rstrip()
        )


def _memory(plans: list[RunPlan]) -> None:
    """Print how the run that needs the most memory uses it."""
    most = max(plans, key=lambda one: one.needed)
    parts = ", ".join(f"{key} {_size(value)}" for key, value in most.memory.parts.items())
    if most.memory_measured is not None:
        print(f"Memory: {_size(most.needed)} for {most.run} ({most.memory_measured}).")
    else:
        print(f"Memory: {_size(most.needed)} for {most.run}: {parts}.")


def _cells(total: Total) -> tuple[str, ...]:
    energy = UNKNOWN if total.kwh is None else f"{total.kwh:,.1f} kWh"
    return (
        f"{total.runs:,}",
        f"{total.tokens:,}",
        _time(total.seconds),
        _money(total.usd),
        energy,
    )


def _ideas(study: Study) -> None:
    """Say how the ideas in models are counted."""
    runs = [run.name for run in study.runs.values() if run.model.plugins]
    if runs:
        print(
            f"\nIdeas in the models of {len(runs)} runs ({runs[0]}, …): their arithmetic is "
            "counted as six operations for each parameter and token. What a feed-forward part or a "
            "norm keeps for the backward pass is measured; attention and positions are counted as "
            "the built-in ones."
        )


def _links(plans: list[RunPlan], machines: Machines) -> None:
    """Print the traffic of the run that sends most, compared with the time of a step."""
    most = max(plans, key=lambda one: one.traffic)
    if most.traffic == 0:
        return
    print(
        f"\nGradient traffic of {most.run}: {_size(most.traffic)} a step from each of "
        f"{most.processes} processes, if each were on its own machine:"
    )
    step = None if most.seconds is None else most.seconds / most.steps
    for name, gigabits in machines.links.items():
        sending = most.traffic * 8 / (gigabits * 1e9)
        share = "" if step is None else f"  {sending / step:>8.1%} of a step's {step:.3f} s"
        print(f"  {name:<18}  {sending:>8.3f} s{share}")


def _remarks(plans: list[RunPlan], machine: Machine) -> int:
    """Print remarks on the figures; return the exit code."""
    if any(one.scaled for one in plans):
        print(
            "\nRate scaled: this model and dropout were not measured. The nearest measurement was "
            "scaled by the arithmetic per token, and may be off by half."
        )
    unknown = [one.run for one in plans if one.seconds is None]
    if unknown:
        print(
            f"\nNo rate for the precision of {len(unknown)} runs ({unknown[0]}, …): measure one "
            "with `noiseband fit` and add it to the table of machines."
        )
    large = [one for one in plans if not one.fits and not one.done]
    for one in large:
        basis = one.memory_measured or "estimated"
        print(
            f"\n{one.run} needs {_size(one.needed)} on each device ({basis}), which has "
            f"{machine.memory_gib:g} GiB: use a smaller microbatch (`noiseband fit`) or a larger "
            "device."
        )
    return 1 if large else 0


def _time(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else duration(seconds)


def _money(usd: float | None) -> str:
    return UNKNOWN if usd is None else f"${usd:,.2f}"


def _size(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:,.1f} MiB"
