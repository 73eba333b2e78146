"""Files of a data set, fetched by the real client from a local Hub, and read from a folder."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from noiseband.corpus.dataset_files import checked, dataset_files
from noiseband.errors import UserError
from noiseband.study.corpora import Files
from tests.hub.server import COMMIT, REFUSALS, Fault, Hub

REPO = "datasets/some/text"
OTHER = "f" * 40
TOKEN = "hf_" + "t" * 34
CONTENTS = {f"sample/{name}.parquet": name.encode() * 50_000 for name in "cab"}
PATTERNS = ["sample/*.parquet"]
PINNED = Files(repo="some/text", revision=COMMIT)
MAIN = Files(repo="some/text", revision="main", unpinned=True)


@pytest.fixture(autouse=True)
def data(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in {**CONTENTS, "README.md": b"hello", "other/d.parquet": b"d"}.items():
        hub.add(REPO, name, content)
    hub.branches["main"] = COMMIT
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear the lists of files, which the client remembers for the life of a process."""
    monkeypatch.setattr("huggingface_hub._tree_cache._IN_MEMORY_TREE_CACHE", {})


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    return message


def gets(hub: Hub) -> list[str]:
    """The files that were requested."""
    return sorted(path for method, path, _ in hub.requests if method == "GET" and "/res" in path)


@pytest.mark.parametrize("source", [PINNED, MAIN], ids=["pinned", "branch"])
def test_the_files_that_match_in_the_order_of_their_names(hub: Hub, source: Files) -> None:
    found = dataset_files(source, PATTERNS)
    assert [*found] == sorted(CONTENTS)
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert gets(hub) == [f"/{REPO}/resolve/{COMMIT}/{name}" for name in sorted(CONTENTS)]
    assert checked(source, found) == {
        name: hashlib.sha256(content).hexdigest() for name, content in sorted(CONTENTS.items())
    }
    asked = len(hub.requests)
    assert dataset_files(source, PATTERNS) == found
    assert len(hub.requests) == asked + (source is MAIN)  # one request for a branch's commit


def test_all_files_are_of_the_commit_that_the_branch_is_now(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in CONTENTS:
        hub.add(REPO, name, b"new", revision=OTHER)
    dataset_files(MAIN, PATTERNS)
    assert capsys.readouterr().err == (
        f"some/text at main is commit {COMMIT}; write this to pin it\n"
    )
    dataset_files(PINNED, PATTERNS)
    assert capsys.readouterr().err == ""
    hub.branches["main"] = OTHER
    assert {path.read_bytes() for path in dataset_files(MAIN, PATTERNS).values()} == {b"new"}


def test_a_folder_gives_the_same(tmp_path: Path) -> None:
    for name, content in CONTENTS.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    source = Files(path=str(tmp_path / "mine"))
    found, theirs = dataset_files(source, PATTERNS), dataset_files(PINNED, PATTERNS)
    assert [*found] == [*theirs]
    assert checked(source, found) == checked(PINNED, theirs)
    assert "no such folder" in refused(lambda: dataset_files(Files(path="nowhere"), PATTERNS))


def test_what_notebooks_and_file_managers_leave_behind_is_no_data(tmp_path: Path) -> None:
    for name in ("a.txt", "._a.txt", ".DS_Store", ".ipynb_checkpoints/a-checkpoint.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/linked").symlink_to(tmp_path / ".ipynb_checkpoints")
    source = Files(path=str(tmp_path))
    linked = "mine/linked/a-checkpoint.txt"  # a link with a name of its own is not hidden
    assert [*dataset_files(source, ["*.txt"])] == ["a.txt", linked]
    assert [*dataset_files(source, [".DS*"])] == [".DS_Store"]
    assert "no file matches *_Store" in refused(lambda: dataset_files(source, ["*_Store"]))


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    message = refused(lambda: dataset_files(PINNED, [*PATTERNS, "data/*.parquet"]))
    assert "no file matches data/*.parquet; it has README.md, other/d.parquet" in message


def test_another_digest_and_one_of_no_file() -> None:
    name = "sample/a.parquet"
    pinned = PINNED.model_copy(update={"sha256": {name: "0" * 64}})
    message = refused(lambda: checked(pinned, dataset_files(pinned, PATTERNS)))
    found = hashlib.sha256(CONTENTS[name]).hexdigest()
    assert f"{name} of some/text at {COMMIT} has SHA-256 {found}, not {'0' * 64}" in message
    pinned = PINNED.model_copy(update={"sha256": {"sample/z.parquet": "0" * 64}})
    message = refused(lambda: checked(pinned, dataset_files(pinned, PATTERNS)))
    assert "sha256 pins sample/z.parquet, which is not among the files" in message


@pytest.mark.parametrize(("status", "headers", "said"), REFUSALS)
@pytest.mark.parametrize("path", ["/revision/", "/tree/", "/resolve/"])
def test_a_server_that_refuses(
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: int,
    headers: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.faults.append(Fault("GET", status, headers, times=1000, path=path))
    message = refused(lambda: dataset_files(MAIN, PATTERNS))
    assert message.startswith("some/text at main: ")
    assert said in message
    assert TOKEN not in message
    assert {one[2] for one in hub.requests} == {f"Bearer {TOKEN}"}
    assert not [*tmp_path.rglob("*.incomplete")]


@pytest.mark.parametrize(
    ("repo", "revision", "said"),
    [
        ("some/other", COMMIT, "no such repository"),
        ("some/text", OTHER, "no such revision"),
        ("some/text", "v2", "no such revision"),
    ],
)
def test_what_is_not_there(repo: str, revision: str, said: str) -> None:
    source = Files(repo=repo, revision=revision, unpinned=True)
    assert said in refused(lambda: dataset_files(source, PATTERNS))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", 503, times=2, path="/tree/"),
        Fault("GET", 429, times=2, path="/tree/"),
        Fault("GET", 502, times=1, path="/resolve/"),
        Fault("GET", times=3, path="/resolve/"),
        Fault("GET", 0, times=3, path="/resolve/"),
    ],
    ids=["list-503", "list-429", "get-502", "cut-off", "hung-up"],
)
def test_a_passing_failure_is_retried(hub: Hub, fault: Fault) -> None:
    fault.times, times = fault.times, fault.times
    hub.faults.append(fault)
    found = dataset_files(PINNED, PATTERNS)
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert times > fault.times == 0


