"""Records in JSON: one for each line, or in a list."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from tests.referee.readers.files import cells, only, written

RECORDS = [{"arm": "base", "seed": 1, "loss": 3.281}, {"arm": "wide", "seed": 1, "loss": 3.25}]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (LINES, "line 2"),
        (LINES.replace("\n", "\r\n\n"), "line 3"),
        ("\n" + LINES.rstrip(), "line 3"),
        (json.dumps(RECORDS), "record 2"),
        (json.dumps(RECORDS, indent=1), "record 2"),
    ],
)
def test_records_are_the_same_on_lines_and_in_a_list(
    tmp_path: Path, content: str, place: str
) -> None:
    raw = only(written(tmp_path, content, "runs.json"))
    assert cells(raw) == [["arm", "seed", "loss"], ["base", 1, 3.281], ["wide", 1, 3.25]]
    assert raw.place(raw.table.index[1]).endswith(f"runs.json, {place}")


def test_one_object_is_one_run(tmp_path: Path) -> None:
    for indent in (None, 2):
        raw = only(written(tmp_path, json.dumps(RECORDS[0], indent=indent), "summary.json"))
        assert cells(raw) == [["arm", "seed", "loss"], ["base", 1, 3.281]]


def test_objects_inside_others_become_columns(tmp_path: Path) -> None:
    record = {
        "config": {"arm": "base", "model": {"width": 64}, "tied": True},
        "loss": math.nan,
        "note": "",
        "seed": None,
        "betas": [0.9, 0.95],
        "weights": {"_type": "histogram", "values": [1, 2]},
        "steps": 10**400,
    }
    raw = only(written(tmp_path, json.dumps(record), "runs.jsonl"))
    (row,) = raw.table.to_dict("records")
    assert math.isnan(row.pop("loss"))
    assert row == {
        "config.arm": "base",
        "config.model.width": 64,
        "config.tied": "true",
        "note": None,
        "seed": None,
        "betas": "[0.9, 0.95]",
        "steps": str(10**400),
    }


def test_the_last_step_of_a_history_of_weights_and_biases_counts(tmp_path: Path) -> None:
    # As `run.scan_history()` gives it: not every step has every metric.
    history = [
        {"_step": 0, "_runtime": 1.5, "_timestamp": 1.7e9, "loss": 4.0},
        {"_step": 1, "_runtime": 2.5, "_timestamp": 1.7e9, "val": {"loss": 3.5}},
        {"_step": 2, "_runtime": 3.5, "_timestamp": 1.7e9, "loss": "NaN"},
    ]
    file = written(tmp_path, "\n".join(map(json.dumps, history)), "history.jsonl")
    found = measurements([only(file)], Choice(["loss", "val.loss"], needs_arm=False)).runs
    assert len(found) == 1
    assert math.isnan(found["loss"][0])
    assert found["val.loss"][0] == 3.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINES + "[1]\n", r"line 3: \[1\] is no object; write one such as"),
        (LINES + '{"arm": "x", "lo', "line 3: not JSON .*still being written"),
        (LINES + '{"loss": 1, "loss": 2}\n', "line 3: not JSON .*two values of loss"),
        ('{"a.b": 1, "a": {"b": 2}}', "record 1: two values of a.b; rename one of them"),
        ('[{"": 1}]', "record 1: column 1 has no name"),
        ('{\n"arm": "x",\n"loss": 3.2', "line 3: not JSON"),
        ("[3, 4]", "record 1: 3 is no object"),
        ("[]", "no run in it"),
        ("{}", "no run in it"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
        ("{" + '"a":{' * 700 + "}" * 701, "not JSON|deeply nested|no run in it"),
        ('{"a": 1' + "0" * 5000 + "}", "not JSON"),
    ],
)
def test_each_mistake_is_told_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"runs\.jsonl.*({message})") as told:
        only(written(tmp_path, content, "runs.jsonl"))
    assert "\n" not in str(told.value)
