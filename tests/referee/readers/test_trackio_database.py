"""The database of a project that trackio wrote."""

from __future__ import annotations

import math
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from tests.referee.readers.files import only


@pytest.fixture
def copied(project: Path, tmp_path: Path) -> Path:
    """The project as one process has left it, in a folder of its own."""
    shutil.copy(project, tmp_path / "small.db")
    return tmp_path / "small.db"


def test_each_run_of_a_project_has_its_config_and_its_last_value(copied: Path) -> None:
    raw = only(str(copied))
    assert raw.metrics == ["loss", "test.accuracy"]
    assert set(raw.table["config.loss"]) == {"cross-entropy"}
    assert set(raw.table["model.width"]) == {64}
    assert raw.place(raw.table.index[0]) == f"{copied}, row 1"
    found = measurements([raw], Choice(["loss", "test.accuracy"])).runs
    assert found["run"].tolist() == ["base-s1", "base-s2", "wide-s1"]
    assert found["arm"].tolist() == ["base", "base", "wide"]
    assert found["train_seed"].tolist() == ["1", "2", "1"]
    assert found["loss"].tolist()[:2] == [3.5, 3.25]
    assert math.isnan(found["loss"][2])
    assert found["test.accuracy"].tolist() == [0.5, 0.5, 1.0]


def test_reading_leaves_nothing_behind(copied: Path) -> None:
    before = copied.read_bytes()
    only(str(copied))
    assert [path.name for path in copied.parent.iterdir()] == ["small.db"]
    assert copied.read_bytes() == before


WRITER = """
import sqlite3, sys
writer = sqlite3.connect(sys.argv[1])
writer.execute(
    "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) "
    "SELECT run_id, timestamp, run_name, 7, '{\\"loss\\": 2.5}' FROM metrics WHERE id = 1"
)
writer.commit()  # to the log of changes: the database's own file is as before
writer.execute("DELETE FROM metrics")
print("writing", flush=True)
input()
"""


def test_rows_are_read_while_another_process_is_writing(copied: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(copied)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        found = measurements([only(str(copied))], Choice(["loss"])).runs
        writer.communicate(b"\n")
    assert found["loss"].tolist()[0] == 2.5
    assert len(found) == 3


def test_runs_of_the_same_name_are_two(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as database:
        database.execute("UPDATE metrics SET run_name = 'base'")
        database.commit()
    found = measurements([only(str(copied))], Choice(["loss"])).runs
    assert len(set(found["run"])) == 3
    assert all(run.startswith("base (") for run in found["run"])


def test_a_database_from_before_runs_had_keys(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as database:
        for table in ("metrics", "configs"):
            database.execute(f"CREATE TABLE new AS SELECT * FROM {table}")
            database.execute("ALTER TABLE new DROP COLUMN run_id")
            database.execute(f"DROP TABLE {table}")
            database.execute(f"ALTER TABLE new RENAME TO {table}")
        database.commit()
    found = measurements([only(str(copied))], Choice(["loss"])).runs
    assert found["arm"].tolist() == ["base", "base", "wide"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DELETE FROM metrics", "no run of this project has logged anything"),
        ("UPDATE metrics SET metrics = '[1' WHERE id = 3", "row 3: damaged, no JSON object"),
        ("UPDATE metrics SET metrics = 5 WHERE id = 3", "row 3: damaged, no JSON object"),
        ("DROP TABLE metrics", "not a readable database of trackio"),
    ],
)
def test_what_is_no_project_is_told(copied: Path, change: str, message: str) -> None:
    with closing(sqlite3.connect(copied)) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(UserError, match=rf"small\.db.*{message}"):
        only(str(copied))


def test_a_truncated_database_is_told(copied: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"small\.db: not a readable database"):
        only(str(copied))
