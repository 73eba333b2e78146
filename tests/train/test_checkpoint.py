"""Test that checkpoints are complete or absent, verified, limited, and from one process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from noiseband.errors import UserError
from noiseband.train import checkpoint
from noiseband.train.checkpoint import Journal, State, load, locked, save


def state(step: int) -> State:
    tensors = {"weights": torch.arange(8.0) + step, "first_moment": torch.zeros(8)}
    return State(step, tensors, 65_536.0, 3)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path, state(7), last=2)
    found, complaints = load(tmp_path)
    assert found is not None
    assert (found.step, found.scale, found.good_steps, complaints) == (7, 65_536.0, 3, [])
    assert torch.equal(found.tensors["weights"], state(7).tensors["weights"])


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 100):
        save(tmp_path, state(step), last=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-00000010.safetensors",
        "step-00000100.safetensors",
    ]


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "metadata"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(tmp_path: Path, damage: str) -> None:
    save(tmp_path, state(1), last=5)
    save(tmp_path, state(2), last=5)
    newest = tmp_path / "step-00000002.safetensors"
    data = newest.read_bytes()
    assert data.count(b"65536.0") == 1  # the loss scale, which is in no tensor's digest
    damaged = {
        "truncate": data[:-5],
        "flip": data[:-1] + bytes([data[-1] ^ 1]),
        "empty": b"",
        "metadata": data.replace(b"65536.0", b"65537.0"),
    }
    newest.write_bytes(damaged[damage])
    found, complaints = load(tmp_path)
    assert found is not None
    assert found.step == 1
    assert "step-00000002.safetensors is damaged" in complaints[0]


def test_a_checkpoint_whose_journal_is_not_what_was_recorded_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    journal = Journal(path, 0)
    for step in range(4):
        journal.append({"step": step, "loss": float("nan") if step == 2 else step / 3})
        journal.flush()
        save(tmp_path, replace(state(step + 1), journals={path.name: journal.sum.hexdigest()}), 9)
    journal.close()
    content = path.read_text()
    path.write_text(content + '{"step": 4, "loss": 1.0}\n{"st')  # rows after the newest checkpoint
    found, complaints = load(tmp_path)
    assert (found and found.step, complaints) == (4, [])
    path.write_text(content.replace("0.3333", "0.3334"))  # the row of step 1
    found, complaints = load(tmp_path)
    assert found is not None and found.step == 1
    assert len(complaints) == 3 and "trace.jsonl is not what was recorded" in complaints[0]
    path.unlink()
    assert load(tmp_path)[0] is None


@pytest.mark.parametrize("line", ["[1]", "null", "5", '{"loss": 1}', '{"step": "x"}', "[" * 9999])
def test_what_is_no_row_ends_a_journal(tmp_path: Path, line: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"step": 0}\n' + line.encode() + b'\n{"step": 1}\n')
    assert Journal.rows_of(path, 9) == [{"step": 0}]
    path.write_bytes(b'{"step": 0}\n\xff\n')
    assert Journal.rows_of(path, 9) == [{"step": 0}]


def test_a_second_writer_is_refused_until_the_first_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "LOCK_SECONDS", 1.0)
    program = (
        "import sys, pathlib; from noiseband.train.checkpoint import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match="another process is training this run"),
            locked(tmp_path),
        ):
            pass
        other.kill()
    with locked(tmp_path):
        pass


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path: Path) -> None:
    import resource

    save(tmp_path, state(1), last=2)
    large = State(2, {"weights": torch.zeros(100_000)}, 1.0, 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # With a file-size limit the write itself fails, as on a full disk.
    import signal

    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(UserError, match="cannot write the checkpoint of step 2"):
            save(tmp_path, large, last=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.safetensors"]
    assert load(tmp_path)[0] is not None


def test_a_journal_is_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    journal = Journal(path, 0)
    for step in range(6):
        journal.append({"step": step, "loss": float("nan") if step == 2 else step / 3})
    journal.flush()
    journal.close()
    with open(path, "a") as file:
        file.write('{"step": 6, "lo')  # as a kill leaves it
    again = Journal(path, before=4)
    assert [row["step"] for row in again.rows] == [0, 1, 2, 3]
    again.append({"step": 4})
    again.close()
    assert [row["step"] for row in Journal(path, 99).rows] == [0, 1, 2, 3, 4]
