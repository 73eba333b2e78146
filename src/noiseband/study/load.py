"""Turns YAML into a Study, or reports every problem of the file at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from noiseband.errors import nearest
from noiseband.study.checks import check
from noiseband.study.config import StudyConfig
from noiseband.study.expand import expand
from noiseband.study.extend import read_config
from noiseband.study.free_recipe import FreeRecipe
from noiseband.study.ideas import check_not_filled_in, with_near_ideas
from noiseband.study.problems import Problem, StudyError, from_pydantic
from noiseband.study.recipe import BaselineRecipe
from noiseband.study.runs import Study


def load_study(path: Path | str) -> Study:
    """Read and check a config file.

    Raises:
        UserError: if the file cannot be read.
        StudyError: if the study has problems; lists all, each with key path, value and remedy.
    """
    return parse_study(read_config(path), source=str(path))


def parse_study(data: Any, source: str = "config") -> Study:
    """Check a config that is already a mapping, such as Snakemake's merged `config`.

    Raises:
        StudyError: as for `load_study`.
    """
    if not isinstance(data, dict):
        raise StudyError(source, [Problem("", data, "expected keys such as study, recipe, runs")])
    data = _numbers(data)
    valid: dict[str, Any] = {}
    problems: list[Problem] = []
    # Section by section, so that a mistake in one section does not hide those in others.
    for name, info in StudyConfig.model_fields.items():
        if name not in data:
            if info.is_required() or (name == "corpora" and data.get("trainer") is None):
                problems.append(Problem(name, None, "missing; every study needs it"))
            else:
                valid[name] = info.get_default(call_default_factory=True)
            continue
        try:
            section = _section(name)
            if name == "recipe":
                # Not the union, whose errors would be about both kinds of trainer.
                free = data.get("trainer") is not None
                section = TypeAdapter(FreeRecipe if free else BaselineRecipe)
            valid[name] = section.validate_python(data[name], strict=True)
        except ValidationError as error:
            problems += from_pydantic(error, name, StudyConfig)
    for key in data.keys() - StudyConfig.model_fields.keys():
        remedy = f"unknown key; {nearest(str(key), StudyConfig.model_fields)}"
        problems.append(Problem(str(key), data[key], remedy))
    problems += check_not_filled_in(data)
    problems += check(valid)
    if problems:
        problems = with_near_ideas(problems, valid.get("plugins", []))
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
    """Turn text such as 1e-5 into a number. YAML 1.1 reads it as text, since it expects 1.0e-5."""
    if isinstance(value, dict):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value
