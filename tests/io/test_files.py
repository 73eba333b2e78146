"""Files appear under their final name only when complete."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError

from noiseband.errors import UserError
from noiseband.io import checksums
from noiseband.io.checksums import CHECKSUMS, SWITCH, intact, is_intact
from noiseband.io.files import atomic, read_json, read_jsonl, write_json, write_jsonl, write_text
from noiseband.repro.intact import files_with_checksums


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": True})
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "old": true\n}\n'
    assert {file.name for file in tmp_path.iterdir()} == {"a.json", ".checksums"}
    assert intact(path) == path


def test_a_sum_is_one_that_sha256sum_checks(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    found = subprocess.run(["sha256sum", "--check", "a.json"], cwd=tmp_path / ".checksums")
    assert found.returncode == 0
    (tmp_path / "a.json").write_text("[2]\n")
    found = subprocess.run(["sha256sum", "--check", "a.json"], cwd=tmp_path / ".checksums")
    assert found.returncode == 1


@pytest.mark.parametrize("content", [b"", b"[1", b"[2]\n", b"[1]\n\n", b"\x80\x04\x95"])
def test_a_file_that_is_not_what_was_written_is_named_before_it_is_read(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.json"
    write_json(path, [1])
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is damaged .*: rm .* && noiseband run "):
        read_json(path)
    assert files_with_checksums(tmp_path) == [path]
    write_json(path, [1])
    assert read_json(path) == [1]


def test_a_file_that_another_program_wrote_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n')
    assert read_jsonl(path) == [{"a": 1}]
    path.write_text('{"a": 1\n')
    with pytest.raises(UserError, match=r"rows\.jsonl is damaged .not JSON lines"):
        read_jsonl(path)


def test_what_grows_or_is_given_away_has_no_sum(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "<p>", checksum=False)
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_full_disk_is_reported_with_the_files_name(tmp_path: Path) -> None:
    """This includes an error that a library reports in its own way."""
    path = tmp_path / "model.safetensors"
    with pytest.raises(OSError, match="No space left") as caught, atomic(path):
        raise SafetensorError("I/O error: No space left on device (os error 28)")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    with pytest.raises(OSError, match="No space left") as caught, atomic(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


class Killed(BaseException):
    """Stands for a SIGKILL at this moment."""


MOMENTS = 12
"""A number of changes that is larger than the number that `atomic` makes."""


def killed_after(changes: int, real: Callable[..., Any], made: list[int]) -> Callable[..., Any]:
    """Wrap `real` so that it raises after a number of changes of names on the disk. All functions
    with the same `made` count together."""

    def call(*given: Any, **more: Any) -> Any:
        made[0] += 1
        if made[0] > changes:
            raise Killed
        return real(*given, **more)

    return call


def test_a_kill_at_any_moment_accuses_neither_the_old_file_nor_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands = set()
    for moment in range(MOMENTS):
        path = tmp_path / str(moment) / "a.json"
        write_json(path, "old")
        made = [0]
        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(os, "replace", killed_after(moment, os.replace, made))
            patch.setattr(Path, "unlink", killed_after(moment, Path.unlink, made))
            write_json(path, "new")
        assert is_intact(path)
        stands.add((path.read_text(), (path.parent / CHECKSUMS / path.name).exists()))
    # Kills happened before all changes, in every state of file and checksum, and after all.
    assert stands == {('"old"\n', True), ('"old"\n', False), ('"new"\n', False), ('"new"\n', True)}


def test_a_file_that_is_replaced_while_it_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, "old")
    real = checksums.file_sha256
    calls: list[Path] = []

    def slow(hashed: Path) -> str:
        if not calls:
            calls.append(hashed)
            write_json(path, "new")  # after the checksum is read, before the file is
        return real(hashed)

    monkeypatch.setattr(checksums, "file_sha256", slow)
    assert is_intact(path)
    assert calls == [path]


def test_a_link_to_a_shared_file_is_not_compared(tmp_path: Path) -> None:
    """Snakemake's cache puts a link in the place of a file that had a checksum."""
    path, shared = tmp_path / "study" / "a.json", tmp_path / "cache"
    write_json(path, "own")
    path.unlink()
    shared.write_text('"of others"')
    path.symlink_to(shared)
    assert read_json(path) == "of others"
    assert files_with_checksums(tmp_path) == []
    write_json(path, "own")
    assert files_with_checksums(tmp_path) == [path]


def test_in_a_storage_nothing_is_summed_or_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, "own")
    monkeypatch.setenv(SWITCH, "none")
    path.write_text('"newer"')
    assert read_json(path) == "newer"
    write_json(path, "own again")
    monkeypatch.delenv(SWITCH)
    path.write_text('"newer"')
    assert read_json(path) == "newer", "a checksum was left or written"


def test_a_sum_of_another_file_or_none_accuses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)
    write_json(tmp_path / "b.json", 2)
    (tmp_path / CHECKSUMS / "b.json").replace(tmp_path / CHECKSUMS / "a.json")
    assert is_intact(path)
    (tmp_path / CHECKSUMS / "a.json").write_bytes(b"")
    assert is_intact(path)


def test_the_same_bytes_again_keep_their_sum(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)
    before = (tmp_path / CHECKSUMS / "a.json").stat().st_ino
    path.write_text("damaged")
    write_json(path, 1)
    assert (tmp_path / CHECKSUMS / "a.json").stat().st_ino == before
    assert is_intact(path)


def test_a_disk_that_may_not_be_written_is_reported_with_the_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this case, the system also refuses to look for the temporary file."""

    def refuse(path: Path, *given: Any, **more: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    path = tmp_path / "a.json"
    with pytest.raises(OSError, match="Read-only") as caught, atomic(path) as temporary:
        refuse(temporary)
    assert caught.value.filename == str(path)


@given(st.lists(st.text()))
def test_any_text_survives_json_lines(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = [{"text": text.encode("utf-8", "replace").decode()} for text in texts]
    write_jsonl(path, rows)
    assert read_jsonl(path) == rows


def test_not_a_number_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
