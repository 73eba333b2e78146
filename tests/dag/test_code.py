"""Which code decides a stage's result, and which edits of it count."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noiseband.dag import code
from noiseband.dag.code import covered
from noiseband.io.syntax import read_module

RULES = Path("workflow/rules")
TOLD = {
    "duration",
    "processor",
    "terminal",
    "finetune.console",
    "judge.console",
    "repro.provenance",
    "train.account",
    "train.fit",
    "train.launch.run",
    "train.launch.slurm",
    "train.launch.torchrun",
    "train.memory",
    "train.peak",
    "train.progress",
    "train.segments",
    "train.trial",
}
"""Modules that tell people something, or start processes, and decide no bit of a result."""

ON_THE_PAGE = {"duration", "terminal"}
"""Of these, what the page is written with."""


def stages_of_rules() -> dict[str, tuple[str, ...]]:
    """Each rule's stages, as its file has them."""
    found: dict[str, tuple[str, ...]] = {}
    for file in RULES.glob("*.smk"):
        for rule, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.M | re.S
        ):
            named = re.search(r"^        code=code\((.*?)\),$", body, re.M)
            assert named, f"{rule} does not depend on its code"
            found[rule] = tuple(re.findall(r'"([\w.]+)"', named[1]))
    return found


STAGES = stages_of_rules()


def names(*stages: str) -> set[str]:
    return {name.removeprefix("noiseband.") for name in covered(*stages)}


@pytest.mark.parametrize("rule", STAGES)
def test_no_rule_depends_on_what_tells_people_something(rule: str) -> None:
    found = names(*STAGES[rule])
    assert all(f"noiseband.{stage}" in covered(stage) for stage in STAGES[rule])
    page = rule in ("tables", "figures", "report")
    assert found.isdisjoint(TOLD - ON_THE_PAGE if page else TOLD)
    assert page or not any(name.startswith("plan") for name in found)
    outside = ("study", "cli", "dag", "errors", "gpus", "hub.card")
    assert not any(f"{name}.".startswith(f"{one}.") for name in found for one in outside)


def test_every_rule_is_looked_at_and_every_module_is_there() -> None:
    assert {"corpus", "vocabulary", "tokenize", "init", "train", "evaluate", "report"} <= set(
        STAGES
    )
    assert len(STAGES) >= 19
    for name in TOLD:
        assert Path("src/noiseband", *name.split(".")).with_suffix(".py").exists(), name


def test_training_depends_on_what_it_imports() -> None:
    assert {
        "corpus.token_file", "corpus.vocabulary", "io.files", "io.digests", "model.gpt",
        "train.loop", "train.record", "train.tree",
    } <= names("train.loop")  # fmt: skip


def test_training_does_not_depend_on_later_stages() -> None:
    later = ("report", "stats", "judge", "evaluate", "finetune")
    assert not any(name.startswith(later) for name in names("train.loop"))
    assert not any(name.startswith(("train", "model", "report")) for name in names("stats"))


def test_counting_contamination_differently_measures_no_loss_again() -> None:
    counting = {"evaluate.contamination", "evaluate.spans"}
    assert counting < names("evaluate.contamination")
    assert names("evaluate.loss").isdisjoint(counting)


BEFORE = '''
"""What it is for."""
from __future__ import annotations
from typing import TYPE_CHECKING
from noiseband.files import atomic

if TYPE_CHECKING:
    from noiseband.train.peak import Peak

@dataclass
class Rate:
    """A rate."""
    value: float
    """In FLOP/s."""

def half(x: float, peak: Peak) -> float:
    """Half of it."""
    if x < 0:
        raise ValueError(f"{x} is negative; give another")  # never mind
    return x / 2
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # never mind", ""),
        ("x / 2\n", "(\n        x\n        / 2\n    )\n"),
        ('"""What it is for."""\n', ""),
        ('    """A rate."""\n', ""),
        ("In FLOP/s.", "Operations a second."),
        ("Half of it.", "The half."),
        ('f"{x} is negative; give another"', '"negative"'),
        ("train.peak import Peak", "train.memory import Peak"),
    ],
)  # fmt: skip
def test_what_only_people_read_does_not_count(old: str, new: str) -> None:
    assert old in BEFORE
    assert read_module(BEFORE) == read_module(BEFORE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x / 2", "x / 3"),
        ("x / 2", "x / 2.0"),
        ("x / 2", "2 / x"),
        ("x < 0", "x <= 0"),
        ("def half", "def halve"),
        ("value: float", "value: int"),
        ("raise ValueError", "raise KeyError"),
        ("@dataclass", "@dataclass(frozen=True)"),
        ("files import atomic", "files import atomic as whole"),
    ],
)
def test_what_it_does_counts(old: str, new: str) -> None:
    assert old in BEFORE
    assert read_module(BEFORE).sha256 != read_module(BEFORE.replace(old, new)).sha256


def test_words_that_may_be_a_result_count() -> None:
    """What is no error's: `Unusable` says why an answer has no score, and the page shows it."""
    for text in ('raise Unusable("no text")', 'say("no text")', 'x = "no text"'):
        assert read_module(text).sha256 != read_module(text.replace("no ", "some ")).sha256
    one, other = 'raise UserError(path, f"no {text}")', 'raise UserError(path, "some")'
    assert read_module(one).sha256 == read_module(other).sha256
    assert read_module(one).sha256 != read_module(one.replace("path", "file")).sha256


def test_imports_of_functions_count_and_those_of_type_checkers_do_not() -> None:
    found = read_module(f"{BEFORE}\ndef later():\n    import noiseband.trace\n").imports
    assert {"noiseband.files", "noiseband.files.atomic", "noiseband.trace"} <= set(found)
    assert not any(name.startswith("noiseband.train") for name in found)


def test_the_text_does_not_depend_on_fields_that_newer_versions_of_python_add() -> None:
    """Recorded with Python 3.11, whose trees have no `type_params`; 3.12 and later agree."""
    assert read_module("def f(x):\n    return x or None\n").sha256 == (
        "056c4b685193bc238da1f3b18093d4367e4ec8c93ec8d28d3f7946ccfcf7cfb6"
    )


def test_the_digest_is_of_all_modules_and_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "PACKAGE", tmp_path)

    def digest(**files: str) -> str:
        for path in tmp_path.glob("*.py"):
            path.unlink()
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        for cached in (code.code_digest, code._module, code._ours):
            cached.cache_clear()
        return code.code_digest("stage")

    stage = "from noiseband.helper import f"
    whole = digest(stage=stage, helper="def f(): return 1", other="")
    assert digest(stage=stage, helper="def f(): return 1", other="x = 1") == whole
    assert digest(stage=stage, helper="def f():\n    return 1  # one") == whole
    assert digest(stage=stage, helper="def f(): return 2") != whole
    assert digest(stage=stage, aide="def f(): return 1") != whole
    for cached in (code.code_digest, code._module, code._ours):
        cached.cache_clear()
