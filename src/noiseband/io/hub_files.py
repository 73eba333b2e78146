"""One file from the Hugging Face Hub, at a pinned revision."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

from noiseband.errors import UserError
from noiseband.io.checksums import file_sha256
from noiseband.io.files import atomic
from noiseband.io.hub_names import guard

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

COMMIT = re.compile(r"[0-9a-f]{40}")
TRIES = 3
"""Downloads of a file whose body breaks off or is refused by a busy server. The client itself
resumes broken connections, and waits and asks again where the first request is refused."""

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
    """Write the `file` of a Hub repository to `out`, by way of the client's cache, with which it
    shares its place on the disk if it can.

    `revision` is a commit of 40 hex digits; with `unpinned` also a branch or tag. A token is
    taken from HF_TOKEN and from nowhere else; HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and the
    client's other variables mean what they always do.
    Raises UserError: a revision that may move, a file that cannot be had, another SHA-256.
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
    """Raises UserError for a branch or tag that nobody asked for."""
    if not unpinned and COMMIT.fullmatch(revision) is None:
        raise UserError(
            f"{repo}: revision {revision!r} may move; give the commit's 40 hex digits (on the "
            "Hub's page of the repository, under History)"
        )


def check_file(cached: Path, place: str, sha256: str | None) -> str:
    """The SHA-256 of a file in the client's cache.

    Raises UserError where it is not the one that is pinned, or not the one under which the Hub
    keeps the file: the client compares sizes alone.
    """
    found = file_sha256(cached)
    # The cache names a large file's content by its SHA-256; a small one's by git's SHA-1.
    name = cached.readlink().name if cached.is_symlink() else ""
    stored = name if re.fullmatch("[0-9a-f]{64}", name) else None
    if sha256 not in (None, found):
        raise UserError(
            f"{place} has SHA-256 {found}, not {sha256}; correct the pin, or, if it is "
            f"right, delete the damaged copy: rm {cached.resolve()}"
        )
    if stored not in (None, found):
        raise UserError(
            f"{place} has SHA-256 {found}, the Hub's is {stored}; delete the damaged copy and run "
            f"again: rm {cached.resolve()}"
        )
    return found


def put(source: Path, out: Path, *, checksum: bool = True) -> None:
    """Make `out` a file with the content of `source`: a second name for it, or else a copy.

    The second name costs no room and outlives the first. Raises OSError.
    """
    with atomic(out, checksum=checksum) as temporary:
        real = source.resolve()
        if not _linked(real, temporary):
            shutil.copyfile(real, temporary)
        # Made now, for those who compare times: the download may be older than what asks for it.
        os.utime(temporary)


def _linked(file: Path, name: Path) -> bool:
    """Whether `name` now stands for the file too: not on another file system, nor for what others
    own, who may change it."""
    if not os.access(file, os.W_OK):
        return False
    try:
        os.link(file, name)
    except OSError:
        return False
    return True


def tried(call: Callable[[], Got]) -> Got:
    """What the client gives, tried again where that may help.

    Raises OSError, as all of the client's errors are or become.
    """
    # Here, because no other command needs them and they take long to import.
    from httpx2 import TransportError
    from huggingface_hub.errors import HFValidationError

    for attempt in range(1, TRIES + 1):
        try:
            return call()
        except HFValidationError as error:
            raise OSError("that is no repository; write it as owner/name") from error
        except ValueError as error:
            # A name that leaves the cache, or a list that is none.
            raise OSError(f"the Hub's answer cannot be used ({error})") from error
        except (TransportError, RuntimeError) as error:
            # By its kind alone: texts of the client's own transports may quote what was sent.
            problem: OSError = ConnectionError(f"the download broke off ({type(error).__name__})")
        except OSError as error:
            problem = error
        if attempt == TRIES or not _passing(problem):
            break
    raise problem


def _download(repo: str, revision: str, file: str, repo_type: RepoType) -> Path:
    """Path of the file in the client's cache. Raises OSError."""
    from huggingface_hub import hf_hub_download

    get = partial(hf_hub_download, repo, file, repo_type=repo_type, revision=revision, **access())
    return Path(tried(get))


class Access(TypedDict):
    """How the Hub is asked."""

    token: str | bool
    endpoint: str | None


def access() -> Access:
    """The Hub's address and the token for it, from the environment alone."""
    guard()
    return {
        "token": os.environ.get("HF_TOKEN") or False,  # False: none from a file either
        "endpoint": endpoint(),
    }


def endpoint() -> str | None:
    """The Hub's address from HF_ENDPOINT; None for the client's own. Raises UserError for one with
    a password, which the client would write into its log."""
    address = os.environ.get("HF_ENDPOINT") or None
    try:
        place = urlsplit(address or "").netloc
    except ValueError:
        raise UserError("HF_ENDPOINT: not an address; write https://host") from None
    if "@" in place:
        raise UserError(
            "HF_ENDPOINT: the address holds a user or a password, which would end up in logs; "
            "leave them out, and put them into ~/.netrc"
        )
    return address


def _passing(error: OSError) -> bool:
    """Whether another try may help."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    answer = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
    if isinstance(answer, HfHubHTTPError):
        return answer.response.status_code >= 500
    return error.errno is None and not isinstance(error, LocalEntryNotFoundError)


def reason(error: OSError) -> str:
    """What went wrong and what to do, in one line that holds nothing which was sent."""
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
        return "no space left on the disk; free some, or point HF_HOME to another one"
    if error.errno is not None:
        return f"{error.strerror}: {error.filename}"
    return f"{str(error).splitlines()[0]}; run again"


def _answered(error: HfHubHTTPError) -> str:
    """The same, of a server's answer."""
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
            return "no such revision; check it on the Hub's page of the repository"
        case EntryNotFoundError():
            return "no such file at that revision; check its name"
    if status in (401, 403):
        return f"the Hub refuses access ({status}); set HF_TOKEN to a token that may read it"
    if status == 429:
        return "the Hub limits the rate of requests (429), still after retries; run again later"
    if status < 500:
        return f"the Hub answered {status}; check repository, revision, file name and HF_ENDPOINT"
    return f"the Hub answered {status}, still after retries; run again later"
