"""Download of one file from the Hugging Face Hub, at a pinned revision."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

from noiseband.errors import UserError
from noiseband.io.checksums import file_sha256
from noiseband.io.files import atomic
from noiseband.io.hub_names import guard
from noiseband.io.waiting import limited, seconds_asked, worth_waiting

if TYPE_CHECKING:
    from httpx2 import Response
    from huggingface_hub.errors import HfHubHTTPError

COMMIT = re.compile(r"[0-9a-f]{40}")
TRIES = 3
"""Attempts to download a file if its transfer breaks off or a busy server refuses it. The client
itself resumes broken connections, and waits and retries if the first request is refused."""

RepoType = Literal["model", "dataset"]
Got = TypeVar("Got")


def fetch_file(
    repo: str,
    revision: str,
    file: str,
    out: Path,
    *,
    repo_type: RepoType = "model",
    sha256: str | None = None,
    unpinned: bool = False,
) -> None:
    """Write the `file` of a Hub repository to `out`, through the client's cache. If possible, the
    two share one copy on the disk.

    `revision` is a commit of 40 hex digits; with `unpinned`, also a branch or tag. A token is
    only taken from HF_TOKEN. HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and the client's other variables
    have their usual meaning.
    Raises UserError if the revision may move, the file cannot be fetched or has another SHA-256.
    """
    check_revision(repo, revision, unpinned)
    place = f"{file} of {repo} at {revision}"
    try:
        cached = _download(repo, revision, file, repo_type)
        check_file(cached, place, sha256)
        put(cached, out, checksum=False)
    except OSError as error:
        raise UserError(f"{place}: {reason(error)}") from error


def check_revision(repo: str, revision: str, unpinned: bool) -> None:
    """Raise UserError for a branch or tag, unless `unpinned` allows them."""
    if not unpinned and COMMIT.fullmatch(revision) is None:
        raise UserError(
            f"{repo}: revision {revision!r} may move; give the commit's 40 hex digits (under "
            "History on the repository's page on the Hub)"
        )


def check_file(cached: Path, place: str, sha256: str | None) -> str:
    """Return the SHA-256 of a file in the client's cache.

    Raises UserError if it differs from the pinned SHA-256, or from the one under which the Hub
    stores the file, since the client only compares sizes.
    """
    found = file_sha256(cached)
    # The cache names a large file's content by its SHA-256, and a small file's by git's SHA-1.
    name = cached.readlink().name if cached.is_symlink() else ""
    stored = name if re.fullmatch("[0-9a-f]{64}", name) else None
    removal = shlex.join(["rm", str(cached.resolve())])
    if sha256 not in (None, found):
        raise UserError(
            f"{place} has SHA-256 {found}, not {sha256}; correct the pin, or, if it is "
            f"right, delete the damaged copy: {removal}"
        )
    if stored not in (None, found):
        raise UserError(
            f"{place} has SHA-256 {found}, but the Hub has {stored}; delete the damaged copy and "
            f"run again: {removal}"
        )
    return found


def put(source: Path, out: Path, *, checksum: bool = True) -> None:
    """Make `out` a file with the content of `source`: a hard link if possible, or else a copy.

    A hard link takes no space and survives when `source` is deleted. Raises OSError.
    """
    with atomic(out, checksum=checksum) as temporary:
        real = source.resolve()
        if not _linked(real, temporary):
            shutil.copyfile(real, temporary)
        # Snakemake compares times, and the download may be older than the rule's other inputs.
        os.utime(temporary)


def _linked(file: Path, name: Path) -> bool:
    """Try to make `name` a hard link to the file, and return whether that succeeded. It is not
    possible on another file system, or for another owner's files, which may change."""
    if not os.access(file, os.W_OK):
        return False
    try:
        os.link(file, name)
    except OSError:
        return False
    return True


