"""A local Hub, and a client that uses only this Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from noiseband.study import Study
from tests.hub.server import Hub, serve
from tests.hub.upload import WritableHub, serve_writable


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running, empty Hub that this process and its children use."""
    with serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        # The client reads its environment when it is imported, which has happened already.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf/hub"))
        yield hub


@pytest.fixture
def writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    """A running Hub like `hub` that also accepts commits, with large files by Git LFS.

    The client supports two ways to upload; Git LFS is the one that a self-hosted Hub can offer.
    """
    with serve_writable() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf/hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield hub


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A small trained study. Do not change it; `study.copied` makes a copy that may be changed."""
    from tests.hub.study import trained_study

    return trained_study(tmp_path_factory.mktemp("finished") / "results")
