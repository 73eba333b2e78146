"""Mangled config files give a study or a useful message, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.errors import UserError
from noiseband.study import load_study
from tests.faults.config_mutations import WHOLE
from tests.faults.fuzz_config import complaint, fuzz, outcome


def test_mutated_configs_are_studies_or_told(tmp_path: Path) -> None:
    """The first hundred of the campaign's 20,000 cases (`make fuzz`), some with the command."""
    found = fuzz(len(WHOLE) + 100, 1, tmp_path, every=30)
    assert [why for why, _ in found.failures] == []
    assert found.outcomes["told"] > found.outcomes["study"] > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study: &a [*a]", "an alias (*) refers to a value that contains it"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("? [a]\n: b", ":1: a list or a mapping cannot be a key"),
        (
            "x: 2001-13-45",
            ":1: '2001-13-45' is not a valid timestamp; put text in quotes",
        ),
        ("x: !!int abc", "'abc' is not a valid int"),
        ("x: " + "9" * 5000, "is not a valid int"),
        ("study: a\nstudy: b", ":2: the key 'study' appears twice; merge"),
        ("c:\n  d: 1\n e: 2", "indent keys of one level equally"),
        ('"a\\nb": 1', "a[U+000A]b: 1: unknown key"),
        ('"\\u202ea": 1', "[U+202E]a: 1: unknown key"),
    ],
)
def test_what_no_study_can_be_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert said in str(caught.value)
    assert complaint(str(caught.value), path) is None


def test_aliases_that_multiply_end_soon(tmp_path: Path) -> None:
    """Nine aliases of nine aliases and so on would expand to 31 billion values."""
    path = tmp_path / "study.yaml"
    for bomb in (one for one in WHOLE if b"\nrecipe: *" in one):
        path.write_bytes(bomb)
        with pytest.raises(UserError, match="more than 100,000 values"):
            load_study(path)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_at_all(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "study.yaml"
    path.write_bytes(content)
    assert outcome(path) == "told"


def test_the_command_says_it_in_lines_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"study: \x80")
    done = subprocess.run(
        [sys.executable, "-m", "noiseband", "runs", "--config", str(path)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "byte 7 is not UTF-8; save the file as UTF-8" in done.stderr
