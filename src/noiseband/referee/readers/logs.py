"""Read logs of any form, by a regular expression that says what to look for."""

from __future__ import annotations

import re

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.tables import table

EXAMPLE = r"'step:(?P<step>\d+) val_loss:(?P<loss>\S+)'"


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, in which `^` and `$` are the ends of a line.

    Raises UserError if it is no regular expression, or has no named group.
    """
    try:
        found = re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(
            f"--pattern {pattern!r}: not a regular expression of Python ({error}); "
            f"write one such as {EXAMPLE}"
        ) from None
    if not found.groupindex:
        raise UserError(
            f"--pattern {pattern!r}: no named group in it; write (?P<loss>...) around the part "
            f"that is the loss, as in {EXAMPLE}"
        )
    return found


def read_log(text: str, file: str, pattern: str) -> Raw:
    """A row for each match. Named groups are columns; without a group `step`, the matches of the
    file are counted from 1 and the count is the step.

    Raises UserError if nothing matches.
    """
    wanted = compiled(pattern)
    groups = list(wanted.groupindex)
    counted = "step" not in groups
    text = text.replace("\r\n", "\n")
    rows, lines = [], []
    line, position = 1, 0
    for number, match in enumerate(wanted.finditer(text), start=1):
        line += text.count("\n", position, match.start())
        position = match.start()
        found = [match[group] or None for group in groups]
        rows.append([number, *found] if counted else found)
        lines.append(line)
    if not rows:
        raise UserError(
            f"{file}: nothing in it matches --pattern {pattern!r}; try it on one of its lines"
        )
    columns = ["step", *groups] if counted else groups
    return Raw(file, table(rows, columns, lines), "line")
