"""`noiseband check` on ideas that keep noiseband's promises, and on ideas that break one."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.repro.ideas.runs import check
from noiseband.repro.ideas.subject import Subject
from noiseband.study.plugins import read_plugin
from tests.ideas import BAD, GOOD, write_plugin

RUNS = {
    "two equal runs", "one after another", "two processes", "killed and resumed",
    "weights change", "weights are finite",
}  # fmt: skip
MODEL = {
    "finite values", "called again", "gradient", "other sequences", "later tokens",
    "token by token", *RUNS,
}  # fmt: skip
CHECKED = {
    "square": MODEL, "partly": MODEL, "scaled": MODEL, "sine": MODEL, "sigmoid": MODEL,
    "sparse": MODEL, "fused": MODEL, "winners": MODEL, "narrow": MODEL,
    "lion": RUNS, "triangle": RUNS,
    "focal": {"finite values", "other tokens", "called again", "gradient", *RUNS},
    "noisy-logits": {"finite values", "called again", "gradient", *RUNS},
    "top5": {"finite values", "other tokens"},
}  # fmt: skip
BROKEN = {
    "wrong-gradient": {"gradient"},
    "unseeded": {"called again", "two equal runs"},
    "counting": {"called again", "two processes", "killed and resumed"},
    "over-batch": {"other sequences"},
    "over-batch-in-training": {"other sequences"},
    "noisy": {"called in eval mode"},
    "root": {"finite values", "weights change"},
    "over-time": {"later tokens"},
    "from-length": {"token by token"},
    "nothing": {"weights change"},
    "too-much": {"weights are finite"},
    "outside": {"killed and resumed"},
    "global": {"one after another", "killed and resumed"},
    "over-tokens": {"other tokens"},
}


def findings(file: Path, name: str) -> dict[str, str | None]:
    plugin = read_plugin(str(file))
    (idea,) = (one for one in plugin.ideas if one.name == name)
    found: dict[str, str | None] = {}

    def report(check: str, finding: str | None) -> None:
        found[check] = finding

    check(Subject(plugin, idea, {}), report)
    return found


@pytest.mark.parametrize("name", CHECKED)
def test_a_good_idea_holds(tmp_path: Path, name: str) -> None:
    found = findings(write_plugin(tmp_path / "good.py", GOOD), name)
    assert found.keys() == CHECKED[name]
    assert {check: finding for check, finding in found.items() if finding} == {}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_idea_breaks_what_it_should(tmp_path: Path, name: str) -> None:
    found = findings(write_plugin(tmp_path / "bad.py", BAD), name)
    assert {check for check, finding in found.items() if finding} == BROKEN[name]


def test_an_idea_that_fails_says_where(tmp_path: Path) -> None:
    file = write_plugin(tmp_path / "bad.py", BAD)
    (line,) = (n for n, text in enumerate(BAD.splitlines(), 1) if "x @ x" in text)
    with pytest.raises(UserError, match=rf"bad.py:{line}: RuntimeError: "):
        findings(file, "crash")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "column",
            r"bad.column: should return a .* \(4, 16, 16\), not \(4, 16, 1\) of torch.float",
        ),
        ("no-return", "bad.no-return: should return a .*, not NoneType"),
        ("column-of-positions", r"bad.column-of-positions: embed should return .* \(1, 16, 16\)"),
        ("hits", "bad.hits: its values, torch.bool, have no gradient"),
    ],
)
def test_what_an_idea_returns_has_its_shape_and_type(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        findings(write_plugin(tmp_path / "bad.py", BAD), name)
