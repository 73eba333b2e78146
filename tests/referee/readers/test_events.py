"""TensorBoard's event files, written by PyTorch's SummaryWriter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from noiseband.referee.readers import read
from tests.referee.readers.files import cells, only


def write(folder: Path, losses: dict[int, float], new: bool = False, suffix: str = "") -> Path:
    """Write a run's losses, and what is no scalar; return its event file."""
    with SummaryWriter(folder, filename_suffix=suffix) as writer:
        writer.add_text("recipe", "3")
        for step, loss in losses.items():
            writer.add_scalar("loss/train", loss, step, new_style=new)
            if step % 2 == 0:
                writer.add_scalar("loss/test", loss + 1, step, new_style=new)
    return max(folder.iterdir())


@pytest.mark.parametrize("new", [False, True])
def test_a_tag_is_a_column_in_both_forms(tmp_path: Path, new: bool) -> None:
    file = write(tmp_path, {0: 4.0, 1: 3.5, 2: 3.25}, new)
    raw = only(str(file))
    assert cells(raw) == [
        ["step", "loss/train", "loss/test"],
        [0, 4.0, 5.0],
        [1, 3.5, None],
        [2, 3.25, 4.25],
    ]
    assert raw.metrics == ["loss/train", "loss/test"]
    assert not raw.notes
    assert raw.place(2) == f"{file}, step 2"


def test_each_folder_is_a_run_and_the_later_file_of_one_counts(tmp_path: Path) -> None:
    write(tmp_path / "b-s1", {0: 4.0, 2: 3.0, 3: 9.0}, suffix=".a")
    write(tmp_path / "b-s1", {2: 3.5, 4: 3.25}, suffix=".b")
    write(tmp_path / "a" / "s1", {0: 4.0, 2: 2.0})
    write(tmp_path / "empty", {})
    runs = read(str(tmp_path))
    assert [run.table["run"][0] for run in runs] == ["a/s1", "b-s1"]
    found = measurements(runs, Choice(["loss/test"], needs_arm=False)).runs
    assert found["run"].tolist() == ["a/s1", "b-s1"]
    assert found["loss/test"].tolist() == [3.0, 4.25]
    assert runs[1].table["loss/train"].tolist() == [4.0, 3.5, 9.0, 3.25]


def test_a_folder_that_is_one_run_has_its_name(tmp_path: Path) -> None:
    write(tmp_path / "mine", {0: 4.0})
    assert only(str(tmp_path / "mine")).table["run"].tolist() == ["mine"]


def test_a_truncated_file_gives_what_is_complete_and_says_so(tmp_path: Path) -> None:
    file = write(tmp_path, {0: 4.0, 1: 3.5, 2: 3.25})
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    raw = only(str(file))
    assert cells(raw)[-1] == [2, 3.25, None]
    (note,) = raw.notes
    assert f"of its {len(whole) - 3} bytes" in note
    file.write_bytes(whole[:40] + b"\0" + whole[41:])
    with pytest.raises(UserError, match=r"first record is damaged|no scalar in it"):
        only(str(file))


def test_files_without_a_scalar_are_told(tmp_path: Path) -> None:
    file = write(tmp_path / "runs", {})
    for source in (file, tmp_path / "runs"):
        with pytest.raises(UserError, match=r"no scalar .*yet"):
            read(str(source))
    empty = tmp_path / "events.out.tfevents.1"
    empty.touch()
    with pytest.raises(UserError, match="no scalar"):
        read(str(empty))


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no event file and no study in it"):
        read(str(tmp_path))


def test_without_tensorboard_the_error_names_the_remedy(tmp_path: Path) -> None:
    file = write(tmp_path, {0: 4.0})
    program = (
        "import sys; sys.modules['tensorboard'] = None\n"
        "from noiseband.referee.readers import read\n"
        "try: read(sys.argv[1])\n"
        "except Exception as error: print(error)\n"
        "assert not {'torch', 'matplotlib'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(file))
    assert "pip install 'noiseband[tensorboard]'" in done.stdout


def test_a_whole_record_that_is_no_event_ends_the_file(tmp_path: Path) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    file = write(tmp_path, {0: 4.0})
    size = file.stat().st_size
    with open(file, "ab") as more:
        RecordWriter(more).write(b"\xff\xff no event")
    raw = only(str(file))
    assert raw.table["loss/train"].tolist() == [4.0]
    (note,) = raw.notes
    assert f"not complete after {size} of its" in note
