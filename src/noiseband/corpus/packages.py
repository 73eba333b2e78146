"""Files of installed Python packages. Versions are checked, and nothing is imported."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from noiseband.errors import UserError


def package_files(name: str, version: str, key: str) -> dict[str, Path]:
    """Return the files of an installed distribution: path inside site-packages to path on disk.

    Raises UserError if the distribution is not installed or has another version. `key` is the
    config section that asks for the package, for the message.
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
