"""The table of machines, `config/machines.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from noiseband.errors import UserError
from noiseband.study.problems import Problem, StudyError, from_pydantic, unknown_names
from noiseband.study.recipe import Model, Positive, Precision, Section
from noiseband.study.yaml_file import read_yaml

Amount = Annotated[float, Field(gt=0)]


class Rate(Section):
    """How fast a machine trains one model."""

    model: str
    """Name of an entry of `models`."""
    precision: Precision
    """Arithmetic that it was measured with."""
    dropout: bool
    """Whether there was any."""
    tokens_per_second: Amount
    """Of the whole machine."""


class Machine(Section):
    """A machine that one run has to itself."""

    devices: Positive
    """Processors that share a run, one process each."""
    memory_gib: Amount
    """Memory of one device in GiB."""
    base_gib: Annotated[float, Field(ge=0)] = 0.0
    """What a process holds of it before it trains anything, in GiB."""
    usd_per_hour: Amount | None = None
    """Price of the machine."""
    watts: Amount | None = None
    """Power while training."""
    runs_at_once: Positive = 1
    """Runs that the machine trains side by side at these rates."""
    gpu: bool = False
    """Whether its devices are GPUs; else each is a share of the CPU and of its memory."""
    nodes: Positive = 1
    """Computers that the devices are spread over, equally many on each."""
    partition: str | None = None
    """Slurm partition where there are such computers; null leaves it to the cluster."""
    source: str
    """Where the figures come from."""
    rates: list[Rate]
    """What was measured."""

    @model_validator(mode="after")
    def _devices_are_spread_evenly(self) -> Machine:
        if self.devices % self.nodes:
            raise ValueError(
                f"nodes={self.nodes}: {self.devices} devices cannot be spread over them equally"
            )
        return self


class MeasuredMemory(Section):
    """Memory that training took on one device."""

    model: str
    """Name of an entry of `models`."""
    precision: Precision
    """Arithmetic."""
    microbatch: Positive
    """Sequences in a pass."""
    processes: Positive
    """Processes that shared the run."""
    gib: Amount
    """As the driver showed it."""
    source: str
    """Who measured it."""


class Machines(Section):
    """The whole file."""

    models: dict[str, Model]
    """Models that something was measured on."""
    machines: dict[str, Machine]
    """By name."""
    memory: list[MeasuredMemory] = []
    """Measurements that replace estimates."""
    links: dict[str, Amount] = {}
    """Gigabits a second by name."""


def load_machines(path: Path) -> Machines:
    """Read and check the table. Raises UserError naming key, value and remedy."""
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
    """Raises UserError, with the names there are, for one that the table lacks. `key` is where the
    name was given."""
    if name not in machines.machines:
        problem = unknown_names(key, name, machines.machines)[0]
        raise UserError(str(problem))
    return machines.machines[name]
