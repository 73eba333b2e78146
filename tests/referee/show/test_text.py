"""The table fits the terminal, tells names apart, and can be ASCII."""

from __future__ import annotations

import re

import pytest

import noiseband as nb
from noiseband.referee.show.text import as_text
from tests.referee.tables import blocked, drawn

EFFECTS = {"up": 0.2, "down": -0.2}


@pytest.fixture(scope="module")
def found() -> nb.Answer:
    frame = drawn(2, {"main": 4, "up": 4, "down": 4, "same": 4, "once": 1}, EFFECTS)
    return nb.verdicts(frame, baseline="main", margin=0.0001)


def charts(text: str) -> dict[str, str]:
    """The chart of each arm: what follows the verdict."""
    pattern = r"^(\S+) +\d+ .*?(?:helps|hurts|noise|runs)(?: \(\S+\))?  (.*)$"
    return dict(re.findall(pattern, text, re.MULTILINE))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(found: nb.Answer, width: int) -> None:
    text = as_text(found, width)
    assert max(map(len, text.splitlines())) <= width
    assert as_text(found) == repr(found) == as_text(found, 80)


def test_the_chart_has_zero_the_estimate_and_the_interval(found: nb.Answer) -> None:
    drawn = charts(as_text(found, 100))
    assert re.fullmatch(r" *├─*●─*┤ *│ *", drawn["down"].rstrip() + " ")
    assert drawn["up"].index("│") < drawn["up"].index("●")
    assert drawn["down"].index("│") == drawn["up"].index("│")
    assert drawn["once"].strip()
    assert "┼" in drawn["same"] or "●" in drawn["same"]


def test_an_arm_that_is_far_outside_is_an_arrow() -> None:
    frame = drawn(3, {"main": 4, "a": 4, "b": 4, "far": 4}, {"far": 9.0, "a": 0.03})
    drawn_far = charts(as_text(nb.verdicts(frame, baseline="main"), 100))["far"]
    assert drawn_far.endswith("▸") and "●" not in drawn_far


def test_long_names_that_begin_alike_stay_apart() -> None:
    names = [f"an-intervention-with-a-very-long-name-{n}" for n in (1, 2)]
    frame = drawn(1, {"main": 3, names[0]: 3, names[1]: 3})
    text = as_text(nb.verdicts(frame, baseline="main"), 80)
    assert "…" in text
    assert len(set(re.findall(r"^an-\S*…\S*", text, re.MULTILINE))) == 2


def test_what_noiseband_writes_can_be_ascii(found: nb.Answer) -> None:
    text = as_text(found, 100, ascii=True)
    assert text.isascii()
    assert "+-" in text and "[" in text


def test_colour_marks_the_verdict_and_only_with_a_terminal(found: nb.Answer) -> None:
    assert "\x1b" not in as_text(found, 100)
    coloured = as_text(found, 100, colour=True)
    assert "\x1b[32mhelps" in coloured and "\x1b[31mhurts" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == as_text(found, 100)


def test_a_name_cannot_write_to_the_terminal() -> None:
    frame = drawn(1, {"main": 3, "a\x1b[31mb\nc": 3})
    text = as_text(nb.verdicts(frame, baseline="main"), 100)
    assert "\x1b" not in text and "[U+001B]" in text


def test_a_verdict_that_depends_on_other_arms_says_how_far() -> None:
    frame = drawn(7, {"main": 9, "new": 1}, {"new": -0.05})
    text = as_text(nb.verdicts(frame, baseline="main"), 100)
    assert re.search(r"helps \(\d\.\d×\)", text)
    assert "(2.3×): holds unless this arm is 2.3 times as noisy as the others." in text


def test_what_more_seeds_would_do_is_said() -> None:
    text = as_text(nb.verdicts(blocked(1, ["main", "new"], 3), baseline="main"), 100)
    assert re.search(
        r"Seeds on both arms for an 80% chance of a verdict: \d+ or more for new\.", text
    )
