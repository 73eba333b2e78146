"""A large file into the client's cache, going on where an earlier download of it was killed.

The client goes on by itself where a connection breaks; what a process that ends has half
downloaded, it throws away. Twenty gigabytes are too many for that.
"""

from __future__ import annotations

import fcntl
import os
from functools import partial
from pathlib import Path
from typing import IO

from tqdm import tqdm

from noiseband.io.hub_files import RepoType, access, tried

LARGE = 2**26
"""Bytes from which on a file is worth it."""


def resume(repo: str, revision: str, file: str, repo_type: RepoType) -> None:
    """Bring a large file into the cache, under the name by which the client will look for it.

    Does nothing for a file that is there, that is small, that cannot be asked about now (then the
    client says why, or does without), or that the Hub keeps in its Xet storage: from there the
    client has a faster way, which HF_HUB_DISABLE_XET=1 turns off. Raises OSError.
    """
    from httpx2 import HTTPError
    from huggingface_hub import (
        constants,
        get_hf_file_metadata,
        hf_hub_url,
        is_offline_mode,
        try_to_load_from_cache,
    )
    from huggingface_hub.file_download import repo_folder_name

    if is_offline_mode():
        return
    if isinstance(try_to_load_from_cache(repo, file, None, revision, repo_type), str):
        return
    given = access()
    url = hf_hub_url(repo, file, repo_type=repo_type, revision=revision, endpoint=given["endpoint"])
    try:
        about = get_hf_file_metadata(url, **given)
    except (OSError, HTTPError):
        return
    xet = about.xet_file_data is not None and not constants.HF_HUB_DISABLE_XET
    if xet or about.etag is None or about.size is None or about.size < LARGE:
        return
    folder = repo_folder_name(repo_id=repo, repo_type=repo_type)
    blob = Path(constants.HF_HUB_CACHE).expanduser() / folder / "blobs" / about.etag
    part = blob.with_name(f"{blob.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    download = partial(_download, url, blob, part, about.size, given["token"], file)
    while True:
        have = _size(part)
        try:
            tried(download)
            break
        except OSError as error:
            # As long as it gets on; not where the disk is what fails.
            if error.errno is not None or _size(part) <= have:
                raise


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _download(url: str, blob: Path, part: Path, size: int, token: str | bool, name: str) -> None:
    """Fill up `part`; its last byte makes it the blob."""
    with open(part, "ab") as target:
        fcntl.flock(target, fcntl.LOCK_EX)  # another study may want the same file
        if blob.exists():
            part.unlink(missing_ok=True)
            return
        if target.tell() > size:
            _empty(target)
        if target.tell() < size:
            _append(url, target, size, token, name)
        os.fsync(target.fileno())
        part.replace(blob)


def _empty(target: IO[bytes]) -> None:
    target.truncate(0)
    target.seek(0)  # a file to append to stays where it was


def _append(url: str, target: IO[bytes], size: int, token: str | bool, name: str) -> None:
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
        http_stream_backoff,
    )

    # A redirect to another host goes without the token: the client drops it there.
    headers = {
        **build_hf_headers(token=token),
        "Accept-Encoding": "identity",
        "Range": f"bytes={target.tell()}-",
    }
    with http_stream_backoff("GET", url, headers=headers, retry_on_exceptions=()) as answer:
        hf_raise_for_status(answer)
        if answer.status_code != 206:  # all of it, whatever was asked for
            _empty(target)
        with tqdm(
            desc=name, total=size, initial=target.tell(), unit="B", unit_scale=True, disable=None
        ) as bar:
            for block in answer.iter_bytes():
                target.write(block)
                bar.update(len(block))
    if target.tell() != size:
        raise ConnectionError(f"{target.tell():,} bytes came instead of {size:,}")
