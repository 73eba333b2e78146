"""What trained a run from which step on: a run that is stopped may go on elsewhere.

Volatile, and no part of a digest. On processors of one class the segments leave no mark on the
weights; on others they do, and nobody can train them again without both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noiseband.io.files import read_jsonl
from noiseband.processor import processor
from noiseband.train.checkpoint import SEGMENTS, Journal
from noiseband.train.launch.processes import Processes


def begin_segment(work: Path, step: int, processes: Processes) -> None:
    """Write down that these processes go on after `step` steps; what was to come is void."""
    journal = Journal(work / SEGMENTS, step)
    now = {**processor(processes.device), "processes": processes.count}
    journal.append({"step": step, **now})
    journal.flush()
    journal.close()


def segments_of(work: Path, steps: int) -> list[dict[str, Any]]:
    """What trained the run, by its first `step`; a start that changed nothing, or that found all of
    the run's steps done, is left out."""
    found: list[dict[str, Any]] = []
    for row in read_jsonl(work / SEGMENTS):
        news = not found or {**found[-1], "step": row["step"]} != row
        if news and (row["step"] < steps or not found):
            found.append(row)
    return found