@pytest.mark.parametrize("path", ["/revision/", "/tree/", "/resolve/"])
def test_the_hub_is_asked_again_when_it_has_said_to(
    hub: Hub, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    fault = Fault("GET", 429, {"Retry-After": "1"}, times=2, path=path)
    hub.faults.append(fault)
    assert dataset_files(MAIN, PATTERNS).keys() == CONTENTS.keys()
    assert sum(second >= 1 for second in slept) == 2
    assert fault.times == 0


def test_files_that_are_there_are_not_asked_for_again_after_a_failure(hub: Hub) -> None:
    hub.faults.append(Fault("GET", 404, times=1000, path="sample/c"))
    refused(lambda: dataset_files(PINNED, PATTERNS))
    hub.faults.clear()
    hub.requests.clear()
    dataset_files(PINNED, PATTERNS)
    assert gets(hub)[-1] == f"/{REPO}/resolve/{COMMIT}/sample/c.parquet"
    assert len(gets(hub)) < 4


def test_offline_takes_a_cache_that_is_complete_and_asks_nothing(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(there: bool) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", there)

    offline(True)
    assert "HF_HUB_OFFLINE is set" in refused(lambda: dataset_files(PINNED, PATTERNS))
    assert not hub.requests
    offline(False)
    found = dataset_files(MAIN, PATTERNS)
    asked = len(hub.requests)
    offline(True)
    assert dataset_files(MAIN, PATTERNS) == found
    # The list of a commit's files shows whether all of them are in the cache.
    missing = found["sample/b.parquet"]
    missing.unlink()
    assert "HF_HUB_OFFLINE is set" in refused(lambda: dataset_files(MAIN, PATTERNS))
    assert dataset_files(MAIN, ["sample/[ac].parquet"])
    # Without that list, only files that are named one by one can be found.
    shutil.rmtree(next(tmp_path.rglob("trees")))
    monkeypatch.setattr("huggingface_hub._tree_cache._IN_MEMORY_TREE_CACHE", {})
    assert "no list of all" in refused(lambda: dataset_files(MAIN, PATTERNS))
    assert [*dataset_files(MAIN, ["sample/a.parquet"])] == ["sample/a.parquet"]
    assert "no file matches" in refused(lambda: dataset_files(MAIN, ["sample/b.parquet"]))
    assert len(hub.requests) == asked


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_files(PINNED, ["README.md"])
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the Hub cannot be reached" in refused(lambda: dataset_files(MAIN, PATTERNS))
    assert dataset_files(PINNED, ["README.md"])  # It is in the cache.
