"""Find the files of an installed Python package and check its version, without importing it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from noiseband.errors import UserError


def package_files(name: str, version: str, key: str) -> dict[str, Path]:
    """Return the paths on disk of a distribution's files, by their paths in site-packages.

    Raises UserError if the distribution is not installed or has another version. `key` is the
    config section that asks for the package; the message begins with it.
    """
    remedy = f"run `pip install {name}=={version}`"
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise UserError(
            f"{key}.package: {name} {version} is needed but not installed; {remedy}"
        ) from None
    if distribution.version != version:
        raise UserError(
            f"{key}.version: {name} {version} is needed, "
            f"but {distribution.version} is installed; {remedy}"
        )
    return {file.as_posix(): Path(str(file.locate())) for file in distribution.files or []}
