"""Commands of the user's own in a config, with `{name}` for what noiseband fills in."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from string import Formatter

from noiseband.errors import nearest

SHELL = ("&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1")
"""Words that only a shell understands."""


def check_command(
    command: str, known: Collection[str], needed: Collection[str], example: str
) -> None:
    """Check a command as a config writes it.

    Args:
        known: what may be in braces.
        needed: what must be there in braces.
        example: a valid command, for the error.

    Raises:
        ValueError: a quote is not closed, the command is empty, needs a shell, or has other braces.
    """
    words = command_words(command, dict.fromkeys(known, "x"))
    if not words:
        raise ValueError(f"is empty; write a command, as in {example}")
    for word in words:
        if word in SHELL:
            raise ValueError(
                f"no shell reads {word!r}; put the command in a script, or write bash -c '...'"
            )
    for name in needed:
        if name not in _placeholders(command):
            raise ValueError(f"{{{name}}} is missing; pass it on, as in {example}")


def command_words(command: str, values: Mapping[str, str | int]) -> list[str]:
    """The words of a command, split as a shell does, with values in place of `{name}`.

    Raises ValueError for quotes that do not close and for unknown placeholders.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"a quote is not closed ({error}); close its quotes") from None
    if unknown := sorted(_placeholders(command) - values.keys()):
        raise ValueError(
            f"{{{unknown[0]}}}: no such placeholder; {nearest(unknown[0], values)} "
            "(write {{ and }} for braces)"
        )
    return [word.format(**values) for word in words]


def _placeholders(command: str) -> set[str]:
    try:
        fields = [(name, form, turned) for _, name, form, turned in Formatter().parse(command)]
    except ValueError as error:
        raise ValueError(f"{error}; write {{{{ and }}}} for braces") from None
    if any(form or turned for _, form, turned in fields):
        raise ValueError("a placeholder is a name in braces, without `:` and `!`")
    return {name for name, _, _ in fields if name is not None}
