"""Whether two results are the same bits: runs, tensor files, digest files, manifests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.io.digests import file_digests
from noiseband.io.files import read_json
from noiseband.io.traces import first_different_row, read_rows
from noiseband.repro.compare import Comparison, Difference, compare_digests, compare_files
from noiseband.study.recipe import flatten, written

WEIGHTS = ("model.safetensors", "init.safetensors")
"""A folder's tensor file: of a run, or of a starting point."""
SHOWN = 10
"""Differing artefacts that are listed."""


@dataclass(frozen=True)
class Finding:
    """What a comparison found, as sentences."""

    identical: bool
    headline: str
    details: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([self.headline, *(f"  {detail}" for detail in self.details)])


def verify(a: Path, b: Path) -> Finding:
    """Compare two of: run folder, safetensors file, digest file, manifest.

    A digest file can be compared with tensors too; a manifest with a manifest only.

    Raises:
        UserError: one is none of these, cannot be read, or the two cannot be compared.
    """
    one, other = _contents(a), _contents(b)
    if ("artefacts" in one) != ("artefacts" in other):
        raise UserError(f"{a}, {b}: a manifest can be compared with another manifest only")
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
    """A tensor file itself, or the weights in a folder. Raises UserError if there are none."""
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
    """A digest file or a manifest; empty for what holds tensors."""
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
        # Equal weights at the end of different traces: a rerun must not have that either.
        return Finding(not of_runs, f"{'different' if of_runs else 'identical'}: {count}", of_runs)
    share = f"{len(comparison.differences)} of {comparison.tensors}"
    details = [*described(first), f"tensors that differ: {share}"]
    return Finding(False, f"different: {first.tensor}: {first.reason}", [*details, *of_runs])


def described(difference: Difference) -> list[str]:
    """What is known of a tensor's difference, a line each."""
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
    """How two runs' recipes and traces differ; a trace that one alone has is passed over."""
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
                f"`noiseband diverge {a} {b}` finds the tensor"
            )
    return lines


def _recipe(folder: Path) -> dict[str, Any]:
    """The recipe in a run's folder, or nothing."""
    try:
        found = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        return dict(found["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def differing_keys(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """`key: value -> value` for each dotted key whose values differ."""
    one, other = flatten(a), flatten(b)
    return [
        f"{key}: {written(one.get(key))} -> {written(other.get(key))}"
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]
