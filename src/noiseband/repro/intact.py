"""List the files of a study that have a checksum, and the command that repairs damaged ones."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from noiseband.errors import snakemake
from noiseband.io.checksums import CHECKSUMS
from noiseband.study.paths import Paths


def files_with_checksums(results: Path) -> list[Path]:
    """The files in a study's folder of results that have a checksum, sorted."""
    # A folder inside it that has runs of its own belongs to another study.
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
    """The command that removes files and makes them again; it names `config` if one is given."""
    # No rule makes the files in `work`: a stage recomputes them, or asks for them again.
    made = [path for path in damaged if not path.is_relative_to(Paths(results).work)]
    again = f" && {snakemake(*made, config=config)}" if made else ""
    return f"rm {shlex.join(map(str, damaged))}{again}"
