"""Damaged files of every kind: rows or one line of explanation, and never another exception."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.tensorboard import SummaryWriter

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from noiseband.referee.raw import Raw
from noiseband.referee.readers import read
from tests.fake_runs import pocket_runs
from tests.referee.readers.test_harness import DOCUMENT
from tests.referee.readers.test_panels import PANEL
from tests.small_study import write_study

ROUNDS = 50
"""Number of damaged copies of each file."""


def table() -> pd.DataFrame:
    rows = {"arm": ["base", "wide"] * 9, "seed": [*range(18)], "loss": [n / 7 for n in range(18)]}
    return pd.DataFrame(rows)


def events(path: Path) -> None:
    with SummaryWriter(path.parent / "events") as writer:
        for step in range(20):
            writer.add_scalar("loss", step / 7, step, new_style=step % 2 == 0)
    shutil.move(next((path.parent / "events").iterdir()), path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.csv": lambda path: table().to_csv(path, index=False),
    "a.tsv": lambda path: table().to_csv(path, index=False, sep="\t", quoting=1),
    "panel.csv": lambda path: path.write_text(PANEL),
    "a.csv.gz": lambda path: table().to_csv(path, index=False),
    "a.jsonl": lambda path: table().to_json(path, orient="records", lines=True),
    "a.json": lambda path: table().to_json(path, orient="records"),
    "a.parquet": lambda path: table().to_parquet(path),
    "results.json": lambda path: path.write_text(json.dumps(DOCUMENT)),
    "events.out.tfevents.1": events,
}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content cut off, with some bytes changed, or with some taken out or put in."""
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    kind = chance.randrange(4)
    if kind == 0:
        return content[:first]
    if kind == 1:
        return content[:first] + content[min(last, first + 20) :]
    if kind == 2:
        return content[:first] + chance.randbytes(chance.randrange(1, 20)) + content[first:]
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def judged_or_told(path: Path, named: str) -> bool:
    """Whether the file is told to be damaged, and not read."""
    try:
        runs = read(str(path))
    except UserError as error:
        assert "\n" not in str(error)
        assert named in str(error)
        return True
    assert runs
    assert all(isinstance(run, Raw) and len(run.table) for run in runs)
    assert all(is_cell(cell) for run in runs for cell in run.table.to_numpy().ravel())
    try:
        measurements(runs, Choice(["loss"], needs_arm=False))
    except UserError as error:
        assert named in str(error)
    return False


def is_cell(cell: object) -> bool:
    return cell is None or (isinstance(cell, str | int | float) and not isinstance(cell, bool))


@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_file_is_read_or_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    good, chance = path.read_bytes(), random.Random(name)
    assert not judged_or_told(path, name)
    told = 0
    for _ in range(ROUNDS):
        path.write_bytes(damaged(good, chance))
        told += judged_or_told(path, name)
    assert told > ROUNDS / 12


def test_a_damaged_name_in_a_database_is_told(project: Path, tmp_path: Path) -> None:
    content = project.read_bytes().replace(b"run_name TEXT NOT NULL", b"run_nam\x98 TEXT NOT NULL")
    (tmp_path / "small.db").write_bytes(content)
    assert judged_or_told(tmp_path / "small.db", "small.db")


def test_a_damaged_project_of_trackio_is_read_or_told(project: Path, tmp_path: Path) -> None:
    path, good, chance = tmp_path / "small.db", project.read_bytes(), random.Random(3)
    used = good.index(b'{"loss"') // 4096 * 4096
    for round in range(ROUNDS):
        # Most of a database is empty: damage what is not.
        head = damaged(good[: used + 4096], chance)
        path.write_bytes(head + good[used + 4096 :] if round % 2 else damaged(good, chance))
        judged_or_told(path, "small.db")


def test_a_damaged_state_of_the_trainer_is_read_or_told(trained: Path, tmp_path: Path) -> None:
    good, chance = (trained / "trainer_state.json").read_bytes(), random.Random(3)
    path = tmp_path / "trainer_state.json"
    told = 0
    for _ in range(ROUNDS):
        path.write_bytes(damaged(good, chance))
        told += judged_or_told(path, path.name)
    assert told > ROUNDS / 4


def test_a_damaged_study_is_read_or_told(tmp_path: Path) -> None:
    write_study(tmp_path, pocket_runs()[:3], steps=20, models=[], noise={})
    chance = random.Random(3)
    files = [tmp_path / "runs/baseline-22" / name for name in
             ("recipe.json", "model.json", "test_loss.json", "trace.parquet")]  # fmt: skip
    for round in range(ROUNDS):
        file = files[round % len(files)]
        good = file.read_bytes()
        if round >= ROUNDS / 2:  # then the checksums do not tell
            shutil.rmtree(file.parent / ".checksums", ignore_errors=True)
        file.write_bytes(damaged(good, chance))
        judged_or_told(tmp_path, str(tmp_path))
        file.write_bytes(good)


BEGINNINGS = [b"", b"PAR1", b"SQLite format 3\0", b"{", b"[", b"\x1f\x8b", b"a,b\n", b"\xff\xfe"]


@settings(max_examples=80)
@given(
    st.sampled_from(BEGINNINGS),
    st.binary(max_size=60) | st.text('[]{},:;"\\u0d8 \n\tae1-', max_size=40).map(str.encode),
    st.sampled_from(["a.csv", "a.json", "a.parquet", "a.db", "events.out.tfevents.1"]),
)
def test_any_bytes_are_read_or_told(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(start + rest)
    judged_or_told(path, name)
