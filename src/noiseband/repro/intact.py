"""List the files of a study that have a checksum, and give the command that repairs them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from noiseband.errors import run_command
from noiseband.io.checksums import CHECKSUMS
from noiseband.study.paths import Paths


def files_with_checksums(results: Path) -> list[Path]:
    """The files in a study's folder of results that have a checksum, sorted."""
    # A folder in `results` that contains a `runs` folder belongs to another study.
    others = [folder.parent for folder in results.glob("**/runs") if folder.parent != results]
    paths = (place.parent.parent / place.name for place in results.rglob(f"{CHECKSUMS}/*"))
    return sorted(
        path
        for path in paths
        if path.is_file()
        and not path.is_symlink()
        and not any(path.is_relative_to(other) for other in others)
    )


def remedy(damaged: Sequence[Path], results: Path) -> str:
    """The shell command that removes damaged files and makes them again."""
    # No rule makes the files in `work`: the stage that needs one computes or requests it again.
    made = [path for path in damaged if not path.is_relative_to(Paths(results).work)]
    again = f" && {run_command(*made)}" if made else ""
    return f"rm {shlex.join(map(str, damaged))}{again}"
