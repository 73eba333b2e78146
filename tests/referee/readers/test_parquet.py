"""Tables in Parquet, written by pandas."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from noiseband.errors import UserError
from tests.referee.readers.files import cells, only, written


def test_a_table_of_pandas_is_read_with_its_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "arm": ["base", "wide", None],
            "seed": [1, 2, 3],
            "loss": [3.281, 1 / 3, float("nan")],
            "done": [True, False, True],
            "when": [datetime(2026, 1, 2, 3)] * 3,
        },
        index=[7, 8, 10],
    )
    table.to_parquet(tmp_path / "runs.parquet")
    raw = only(str(tmp_path / "runs.parquet"))
    when = "2026-01-02T03:00:00"
    assert cells(raw) == [
        ["arm", "seed", "loss", "done", "when"],
        ["base", 1, 3.281, "true", when],
        ["wide", 2, 1 / 3, "false", when],
        [None, 3, None, "true", when],
    ]
    assert raw.place(raw.table.index[2]).endswith("runs.parquet, row 3")


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    pd.DataFrame({"arm": ["base"]}).to_parquet(tmp_path / "runs.parquet")
    content = (tmp_path / "runs.parquet").read_bytes()
    with pytest.raises(UserError, match=r"half.parquet: not a complete Parquet file .*again"):
        only(written(tmp_path, content[:-9], "half.parquet"))


def test_no_row_is_no_run(tmp_path: Path) -> None:
    pd.DataFrame({"arm": []}).to_parquet(tmp_path / "runs.parquet")
    with pytest.raises(UserError, match=r"runs.parquet: no run in it"):
        only(str(tmp_path / "runs.parquet"))
