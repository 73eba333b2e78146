"""What YAML reads in another way than people do is refused, with both readings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.study.yaml_file import read_yaml


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 042", "YAML reads 042 as an octal number, 34; if you mean 42, write that"),
        ("a: [1, 010]", "YAML reads 010 as an octal number, 8; if you mean 10, write that"),
        ("a: -0_17", "YAML reads -0_17 as an octal number, -15; if you mean -17, write that"),
        ("a: 42:40", "YAML reads 42:40 as 2560, in base 60; write 2560, or put text in quotes"),
        ("a: 1:30.5", "YAML reads 1:30.5 as 90.5, in base 60; write 90.5, or put text in quotes"),
        ("a: 2026-01-02", "YAML reads 2026-01-02 as a date; put it in quotes"),
        ("no: 1", 'YAML reads no as false; if it is a name, put it in quotes: "no"'),
        ("{b: {On: 1}}", 'YAML reads On as true; if it is a name, put it in quotes: "On"'),
        ("[x, null]", 'YAML reads null as null; if it is a name, put it in quotes: "null"'),
        ("- a\n-\n", "there is nothing here; write a value, or remove the line"),
    ],
)
def test_both_readings_are_shown(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as raised:
        read_yaml(file)
    assert str(raised.value).partition(": ")[2] == problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: [0, -0, 10, 1_000, 0.5, '042', \"no\"]", {"a": [0, 0, 10, 1000, 0.5, "042", "no"]}),
        ("a: yes\nb: null\nc:\n", {"a": True, "b": None, "c": None}),
        ("a: 089", {"a": "089"}),
    ],
)
def test_what_both_read_alike_is_accepted(tmp_path: Path, text: str, value: Any) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    assert read_yaml(file) == value
