"""Read the results for each item that a command writes: a file of JSON lines."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from noiseband.errors import UserError, nearest
from noiseband.evaluate.json_lines import objects
from noiseband.io.metrics import number_of, shown

NAME = "item"
"""The key with an item's name."""

Columns = dict[str, list[float | None]]
"""Metric to its value for each item; None where an item has no such metric."""


def read_item_lines(file: Path, metrics: Collection[str]) -> tuple[list[str], Columns]:
    """The names of the items, sorted, and the values of each metric in the same order.

    A line is an object with the key `item`, a text, and a number for each metric that the item has.
    Sorted, because a command that works in parallel may write them in any order.

    Args:
        metrics: the names that the command's metrics have.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: with the file, the row, the key and the remedy.
    """
    rows: dict[str, dict[str, float | None]] = {}
    lines: dict[str, int] = {}
    for row, value in objects(file):
        item = _name(file, row, value.pop(NAME, None))
        if item in rows:
            _fail(file, row, NAME, f"{shown(item)} is that of row {lines[item]} too; change one")
        lines[item] = row
        rows[item] = {key: _number(file, row, key, value[key], metrics) for key in value}
    names = sorted({name for row in rows.values() for name in row})
    if not names:
        raise UserError(
            f"{file}: has no results; write a line for each item, such as "
            f'{{"item": "1", "{min(metrics)}": 0.5}}'
        )
    items = sorted(rows)
    return items, {name: [rows[item].get(name) for item in items] for name in names}


def _name(file: Path, row: int, value: Any) -> str:
    if not isinstance(value, str) or not value:
        what = "missing" if value is None else f"{shown(value)} is not a text"
        _fail(file, row, NAME, f"{what}; write the item's name, in quotes")
    try:
        value.encode()
    except UnicodeEncodeError:
        _fail(file, row, NAME, "has half a surrogate pair, which is no character; remove it")
    return value


def _number(file: Path, row: int, key: str, value: Any, metrics: Collection[str]) -> float | None:
    if key not in metrics:
        remedy = f"{nearest(key, metrics)}, or write its metric to metrics.json too"
        _fail(file, row, key, f"no such metric; {remedy}")
    return None if value is None else number_of(value, f"{file}: row {row}", key)


def _fail(file: Path, row: int, key: str, reason: str) -> NoReturn:
    raise UserError(f"{file}: row {row}: {key}: {reason}")
