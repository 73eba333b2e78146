"""Files of a data set: from one commit on the Hub, or from a folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from noiseband.errors import UserError
from noiseband.io.checksums import file_sha256, is_checksum
from noiseband.io.folders import chooses, files_in
from noiseband.io.hub_files import access, check_file, check_revision, reason, tried
from noiseband.io.hub_names import check_name
from noiseband.io.hub_resume import resume
from noiseband.study.corpora import Files

PATTERN = re.compile(r"[*?\[]")
"""Characters that make a name a pattern, which may match several files."""


def dataset_files(source: Files, patterns: Sequence[str]) -> dict[str, Path]:
    """Return the files that match a pattern: names in the data set, sorted, to paths on the disk.

    Files on the Hub are downloaded into the client's cache, several at a time, and read there. A
    pattern's `*` also matches `/`, as in the client; hidden files need a pattern with a dot
    (`io.folders.chooses`). If the Hub cannot be reached or HF_HUB_OFFLINE
    is set, the cache is enough if it contains all of the files.
    Raises UserError if files cannot be fetched, if a name points outside its folder, or if a
    pattern matches no file.
    """
    if source.repo is None:
        folder = Path(str(source.path))
        names = _names(folder)
    else:
        folder, names = _snapshot(source, patterns)
    chosen = matching(names, patterns, where(source))
    for name in chosen if source.repo else ():
        check_name(name, where(source))
    return {name: folder / name for name in chosen}


def where(source: Files) -> str:
    """Return a name for the data set, for messages."""
    return str(source.path) if source.repo is None else f"{source.repo} at {source.revision}"


def checked(source: Files, files: dict[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of each file. Raises UserError if a file does not match its pin."""
    if unknown := sorted(source.sha256.keys() - files.keys()):
        raise UserError(
            f"{where(source)}: sha256 pins {unknown[0]}, which is not among the files; remove the "
            "pin or correct `files`"
        )
    bar = tqdm(
        files.items(), desc=f"Checking {where(source)}", unit=" files", delay=2, disable=None
    )
    return {name: _checked(source, name, path) for name, path in bar}


def matching(names: Iterable[str], patterns: Sequence[str], place: str) -> list[str]:
    """Return the names that match any of the patterns, sorted, without noiseband's checksums.

    Raises UserError if a pattern matches no name.
    """
    names = sorted(name for name in names if not is_checksum(PurePosixPath(name)))
    for pattern in patterns:
        if not any(chooses(pattern, name) for name in names):
            some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            raise UserError(
                f"{place}: no file matches {pattern}; it has {some or 'none'}; correct `files`"
            )
    return [name for name in names if any(chooses(pattern, name) for pattern in patterns)]


def _checked(source: Files, name: str, path: Path) -> str:
    pin = source.sha256.get(name)
    if source.repo is not None:
        return check_file(path, f"{name} of {where(source)}", pin)
    found = file_sha256(path)
    if pin not in (None, found):
        raise UserError(f"{path} has SHA-256 {found}, not {pin}; correct one of them")
    return found


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; write the folder of the files in `path`")
    return files_in(folder)


def _snapshot(source: Files, patterns: Sequence[str]) -> tuple[Path, list[str]]:
    """Download the matching files of a commit. Return the commit's folder in the client's cache,
    and the names of all files in the data set."""
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    assert source.repo is not None and source.revision is not None
    if not sys.stderr.isatty():
        disable_progress_bars()
    check_revision(source.repo, source.revision, source.unpinned)
    get = partial(
        snapshot_download,
        source.repo,
        repo_type="dataset",
        revision=source.revision,
        allow_patterns=list(patterns),
        **access(),
    )
    try:
        for name in patterns:
            if not PATTERN.search(name):
                resume(source.repo, source.revision, name, "dataset")
        folder = Path(tried(get))
    except OSError as error:
        raise UserError(f"{where(source)}: {reason(error)}") from error
    if folder.name != source.revision:
        print(f"{where(source)} is commit {folder.name}; write this to pin it", file=sys.stderr)
    try:
        # The client names the folder after the commit to which a branch currently points.
        tree = get_cached_repo_tree(source.repo, repo_type="dataset", revision=folder.name)
    except CachedRepoTreeNotFoundError:
        # The cache was filled file by file and the Hub cannot be reached, so patterns would miss
        # files that are not in the cache.
        if any(PATTERN.search(pattern) for pattern in patterns):
            raise UserError(
                f"{where(source)}: the cache has some files but no list of all; go online "
                "once, or name the files one by one"
            ) from None
        return folder, _names(folder)
    return folder, [file.path for file in tree]
