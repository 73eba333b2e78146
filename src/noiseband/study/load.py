"""YAML to a Study, or every problem of the file at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from noiseband.study.checks import check
from noiseband.study.config import StudyConfig
from noiseband.study.expand import expand
from noiseband.study.extend import read_config
from noiseband.study.problems import Problem, StudyError, from_pydantic, nearest
from noiseband.study.runs import Study


def load_study(path: Path | str) -> Study:
    """Read and check a config file.

    Raises:
        UserError: where it cannot be read.
        StudyError: with every problem found, each with its key path, value and remedy.
    """
    return parse_study(read_config(path), source=str(path))


def parse_study(data: Any, source: str = "config") -> Study:
    """Check a config that is already a mapping (Snakemake's merged `config`, say).

    Raises:
        StudyError: as `load_study`.
    """
    if not isinstance(data, dict):
        raise StudyError(source, [Problem("", data, "expected keys such as study, recipe, runs")])
    data = _numbers(data)
    valid: dict[str, Any] = {}
    problems: list[Problem] = []
    # Section by section, so that a mistake in one does not hide those of the others.
    for name, info in StudyConfig.model_fields.items():
        if name not in data:
            if info.is_required():
                problems.append(Problem(name, None, "missing; every study needs it"))
            else:
                valid[name] = info.get_default(call_default_factory=True)
            continue
        try:
            valid[name] = _section(name).validate_python(data[name], strict=True)
        except ValidationError as error:
            problems += from_pydantic(error, name, StudyConfig)
    for key in data.keys() - StudyConfig.model_fields.keys():
        remedy = f"unknown key; {nearest(str(key), StudyConfig.model_fields)}"
        problems.append(Problem(str(key), data[key], remedy))
    problems += check(valid)
    if problems:
        order = {name: position for position, name in enumerate(data)}
        problems.sort(key=lambda p: order.get(p.key.split(".")[0], len(order)))
        raise StudyError(source, problems)
    config = StudyConfig(**valid)
    return Study(config, {run.name: run for run in expand(config)})


def _section(name: str) -> TypeAdapter[Any]:
    info = StudyConfig.model_fields[name]
    kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    if info.discriminator is not None:
        kind = Annotated[kind, Field(discriminator=info.discriminator)]
    return TypeAdapter(kind)


_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def _numbers(value: Any) -> Any:
    """Read 1e-5 as the number it is meant to be; YAML 1.1 wants 1.0e-5 and gives a string."""
    if isinstance(value, dict):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value
