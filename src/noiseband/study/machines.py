"""The table of machines, `config/machines.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from noiseband.errors import UserError
from noiseband.study.architecture import Model
from noiseband.study.problems import Problem, StudyError, from_pydantic, unknown_names
from noiseband.study.recipe import Precision
from noiseband.study.section import Positive, Section
from noiseband.study.yaml_file import read_yaml

Amount = Annotated[float, Field(gt=0)]


class Rate(Section):
    """How fast a machine trains one model."""

    model: str
    """Name of an entry of `models`."""
    precision: Precision
    """Arithmetic used in the measurement."""
    dropout: bool
    """Whether the measurement used dropout."""
    tokens_per_second: Amount
    """Training speed of the whole machine."""


class Machine(Section):
    """A machine that trains one run at a time, or `runs_at_once`."""

    devices: Positive
    """Number of processors that share a run, with one process each."""
    memory_gib: Amount
    """Memory of one device in GiB."""
    base_gib: Annotated[float, Field(ge=0)] = 0.0
    """Memory that a process takes before it trains anything, in GiB."""
    usd_per_hour: Amount | None = None
    """Price of the machine in US dollars per hour."""
    watts: Amount | None = None
    """Power while training, in watts."""
    runs_at_once: Positive = 1
    """Number of runs that the machine trains at the same time at these rates."""
    gpu: bool = False
    """Whether the devices are GPUs; if not, each is a share of the CPU and its memory."""
    nodes: Positive = 1
    """Number of computers; each has an equal number of the devices."""
    partition: str | None = None
    """Slurm partition that has such computers; null leaves the choice to the cluster."""
    source: str
    """Source of the figures."""
    rates: list[Rate]
    """Measured training speeds."""

    @model_validator(mode="after")
    def _devices_are_spread_evenly(self) -> Machine:
        if self.devices % self.nodes:
            raise ValueError(
                f"nodes={self.nodes} does not divide devices={self.devices}; change one of them"
            )
        return self


class MeasuredMemory(Section):
    """Memory that training took on one device."""

    model: str
    """Name of an entry of `models`."""
    precision: Precision
    """Arithmetic used in the measurement."""
    microbatch: Positive
    """Sequences in one forward-backward pass."""
    processes: Positive
    """Processes that shared the run."""
    gib: Amount
    """Memory in GiB, as the driver reported it."""
    source: str
    """Source of the measurement."""


class Machines(Section):
    """The content of `config/machines.yaml`."""

    models: dict[str, Model]
    """Measured models by name."""
    machines: dict[str, Machine]
    """Machines by name."""
    memory: list[MeasuredMemory] = []
    """Memory measurements, used instead of estimates."""
    links: dict[str, Amount] = {}
    """Speeds of links between machines or devices by name, in gigabits a second."""


def load_machines(path: Path) -> Machines:
    """Read and check the table. Raises UserError with key, value and remedy."""
    data = read_yaml(path)
    try:
        found = Machines.model_validate(data)
    except ValidationError as error:
        problems = from_pydantic(error, "", Machines)
        named = [Problem(p.key.removeprefix("."), p.value, p.remedy) for p in problems]
        raise StudyError(str(path), named) from error
    problems = [
        problem
        for name, machine in found.machines.items()
        for place, rate in enumerate(machine.rates)
        for problem in unknown_names(
            f"machines.{name}.rates.{place}.model", rate.model, found.models
        )
    ]
    for place, measured in enumerate(found.memory):
        problems += unknown_names(f"memory.{place}.model", measured.model, found.models)
    if problems:
        raise StudyError(str(path), problems)
    return found


def machine_of(machines: Machines, name: str, key: str = "machine") -> Machine:
    """Return the machine called `name`, which was given under `key`.

    Raises UserError with a valid name if the table has no such machine.
    """
    if name not in machines.machines:
        problem = unknown_names(key, name, machines.machines)[0]
        raise UserError(str(problem))
    return machines.machines[name]
