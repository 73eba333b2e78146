"""Check whether two results are equal to the bit: runs, tensor files, digest files, manifests."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from noiseband.errors import UserError
from noiseband.io.digests import file_digests
from noiseband.io.files import read_json
from noiseband.io.traces import first_different_row, read_rows
from noiseband.repro.compare import Comparison, Difference, compare_digests, compare_files
from noiseband.study.recipe import Recipe
from noiseband.study.section import flatten, written

WEIGHTS = ("model.safetensors", "init.safetensors")
"""The names of the tensor file in a folder: of a run, or of a starting point."""
SHOWN = 10
"""The number of differing artefacts that are listed."""


@dataclass(frozen=True)
class Finding:
    """The result of a comparison, as sentences."""

    identical: bool
    headline: str
    details: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([self.headline, *(f"  {detail}" for detail in self.details)])


def verify(a: Path, b: Path) -> Finding:
    """Compare two run folders, safetensors files, digest files or manifests.

    A digest file can also be compared with tensors; a manifest only with a manifest.

    Raises:
        UserError: one of them is of another kind or cannot be read, or the two cannot be compared.
    """
    one, other = _contents(a), _contents(b)
    if ("artefacts" in one) != ("artefacts" in other):
        raise UserError(f"{a}, {b}: a manifest can only be compared with another manifest")
    if "artefacts" in one:
        return _manifests(one["artefacts"], other["artefacts"])
    if one or other:
        left, right = (
            found or file_digests(tensor_file(path)) for found, path in ((one, a), (other, b))
        )
        return _finding(compare_digests(left, right), [])
    comparison = compare_files(tensor_file(a), tensor_file(b))
    both = a.is_dir() and b.is_dir()
    return _finding(comparison, _of_runs(a, b) if both else [])


def tensor_file(path: Path) -> Path:
    """A tensor file, or the weights in a folder. Raises UserError if there are none."""
    if path.is_file():
        return path
    for name in WEIGHTS:
        if (path / name).is_file():
            return path / name
    raise UserError(
        f"{path}: neither a tensor file, a digest file or a manifest, nor a folder with a "
        f"{' or '.join(WEIGHTS)}"
    )


def _contents(path: Path) -> dict[str, Any]:
    """The contents of a digest file or a manifest; empty for any other path."""
    if path.suffix != ".json":
        return {}
    try:
        found = read_json(path)
    except OSError as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from error
    for key in ("artefacts", "tensors"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            return {key: found[key]}
    raise UserError(f"{path}: neither a digest file (init.json, model.json) nor a manifest")


def _manifests(a: dict[str, str], b: dict[str, str]) -> Finding:
    paths = sorted(a.keys() | b.keys())
    lines = []
    for path in paths:
        if path not in a or path not in b:
            lines.append(f"{path}: only in the {'first' if path in a else 'second'}")
        elif a[path] != b[path]:
            lines.append(f"{path}: {a[path][:16]} against {b[path][:16]}")
    if not lines:
        return Finding(True, f"identical: {len(paths)} artefacts")
    return Finding(False, f"different: {len(lines)} of {len(paths)} artefacts", lines)


def _finding(comparison: Comparison, of_runs: list[str]) -> Finding:
    count = f"{comparison.tensors} tensor{'s' * (comparison.tensors != 1)}"
    first = comparison.first
    if first is None:
        # Equal weights after different traces count as different: a rerun must repeat both.
        return Finding(not of_runs, f"{'different' if of_runs else 'identical'}: {count}", of_runs)
    share = f"{len(comparison.differences)} of {comparison.tensors}"
    details = [*described(first), f"tensors that differ: {share}"]
    return Finding(False, f"different: {first.tensor}: {first.reason}", [*details, *of_runs])


def described(difference: Difference) -> list[str]:
    """The known facts about a tensor's difference, one on each line."""
    one = difference
    lines = []
    if one.flat_index is not None:
        lines.append(f"first at {one.index} (element {one.flat_index:,} of the flat tensor)")
    if one.values is not None and one.bits is not None:
        pairs = zip(("first ", "second"), one.values, one.bits, strict=True)
        lines += [f"{which}: {value} ({bits})" for which, value, bits in pairs]
    elif one.bits is not None:
        lines += [f"first : sha256 {one.bits[0]}", f"second: sha256 {one.bits[1]}"]
    if one.differing is not None and one.elements is not None:
        lines.append(f"elements that differ: {one.differing:,} of {one.elements:,}")
    if one.largest_difference is not None:
        lines.append(f"largest difference: {one.largest_difference}")
    if one.nan_pairs is not None:
        lines.append(f"of them with a NaN: {one.nan_pairs:,}")
    return lines


def _of_runs(a: Path, b: Path) -> list[str]:
    """How two runs' recipes and traces differ; traces are compared only if both runs have one."""
    lines = []
    recipes = [_recipe(folder) for folder in (a, b)]
    if recipes[0] != recipes[1] and all(recipes):
        changes = differing_keys(*recipes)
        lines.append(f"recipes differ: {'; '.join(changes)}")
    traces = [folder / "trace.parquet" for folder in (a, b)]
    if all(trace.is_file() for trace in traces):
        rows = [read_rows(trace) for trace in traces]
        found = first_different_row(*rows)
        if found is not None:
            lines.append(
                f"traces differ from step {found.step} on, first in {', '.join(found.columns)}: "
                f"`{shlex.join(['noiseband', 'diverge', str(a), str(b)])}` finds the tensor"
            )
    return lines


def _recipe(folder: Path) -> dict[str, Any]:
    """The recipe in a run's folder; empty if it cannot be read.

    The file leaves out fields with their neutral value, so these are filled in, unless another
    version of noiseband wrote the file with other fields.
    """
    try:
        found = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        recipe = dict(found["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    try:
        return Recipe.model_validate(recipe).whole()
    except ValidationError:
        return recipe


def differing_keys(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """`key: value -> value` for each dotted key with different values."""
    one, other = flatten(a), flatten(b)
    return [
        f"{key}: {written(one.get(key))} -> {written(other.get(key))}"
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]
