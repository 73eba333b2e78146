"""Download of a large file into the client's cache, resumed if an earlier download was killed.

The client itself resumes a broken connection, but deletes what a killed process has downloaded.
Twenty gigabytes are too much to download again.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import IO

from tqdm import tqdm

from noiseband.io.hub_files import RepoType, access, tried
from noiseband.io.locks import lock

LARGE = 2**26
"""Size in bytes from which a download is worth resuming."""


def resume(repo: str, revision: str, file: str, repo_type: RepoType) -> None:
    """Download a large file into the cache, under the name that the client will look for.

    Does nothing if the file is in the cache or small, if the Hub cannot be asked about it now (then
    the client reports why, or works offline), or if it is in the Hub's Xet storage, from which the
    client downloads faster (HF_HUB_DISABLE_XET=1 turns that off). Raises OSError.
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
            # Retry as long as there is progress, but not if the disk fails.
            if error.errno is not None or _size(part) <= have:
                raise


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _download(url: str, blob: Path, part: Path, size: int, token: str | bool, name: str) -> None:
    """Download the rest of `part`, and rename it to `blob` once it is complete."""
    with open(part, "ab") as target:
        lock(target)  # Another study may be downloading the same file.
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
    target.seek(0)  # Truncating does not move the position of a file opened for appending.


def _append(url: str, target: IO[bytes], size: int, token: str | bool, name: str) -> None:
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
        http_stream_backoff,
    )

    # The client does not send the token to another host after a redirect.
    headers = {
        **build_hf_headers(token=token),
        "Accept-Encoding": "identity",
        "Range": f"bytes={target.tell()}-",
    }
    with http_stream_backoff("GET", url, headers=headers, retry_on_exceptions=()) as answer:
        hf_raise_for_status(answer)
        if answer.status_code != 206:  # The server sends the whole file instead of the range.
            _empty(target)
        with tqdm(
            desc=name, total=size, initial=target.tell(), unit="B", unit_scale=True, disable=None
        ) as bar:
            for block in answer.iter_bytes():
                target.write(block)
                bar.update(len(block))
    if target.tell() != size:
        raise ConnectionError(f"received {target.tell():,} bytes instead of {size:,}")
