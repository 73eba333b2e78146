"""Every documented command is of a kind that a test executes, plans, or checks word by word."""

from __future__ import annotations

import re
import subprocess
import tomllib
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from tests.cli.command import commands
from tests.cli.test_documented import ALL, ELSEWHERE, IN_THE_STUDY, NEGATIVE, of
from tests.documented import Documented
from tests.project import ROOT


@pytest.mark.parametrize("one", of("make"), ids=lambda one: one.text)
def test_make_knows_the_target(one: Documented) -> None:
    done = subprocess.run([*one.words, "-n"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("one", of("pip"), ids=lambda one: one.text)
def test_what_pip_installs_is_known(one: Documented) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if "download" in one.words:
        assert one.words[-1] in (ROOT / "Makefile").read_text()
        return
    extras = re.findall(r"[\w-]+", re.sub(r"^.*\[(.*)\].*$", r"\1", one.words[-1]))
    assert set(extras) <= project["optional-dependencies"].keys()
    if "-c" in one.words:
        assert (ROOT / one.words[one.words.index("-c") + 1]).is_file()


@pytest.mark.parametrize("one", of("python"), ids=lambda one: one.text)
def test_programs_that_measure_exist(one: Documented) -> None:
    module = Path(ROOT, *one.words[2].split(".")).with_suffix(".py")
    assert module.is_file() or (module.with_suffix("") / "__main__.py").is_file()
    said = "".join(
        file.read_text() for file in [module, *module.with_suffix("").glob("*.py")] if file.exists()
    )
    assert all(f'"{word}"' in said for word in one.words if word.startswith("--"))


@pytest.mark.parametrize(
    "one",
    [one for one in ALL if one.program == "noiseband" and one.has_a_gap]
    + of("torchrun")
    + [one for one in ALL if one.text in ELSEWHERE],
    ids=lambda one: one.text,
)
def test_options_exist(one: Documented) -> None:
    known = commands()
    words = one.words[one.words.index("noiseband") + 1 :]
    if words[0].startswith("<"):
        return
    given = {w.partition("=")[0] for w in takewhile(lambda w: w != "--", words) if w[0] == "-"}
    assert given <= {option for p in known[words[0]].params for option in p.opts}


def test_torchrun_takes_its_options() -> None:
    from torch.distributed.run import get_args_parser

    (one,) = of("torchrun")
    given = get_args_parser().parse_args(one.words[1:])
    assert (given.module, given.training_script) == (True, "noiseband")
    assert given.training_script_args[:3] == ["train", "--run", "baseline-1"]


def test_conda_makes_the_environment_of_that_name() -> None:
    (one,) = of("conda")
    file, name = one.words[one.words.index("-f") + 1], one.words[-1]
    assert yaml.safe_load((ROOT / file).read_text())["name"] == name


@pytest.mark.parametrize(
    "one", [one for one in ALL if one.program == "export"], ids=lambda one: one.text
)
def test_variables_are_read(one: Documented) -> None:
    code = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    for word in one.words[1:]:
        name = word.partition("=")[0]
        assert name.startswith("AWS_") or f'"{name}"' in code, name


FILES = {
    "source .venv/bin/activate": "Makefile",
    "python3 -m venv .venv": "Makefile",
    "git checkout config/config.yaml": "config/config.yaml",
    "buildah": "Containerfile",
}
"""Commands that tests cannot execute, by how they begin, and the file that each relies on."""


def test_every_command_is_of_a_kind_that_a_test_executes() -> None:
    executed = (*IN_THE_STUDY, "make", "pip", "python", "torchrun", "conda", "export")
    for one in ALL:
        files = [file for start, file in FILES.items() if one.text.startswith(start)]
        assert files or one.program in executed, f"{one.place}: no test executes `{one.text}`"
        assert all((ROOT / file).is_file() for file in files)
    texts = {one.text for one in ALL}
    assert {*ELSEWHERE, *NEGATIVE} <= texts
    assert all(any(text.startswith(start) for text in texts) for start in FILES)
    for test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text()
