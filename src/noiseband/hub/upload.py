"""Upload files to a repository on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

from noiseband.errors import UserError
from noiseband.io.hub_files import endpoint
from noiseband.io.waiting import limited, seconds_asked, worth_waiting

TRIES = 3
"""Attempts at a commit, on top of the client's own retries. The client skips files that the Hub
has, so each attempt, and each later call, sends only what is missing."""


def upload(repo: str, files: Mapping[str, Path], *, public: bool, message: str) -> str:
    """Commit the files, by their names in the repository; return the commit that has them.

    A missing repository is created, private unless `public`; an existing one keeps its visibility.
    Files that the repository has already are not sent, and if it has all of them, there is no new
    commit. The token is read from HF_TOKEN and from nowhere else.

    Raises:
        UserError: there is no token, or the Hub refuses. The message never quotes what was sent.
    """
    from httpx2 import TransportError
    from huggingface_hub.errors import HFValidationError

    token = os.environ.get("HF_TOKEN")
    if not token:
        raise UserError(
            f"{repo}: HF_TOKEN is not set; make a token with write access on the Hub's page "
            "Settings, Access Tokens, and set HF_TOKEN=... in the environment"
        )
    for attempt in range(1, TRIES + 1):
        try:
            return _commit(repo, token, files, public, message)
        except HFValidationError as error:
            raise UserError(f"{repo}: that is not a repository; write it as owner/name") from error
        except (TransportError, OSError, RuntimeError, ValueError) as error:
            reason, passing = _reason(error)
            if attempt == TRIES or not passing:
                raise UserError(f"{repo}: {reason}") from error
            time.sleep(_pause(error))
    raise AssertionError("unreachable")


def _commit(repo: str, token: str, files: Mapping[str, Path], public: bool, message: str) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    api = HfApi(endpoint=endpoint(), token=token)
    if not api.repo_exists(repo):
        api.create_repo(repo, private=not public)
    added = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that a trace is a data file, which is intended
        return str(api.create_commit(repo, added, commit_message=message).oid)


def _reason(error: BaseException) -> tuple[str, bool]:
    """What went wrong and what to do about it, and whether another attempt may help.

    Only the kind of the error and the server's status are used, because the client's own texts may
    quote what was sent.
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    error = _unwrapped(error)
    if isinstance(error, HfHubHTTPError):
        return _answered(error.response.status_code, error.response.headers)
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to publish", False
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; make it again", False
    if isinstance(error, ValueError) and "README.md" in str(error):
        return "the Hub refuses the head of README.md; check --licence", False
    kind = type(error).__name__
    return f"the upload broke off ({kind}); run again: only what is missing is sent", True


def _pause(error: BaseException) -> float:
    """Seconds that the Hub asks to wait before the next attempt."""
    from huggingface_hub.errors import HfHubHTTPError

    error = _unwrapped(error)
    return seconds_asked(error.response.headers) if isinstance(error, HfHubHTTPError) else 0.0


def _unwrapped(error: BaseException) -> BaseException:
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__  # the client wraps the error that stopped an upload
    return error


def _answered(status: int, headers: Mapping[str, str]) -> tuple[str, bool]:
    if status == 401:
        return "the Hub does not know this token (401); set HF_TOKEN to a valid one", False
    if status == 403:
        return "this token has no write access there (403); set HF_TOKEN to one that has", False
    if status == 404:
        return "the Hub has no such owner (404), or hides it; check the name and HF_TOKEN", False
    if status == 409:
        return "someone else is committing there at the moment (409); run again", True
    if status == 429:
        return f"the Hub {limited(headers)}", worth_waiting(status, headers)
    if status < 500:
        return f"the Hub answered {status}; check the repository's name and HF_ENDPOINT", False
    again = "run again: only what is missing is sent"
    return f"the Hub answered {status}, still after retries; {again}", True
