"""All files of a study whose checksum is known, and what makes damaged ones again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from noiseband.errors import snakemake
from noiseband.io.checksums import CHECKSUMS
from noiseband.study.paths import Paths


def files_with_checksums(results: Path) -> list[Path]:
    """Files of the study in a folder of results that have a checksum, sorted."""
    # A folder inside with runs of its own is another study's.
    others = [folder.parent for folder in results.glob("**/runs") if folder.parent != results]
    paths = (place.parent.parent / place.name for place in results.rglob(f"{CHECKSUMS}/*"))
    return sorted(
        path
        for path in paths
        if path.is_file()
        and not path.is_symlink()
        and not any(path.is_relative_to(other) for other in others)
    )


def remedy(damaged: Sequence[Path], results: Path, config: Path | None) -> str:
    """The command that removes files and makes them again; `config` where it must be named."""
    # No rule makes what lies in `work`: a stage asks, or computes, again.
    made = [path for path in damaged if not path.is_relative_to(Paths(results).work)]
    again = f" && {snakemake(*made, config=config)}" if made else ""
    return f"rm {shlex.join(map(str, damaged))}{again}"
