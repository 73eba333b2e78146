"""Installed Python packages as folders of files: found, checked by version, never imported."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from noiseband.errors import UserError


def package_files(name: str, version: str, key: str) -> dict[str, Path]:
    """Files of an installed distribution: path inside site-packages to path on disk.

    `key` is the config section that asks for the package, named in the error when the
    distribution is not installed or has another version (UserError).
    """
    remedy = f"run `pip install {name}=={version}`"
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise UserError(
            f"{key}.package: {name} {version} is wanted, found none installed; {remedy}"
        ) from None
    if distribution.version != version:
        raise UserError(
            f"{key}.version: {name} {version} is wanted, "
            f"found {distribution.version} installed; {remedy}"
        )
    return {file.as_posix(): Path(str(file.locate())) for file in distribution.files or []}
