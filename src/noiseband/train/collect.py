"""Take over what a command wrote: check it against the contract, and put it into the run's folder.

The contract is on docs/extending.md. Nothing is put in place until everything is checked, and
`result.json` is put last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noiseband.errors import UserError, nearest
from noiseband.io.checksums import file_sha256
from noiseband.io.digests import file_digests
from noiseband.io.files import atomic, write_json, write_jsonl
from noiseband.io.metrics import metrics_in, metrics_json, read_object
from noiseband.io.series import read_log, write_series
from noiseband.study.command_params import (
    DIGESTS,
    EXPORT,
    EXPORTED,
    RECIPE,
    RESULT,
    SAMPLES,
    TRACE,
    WEIGHTS,
    CommandParams,
)
from noiseband.study.user_files import files_of

COUNTS = ("steps", "tokens", "flops")
"""Further keys of `result.json`: whole numbers of at least 1, or null."""

Step = Callable[[], None]


def collect(params: CommandParams, made: Path, out: Path, declared: Sequence[str] = ()) -> None:
    """Put the outputs of a command that has ended into the run's folder.

    Args:
        params: the run's params, with the outputs that it declares.
        made: the folder `{out}` of the command; large files are moved out of it.
        out: the run's folder.
        declared: the metrics that `result.json` must have.

    Raises:
        UserError: an output is missing or does not fit the contract; nothing was put in place.
    """
    outputs = params.outputs
    steps: list[Step] = [lambda: write_json(out / RECIPE, params.card)]
    if outputs.trace is not None:
        logged, series = read_log(_there(made, outputs.trace, "trace"))
        steps.append(lambda: write_series(out / TRACE, logged, series))
    if outputs.samples is not None:
        samples = _samples(_there(made, outputs.samples, "samples"))
        steps.append(lambda: write_jsonl(out / SAMPLES, samples))
    if outputs.export is not None:
        # Before the weights, which may be a file of this folder and are moved.
        export = made / outputs.export
        if not export.is_dir() or not any(export.iterdir()):
            raise _missing(export, "export", "a folder with files")
        exported = {path.relative_to(export).as_posix(): path for path in files_of(export)}
        sums = {name: file_sha256(path) for name, path in sorted(exported.items())}
        steps.append(lambda: _move_folder(export, out / EXPORT))
        steps.append(lambda: write_json(out / EXPORTED, {"files": sums}))
    if outputs.weights is not None:
        weights = _there(made, outputs.weights, "weights")
        digests = file_digests(weights)
        steps.append(lambda: write_json(out / DIGESTS, digests))
        steps.append(lambda: _move(weights, out / WEIGHTS))
    result = _result(made / RESULT, declared)
    out.mkdir(parents=True, exist_ok=True)
    for step in steps:
        step()
    write_json(out / RESULT, result)


def _there(made: Path, name: str, key: str) -> Path:
    path = made / name
    if not path.is_file():
        raise _missing(path, key, "a file")
    return path


def _missing(path: Path, key: str, what: str) -> UserError:
    return UserError(
        f"{path}: the command ended and left no such file; trainer.outputs.{key} says that it is "
        f"{what}: have the command write it, or remove the key"
    )


def _result(path: Path, declared: Sequence[str]) -> dict[str, Any]:
    """The checked content of `result.json`."""
    try:
        found = read_object(path)
    except FileNotFoundError:
        raise UserError(
            f"{path}: the command ended with 0 and left no result; have it write its metrics there "
            'as its last step, as {"metrics": {"loss": 1.5}}'
        ) from None
    metrics = metrics_in(found, path)
    for name in declared:
        if name not in metrics:
            raise UserError(
                f"{path}: metrics.{name}: missing; the study's metrics declare it: have the "
                f"command write it, or declare another ({nearest(name, metrics)})"
            )
    for key, value in found.items():
        if key != "metrics" and key not in COUNTS:
            raise UserError(
                f"{path}: {key}: unknown key; valid: metrics, {', '.join(COUNTS)}; what was "
                "measured belongs under metrics"
            )
        if key in COUNTS and value is not None and not _is_count(value):
            raise UserError(f"{path}: {key}: {value!r}: write a whole number of at least 1")
    counts = {key: None if found.get(key) is None else int(found[key]) for key in COUNTS}
    return {"metrics": metrics_json(metrics), **counts}


def _is_count(value: Any) -> bool:
    """Whether a value is a whole number of at least 1; 1e18 is one too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 1 <= value < float("inf") and int(value) == value


def _samples(path: Path) -> list[dict[str, Any]]:
    import json

    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number}: not JSON ({error})") from error
        kinds = {"step": int, "prompt": str, "text": str}
        for key, kind in kinds.items():
            value = row.get(key) if isinstance(row, dict) else None
            if not isinstance(value, kind) or isinstance(value, bool):
                what = "a whole number" if kind is int else "text"
                raise UserError(f"{path}: line {number}: {key}: {value!r}: write {what}")
        found.append({key: row[key] for key in kinds})
    return found


def _move(source: Path, target: Path) -> None:
    """Move a file into its place, with its checksum."""
    with atomic(target) as temporary:
        shutil.move(source, temporary)


def _move_folder(source: Path, target: Path) -> None:
    """Move a folder into its place. A link is replaced by what it points to."""
    copy = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, symlinks=False)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(copy, target)
