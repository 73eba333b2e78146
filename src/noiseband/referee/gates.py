"""Verdicts as a gate of continuous integration."""

from __future__ import annotations

from collections.abc import Sequence

from noiseband.errors import UserError, nearest
from noiseband.referee.answer import Answer
from noiseband.referee.target import TargetCall
from noiseband.stats.verdicts import Call


def failures(answer: Answer, fail_on: Sequence[str], require: Sequence[str]) -> list[str]:
    """Why the gate is closed, a sentence for each reason; empty if it is open.

    Args:
        fail_on: verdicts that no arm may have.
        require: verdicts of which every arm must have one.

    Raises UserError for a text that is no verdict.
    """
    possible = dict.fromkeys([*map(str, Call), *map(str, TargetCall)])
    for option, given in (("--fail-on", fail_on), ("--require", require)):
        for name in given:
            if name not in possible:
                raise UserError(f"{option} {name!r}: no such verdict; {nearest(name, possible)}")
    found = []
    for one in answer.verdicts:
        said = f"{one.arm}: {one.verdict} ({one.metric})"
        if one.verdict in fail_on:
            found.append(f"{said}, and --fail-on says {one.verdict}")
        elif require and one.verdict not in require:
            found.append(f"{said}, and --require says {' or '.join(require)}")
    return found
