"""Read records: JSON objects, one for each row, from JSON lines or a list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.tables import check_columns, table
from noiseband.terminal import one_line

MEDIA = "_type"
"""The key by which trackers mark values such as histograms and pictures."""


def read_json(text: str, file: str) -> Any:
    """The value in a text that is one JSON document. `NaN` and `Infinity` are numbers.

    Raises UserError, with the line, for a text that is none, or for a key that occurs twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{file}, line {error.lineno}: not JSON ({error.msg}); if the file is still being "
            "written, read it again later"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: not JSON ({_first_line(error)})") from None


def read_json_lines(text: str, file: str) -> Raw:
    """Read JSON lines: an object on each line that is not blank."""
    found: list[tuple[int, Any]] = []
    for line, one in enumerate(text.split("\n"), start=1):
        if one.strip():
            found.append((line, _on_line(one, file, line)))
    if not found:
        raise UserError(f"{file}: empty, no run in it; give a file with a row for each run")
    return of_records([one for _, one in found], file, "line", [line for line, _ in found])


def _on_line(text: str, file: str, line: int) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else _first_line(error)
        raise UserError(
            f"{file}, line {line}: not JSON ({why}); write one object on each line, or, if the "
            "file is still being written, read it again later"
        ) from None


def of_records(
    records: Sequence[Any],
    file: str,
    unit: str = "record",
    index: Sequence[Any] | None = None,
    metrics: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Raw:
    """A row for each record. Records inside others become columns such as `outer.inner`.

    Args:
        index: what the records are counted by; by default they are numbered from 1.

    Raises UserError for a record that is no object, and for names that are empty or occur twice.
    """
    places = range(1, len(records) + 1) if index is None else index
    rows: list[dict[str, Any]] = []
    for place, record in zip(places, records, strict=True):
        if not isinstance(record, Mapping):
            raise UserError(
                f"{file}, {unit} {place}: {_short(record)} is no object; write one such as "
                '{"arm": "baseline", "loss": 3.28} for each row'
            )
        try:
            rows.append(flat(record))
        except RecursionError:
            raise UserError(f"{file}, {unit} {place}: too deeply nested") from None
        except ValueError as error:
            raise UserError(
                f"{file}, {unit} {place}: two values of {one_line(str(error))}; rename one of them"
            ) from None
    columns = list(dict.fromkeys(name for row in rows for name in row))
    check_columns(columns, file, f"{unit} {places[0]}" if rows else unit)
    if not columns:
        raise UserError(f"{file}: no run in it; give a file with a row for each run")
    cells = [[row.get(name) for name in columns] for row in rows]
    return Raw(file, table(cells, columns, list(places)), unit, metrics, notes)


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without levels: keys are joined with dots. Media are left out.

    Raises ValueError, with the name, if two values have the same.
    """
    found: dict[str, Any] = {}
    for key, value in record.items():
        inner = {key: cell(value)}
        if isinstance(value, Mapping):
            inner = {} if MEDIA in value else {f"{key}.{k}": v for k, v in flat(value).items()}
        for name, one in inner.items():
            if name in found:
                raise ValueError(name)
            found[name] = one
    return found


def cell(value: Any) -> Any:
    """A value as text, number or None."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value if abs(value) < 1 << 1000 else str(value)  # no float is as large
    if isinstance(value, float | str):
        return value
    if isinstance(value, list):
        return json.dumps(value, default=str)
    return value.isoformat() if isinstance(value, date) else str(value)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys are all different."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"two values of {one_line(key)}")
        found[key] = value
    return found


def _first_line(error: Exception) -> str:
    return one_line(str(error).partition("\n")[0])[:80]


def _short(value: Any) -> str:
    return one_line(repr(value))[:40]
