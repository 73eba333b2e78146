"""A Hub that names files outside the target folder cannot write there, with the real client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from noiseband.corpus.dataset_files import dataset_files
from noiseband.errors import UserError
from noiseband.io import hub_resume
from noiseband.io.hub_files import fetch_file
from noiseband.io.hub_names import TAG, check_name
from noiseband.study.corpora import Files
from noiseband.study.pretrained import Pretrained
from tests.hub import server
from tests.hub.server import COMMIT, Hub, serve

SOURCE = Files(repo="some/data", revision=COMMIT)
NAMES = {
    "above": "../../../../../outside.txt",
    "above, later": "a/../../../../../../outside.txt",
    "absolute": "{tmp}/outside.txt",
    "of Windows": "..\\..\\outside.txt",
    "an escape sequence": "a\x1b[2J/outside.txt",
}
HEADERS = {
    "a tag above": ("ETag", '"../../../../../outside"'),
    "a tag that is a place": ("ETag", '"{tmp}/outside"'),
    "a commit above": ("X-Repo-Commit", "../../../../../outside"),
    "a commit that is a place": ("X-Repo-Commit", "{tmp}/outside"),
}


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the client's lists of files, which it caches for the lifetime of the process."""
    monkeypatch.setattr("huggingface_hub._tree_cache._IN_MEMORY_TREE_CACHE", {})


def told(call: Callable[[], object], tmp: Path) -> str:
    with pytest.raises(UserError) as caught:
        call()
    outside = [path for path in tmp.rglob("*") if "outside" in path.name and path.is_file()]
    cache = tmp / "hf"
    assert [path for path in outside if not path.is_relative_to(cache)] == []
    assert not list(Path("/").glob("outside*"))
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_file_that_would_lie_elsewhere_is_refused(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.add("datasets/some/data", "good.txt", b"good")
    hub.add("datasets/some/data", name.format(tmp=tmp_path), b"bad")
    said = told(lambda: dataset_files(SOURCE, ["*.txt"]), tmp_path)
    assert "cannot be used (Invalid filename" in said or "has the unsafe file name" in said
    # Whoever asks for the others by name gets them.
    assert [*dataset_files(SOURCE, ["good.txt"])] == ["good.txt"]


@pytest.fixture(params=list(HEADERS.values()), ids=list(HEADERS))
def misnaming(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A Hub that answers with one forged header."""
    header, value = request.param

    def made(hub: Hub) -> type[BaseHTTPRequestHandler]:
        class Handler(server._handler(hub)):  # type: ignore[misc]
            def send_header(self, name: str, text: str) -> None:
                super().send_header(name, value.format(tmp=tmp_path) if name == header else text)

        return Handler

    with serve(made=made) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf/hub"))
        monkeypatch.setattr(hub_resume, "LARGE", 1)
        yield hub


def test_content_that_would_lie_elsewhere_is_refused(misnaming: Hub, tmp_path: Path) -> None:
    misnaming.add("some/model", "model.safetensors", b"content")
    misnaming.add("datasets/some/data", "good.txt", b"good")
    for call in (
        lambda: fetch_file("some/model", COMMIT, "model.safetensors", tmp_path / "out.safetensors"),
        lambda: dataset_files(SOURCE, ["good.txt"]),
    ):
        said = told(call, tmp_path)
        assert "sent the unsafe name" in said or "Invalid pointer path" in said


def test_tags_of_the_hub_and_of_git_are_names() -> None:
    for tag in ('"' + "a" * 64 + '"', 'W/"' + "0" * 40 + '"', "b" * 40, '"abc-5"'):
        assert TAG.fullmatch(tag)
    for tag in ('".."', '"a/b"', '""', '"a\\b"', "\x00", '"a b"'):
        assert not TAG.fullmatch(tag)


@pytest.mark.parametrize("name", ["a.txt", "ä/b c.txt", "..a/b..txt", "a/...", "{x}"])
def test_other_names_pass(name: str) -> None:
    check_name(name, "here")


def test_the_config_names_no_file_elsewhere_either() -> None:
    model: dict[str, Any] = {"repo": "some/model", "revision": COMMIT, "model": "gpt2"}
    for file in ("a/../../b.safetensors", "a/../b.safetensors"):
        with pytest.raises(ValueError, match="is outside the model's folder"):
            Pretrained(**model, file=file)
    with pytest.raises(ValueError, match="not a branch or tag"):
        Files(repo="some/data", revision="../../x", unpinned=True)
