"""Segments of a run: the machine that trained it from each step on, as a run can move.

Segments are volatile and not part of any digest. On processors of one class they have no effect on
the weights. Across classes they do, and only both processors together can give the same bits again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noiseband.io.files import read_jsonl
from noiseband.processor import processor
from noiseband.train.checkpoint import SEGMENTS, Journal
from noiseband.train.launch.processes import Processes


def begin_segment(work: Path, step: int, processes: Processes) -> None:
    """Record that these processes train on after `step` steps; drop segments from there on."""
    journal = Journal(work / SEGMENTS, step)
    now = {**processor(processes.device), "processes": processes.count}
    journal.append({"step": step, **now})
    journal.flush()
    journal.close()


def segments_of(work: Path, steps: int) -> list[dict[str, Any]]:
    """The segments of the run, each with its first `step`.

    A start is left out if nothing changed, or if all the run's steps were done already.
    """
    found: list[dict[str, Any]] = []
    for row in read_jsonl(work / SEGMENTS):
        news = not found or {**found[-1], "step": row["step"]} != row
        if news and (row["step"] < steps or not found):
            found.append(row)
    return found
