"""Make Snakemake plan a large study faster: fewer functions to evaluate, and answers remembered.

Nothing here changes what is planned, printed or run.
"""

from __future__ import annotations

import functools
import gc
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any


def collect_garbage_less_often() -> None:
    """Save a sixth of the CPU time of planning 1,000 runs, without using more memory.

    Planning creates hundreds of thousands of objects that live until the end, and by default Python
    searches the newest ones for garbage after every 700.
    """
    gc.set_threshold(200_000, 50, 100)


def of_each(value: Callable[..., Any]) -> Callable[[Any], Any]:
    """A function of a job's wildcards that computes a value once for equal wildcards.

    Snakemake evaluates params and resources at least twice: when it builds the DAG, and when it
    starts the job.

    Args:
        value: a function of the wildcards that its parameters are named after.
    """
    names = tuple(inspect.signature(value).parameters)
    remembered = functools.cache(value)
    return lambda wildcards: remembered(*(getattr(wildcards, name) for name in names))


def of_all(names: Iterable[str], value: Callable[[str], Any]) -> Any:
    """`value(name)` if it is equal for all names; otherwise a function of a job's wildcards.

    Snakemake handles a value much faster than a function, which it inspects for every job.

    Args:
        names: all values that the wildcard can have.
        value: a fast function of the wildcard that its parameter is named after.
    """
    values = [value(name) for name in names]
    if values and all(one == values[0] for one in values):
        return values[0]
    return of_each(value)


def remember_signatures() -> None:
    """Have Snakemake inspect the signature of a rule's function once, and not for each job.

    Whenever it evaluates a function it asks several times for the names of the arguments, which was
    a twelfth of the time of planning (seen in 9.27).
    """
    from snakemake.common import get_function_params

    _replace(get_function_params, functools.cache(get_function_params))


def look_up_flags_faster() -> None:
    """Have Snakemake ask once for each class, and not for each file, whether it can have flags.

    Planning 1,000 runs asks a million times whether a file is temporary, a pipe, in a storage or
    something else, and the check of an abstract base class was two thirds of that (seen in 9.27).
    """
    from snakemake.io import AnnotatedStringInterface, is_flagged

    can_have_flags: dict[type, bool] = {}

    def faster(value: Any, flag: str) -> bool:
        kind = type(value)
        if kind not in can_have_flags:
            can_have_flags[kind] = isinstance(value, AnnotatedStringInterface)
        return can_have_flags[kind] and bool(value.flags.get(flag))

    _replace(is_flagged, faster)


def _replace(function: Callable[..., Any], better: Callable[..., Any]) -> None:
    """Replace a function in all modules of Snakemake that are imported, and so in later ones."""
    for name, module in list(sys.modules.items()):
        if name.startswith("snakemake.") and vars(module).get(function.__name__) is function:
            setattr(module, function.__name__, better)


def format_commands_once() -> None:
    """In a dry run, have Snakemake format the command of a job once, and not three times.

    It asks for the command three times in a row to print a job (seen in 9.27). Only in a dry run,
    because the command of a job that is tried again may differ.
    """
    from snakemake.jobs import Job

    command = getattr(Job, "shellcmd", None)
    if not isinstance(command, property) or command.fget is None:
        return
    formatted = command.fget
    once = functools.lru_cache(maxsize=1)(formatted)
    Job.shellcmd = property(lambda job: (once if job.dag.workflow.dryrun else formatted)(job))


def look_behind_ancient_inputs() -> None:
    """Have Snakemake ask whether a job must run although its `ancient` input is made again.

    It asks no job that depends, in any way, on one that must run, because such a job runs anyway.
    With an `ancient` input in between, it does not: then nobody asks whether its params or other
    inputs have changed, and a first call leaves old results (seen in 9.27; snakemake issue 4166).
    """
    from snakemake.dag import DAG

    search, update = DAG.bfs, DAG.update_needrun

    async def update_needrun(dag: Any, *arguments: Any, **more: Any) -> None:
        dag.depending_now = _WithoutAncient(dag.depending)
        try:
            await update(dag, *arguments, **more)
        finally:
            del dag.depending_now

    def bfs(dag: Any, direction: Any, *jobs: Any, **more: Any) -> Any:
        if direction is dag.depending:
            direction = getattr(dag, "depending_now", direction)
        return search(dag, direction, *jobs, **more)

    DAG.bfs, DAG.update_needrun = bfs, update_needrun


class _WithoutAncient:
    """The jobs that depend on a job by an input that is not `ancient`, with their files."""

    def __init__(self, depending: Any) -> None:
        self.depending = depending

    def __getitem__(self, job: Any) -> dict[Any, Any]:
        found = self.depending[job].items()
        return {other: files for other, files in found if not all(f.is_ancient for f in files)}
