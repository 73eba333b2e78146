"""Find the arm, the run and the seeds of a file in its path, by a template."""

from __future__ import annotations

import re
from pathlib import PurePath

import pandas as pd

from noiseband.errors import UserError, nearest
from noiseband.referee.measurements import SEEDS
from noiseband.referee.raw import Raw
from noiseband.terminal import one_line

SEED_FIELDS = ("seed", *SEEDS)
"""Fields that match digits alone."""
FIELDS = ("arm", "run", *SEED_FIELDS)
"""What a template may have in braces. `arm` and `run` match anything within one folder or name."""
_PART = re.compile(r"\{[^{}]*\}|\*\*/?|\*|\?|[^{}*?]+|[{}]")
"""A field, a sign that stands for others, literal text, or a brace that has no partner."""


def arm_from_path(template: str, path: str) -> dict[str, str]:
    """The fields of a path, such as `{"arm": "wide", "seed": "3"}` for `log/{arm}_{seed}.txt`.

    `*` is any text within a folder's or file's name, `?` one character, and `**` any folders. The
    template has to match the end of the path, from the beginning of a folder's or file's name; if
    it begins with `/`, the whole path. Of several possible ways, the one that needs least of the
    path counts, and in it the one whose first field is longest. A field that occurs twice has to
    have the same text.

    Raises UserError for a field that is unknown, and for a path that does not match.
    """
    match = _compiled(template).fullmatch(_plain(path))
    if match is None:
        raise UserError(
            f"--arm-from-path {template}: does not match {one_line(path)}; write a template for "
            "the end of the path, with * for what differs and does not matter"
        )
    return match.groupdict()


def with_path_fields(raw: Raw, template: str) -> Raw:
    """The rows with the fields of their file's path as columns.

    Raises UserError if a column of that name has another value.
    """
    fields = arm_from_path(template, raw.file)
    table = raw.table.copy()
    for name, value in fields.items():
        for place, cell in _cells(table, name):
            if cell is not None and not _same(str(cell).strip(), value, name):
                raise UserError(
                    f"{raw.place(place)}: {name} is {one_line(str(cell))[:40]!r}, but the path "
                    f"says {value!r}; leave {{{name}}} out of --arm-from-path {template}"
                )
        table[name] = pd.Series([value] * len(table), table.index, dtype=object)
    return Raw(raw.file, table, raw.unit, raw.metrics, raw.notes)


def _cells(table: pd.DataFrame, name: str) -> list[tuple[object, object]]:
    """The places and cells of a column; none if there is no such column."""
    return list(zip(table.index, table[name], strict=True)) if name in table.columns else []


def _same(cell: str, value: str, field: str) -> bool:
    """Whether a cell is equal to the path's text; of seeds, whether they are the same number."""
    if cell == value or not cell:
        return True
    try:
        return field in SEED_FIELDS and float(cell) == float(value)
    except ValueError:
        return False


def _compiled(template: str) -> re.Pattern[str]:
    """The regular expression for a whole path."""
    plain = _plain(template)
    found = "" if plain.startswith("/") else "(?:.*/)?"
    names: set[str] = set()
    for part in _PART.findall(plain):
        if part[0] in "{}":
            found += _field(part, template, names)
        else:
            signs = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
            found += signs.get(part) or re.escape(part)
    if not names:
        raise UserError(
            f"--arm-from-path {template}: no field in it; write {{arm}} where the path has the arm"
        )
    return re.compile(found, re.DOTALL)


def _field(part: str, template: str, names: set[str]) -> str:
    """The expression for one field."""
    name = part.strip("{}")
    if name not in FIELDS or part != f"{{{name}}}":
        raise UserError(f"--arm-from-path {template}: no field {part}; {nearest(name, FIELDS)}")
    if name in names:
        return f"(?P={name})"
    names.add(name)
    return f"(?P<{name}>[0-9]+)" if name in SEED_FIELDS else f"(?P<{name}>[^/]+)"


def _plain(path: str) -> str:
    """A path or template without what changes nothing: `./`, `//` and a slash at its end."""
    return PurePath(path).as_posix()
