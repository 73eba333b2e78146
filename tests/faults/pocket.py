"""Kill the pocket study at random moments, then finish it with the documented command."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.faults.kills import Execution, Found, figures
from tests.faults.project import POCKET, Project, finished

NUMBER = 30
"""The number of kills of one execution."""


def campaign(scratch: Path, seed: int) -> dict[str, Any]:
    """Kill one execution `NUMBER` times; it must end with the manifest of an undisturbed one."""
    found, killed = Found(), Project(scratch / "pocket-killed", POCKET)
    Execution(killed, random.Random(seed), found).killed(NUMBER)
    equal = killed.manifest == finished(scratch / "pocket", POCKET).manifest != b""
    if not equal:
        found.failures.append(f"{killed.folder}: another manifest")
    return {"equal_manifest": equal, **figures(found)}