def tried(call: Callable[[], Got]) -> Got:
    """Return the result of a call of the client, retried if that may help.

    Raises OSError for all of the client's errors.
    """
    # Imported here because no other command needs them, and they import slowly.
    from httpx2 import TransportError
    from huggingface_hub.errors import HFValidationError

    for attempt in range(1, TRIES + 1):
        try:
            return call()
        except HFValidationError as error:
            raise OSError("not a repository; write it as owner/name") from error
        except ValueError as error:
            # For example, a name outside the cache or a malformed list.
            raise OSError(f"the Hub's answer cannot be used ({error})") from error
        except (TransportError, RuntimeError) as error:
            # Only its type is shown, because the transport's message may quote what was sent.
            problem: OSError = ConnectionError(f"the download broke off ({type(error).__name__})")
        except OSError as error:
            problem = error
        if attempt == TRIES or not _passing(problem):
            break
        time.sleep(_pause(problem))
    raise problem


def _download(repo: str, revision: str, file: str, repo_type: RepoType) -> Path:
    """Download the file, and return its path in the client's cache. Raises OSError."""
    from huggingface_hub import hf_hub_download

    get = partial(hf_hub_download, repo, file, repo_type=repo_type, revision=revision, **access())
    return Path(tried(get))


class Access(TypedDict):
    """The client's arguments for the Hub's URL and the user's token."""

    token: str | bool
    endpoint: str | None


def access() -> Access:
    """Return the Hub's URL and the token for it, both only from the environment."""
    guard()
    return {
        "token": os.environ.get("HF_TOKEN") or False,  # False: do not read one from a file
        "endpoint": endpoint(),
    }


def endpoint() -> str | None:
    """Return the Hub's URL from HF_ENDPOINT, or None for the client's default.

    Raises UserError if the URL contains a password, which the client would write into its log.
    """
    address = os.environ.get("HF_ENDPOINT") or None
    try:
        place = urlsplit(address or "").netloc
    except ValueError:
        raise UserError("HF_ENDPOINT: not a URL; write https://host") from None
    if "@" in place:
        raise UserError(
            "HF_ENDPOINT: the URL contains a user or a password, which would end up in logs; "
            "remove them, and put them into ~/.netrc"
        )
    return address


def _passing(error: OSError) -> bool:
    """Whether a retry may help."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    answer = _answer(error)
    if answer is not None:
        return worth_waiting(answer.status_code, answer.headers)
    return error.errno is None and not isinstance(error, LocalEntryNotFoundError)


def _pause(error: OSError) -> float:
    """Seconds that the Hub asks to wait before the next attempt."""
    answer = _answer(error)
    return 0.0 if answer is None else seconds_asked(answer.headers)


def _answer(error: OSError) -> Response | None:
    """The answer of the Hub that is behind an error, if there was one."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
    return cause.response if isinstance(cause, HfHubHTTPError) else None


def reason(error: OSError) -> str:
    """Return what went wrong and the remedy, in one line without anything that was sent."""
    from huggingface_hub.constants import is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if isinstance(error, HfHubHTTPError):
        return _answered(error)
    if isinstance(error, LocalEntryNotFoundError):
        if is_offline_mode():
            return "not in the cache, and HF_HUB_OFFLINE is set; unset it, or fill the cache first"
        if isinstance(error.__cause__, HfHubHTTPError):
            return _answered(error.__cause__)
        return "the Hub cannot be reached; check the connection and HF_ENDPOINT, then run again"
    if error.errno == errno.ENOSPC:
        return "no space left on the disk; free some, or point HF_HOME to another disk"
    if error.errno is not None:
        return f"{error.strerror}: {error.filename}"
    return f"{str(error).splitlines()[0]}; run again"


def _answered(error: HfHubHTTPError) -> str:
    """Return what went wrong and the remedy, for an error answer of the Hub."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    status = error.response.status_code
    match error:
        case GatedRepoError():
            return (
                "the repository is gated; accept its terms on the Hub and set HF_TOKEN to a token "
                "of that account"
            )
        case RepositoryNotFoundError():
            return "no such repository, or a private one; check its name, or set HF_TOKEN"
        case RevisionNotFoundError():
            return "no such revision; check it on the repository's page on the Hub"
        case EntryNotFoundError():
            return "no such file at that revision; check its name"
    if status in (401, 403):
        return f"the Hub refuses access ({status}); set HF_TOKEN to a token that may read it"
    if status == 429:
        return f"the Hub {limited(error.response.headers)}"
    if status < 500:
        return f"the Hub answered {status}; check repository, revision, file name and HF_ENDPOINT"
    return f"the Hub answered {status}, still after retries; run again later"
