"""What makes planning faster: fewer functions, answers remembered, and names in Snakemake."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake.cli  # noqa: F401  (imports the others in an order that works)
from snakemake import common, dag, jobs, rules
from snakemake import io as files
from snakemake.io import AnnotatedString, flag, fmt, temp
from snakemake.jobs import Job
from snakemake.rules import Rule

from noiseband.dag.planning import (
    format_commands_once,
    look_up_flags_faster,
    of_all,
    of_each,
    remember_signatures,
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Snakemake, as it is before each test."""
    names = ("get_function_params", "is_flagged")
    before = [
        (module, name, vars(module)[name])
        for key, module in list(sys.modules.items())
        if key.startswith("snakemake.")
        for name in names
        if name in vars(module)
    ]
    command = Job.shellcmd
    yield
    for module, name, function in before:
        setattr(module, name, function)
    Job.shellcmd = command


def test_a_value_that_all_names_share_is_no_function() -> None:
    assert of_all(["a", "b"], lambda run: 3) == 3
    assert of_all(["a", "b"], lambda run: []) == []


def test_values_that_differ_are_a_function_of_the_wildcard() -> None:
    found = of_all(["a", "b"], lambda run: run.upper())
    assert [found(SimpleNamespace(run=name, seed="1")) for name in "ab"] == ["A", "B"]
    assert callable(of_all([], lambda run: 3))


def test_a_value_is_computed_once_for_equal_wildcards() -> None:
    asked: list[tuple[str, str]] = []

    def value(run: str, protocol: str) -> str:
        asked.append((run, protocol))
        return f"{run}/{protocol}"

    found = of_each(value)
    jobs = [("a", "x", "1"), ("a", "x", "2"), ("b", "x", "1"), ("a", "y", "1"), ("a", "x", "1")]
    made = [
        found(SimpleNamespace(run=run, protocol=protocol, seed=seed))
        for run, protocol, seed in jobs
    ]
    assert made == ["a/x", "a/x", "b/x", "a/y", "a/x"]
    assert asked == [("a", "x"), ("b", "x"), ("a", "y")]
    # Snakemake passes what the parameters are named after, so there must be no other.
    assert list(inspect.signature(found).parameters) == ["wildcards"]


def test_signatures_are_inspected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules.get_function_params is common.get_function_params
    assert "get_function_params(func)" in inspect.getsource(Rule.apply_input_function)
    remember_signatures()
    assert rules.get_function_params is common.get_function_params
    asked: list[Any] = []
    signature = inspect.signature

    def asking(function: Any) -> inspect.Signature:
        asked.append(function)
        return signature(function)

    monkeypatch.setattr(inspect, "signature", asking)
    functions = [lambda wildcards, input: 1, lambda wildcards, threads: 2]
    for function in functions * 3:
        given = common.get_input_function_aux_params(function, {"input": 1, "attempt": 2})
        assert given == ({"input": 1} if function is functions[0] else {})
    assert asked == functions


def test_flags_are_looked_up_as_before() -> None:
    modules = (files, fmt, jobs, dag, rules)
    slow = files.is_flagged
    assert all(vars(module)["is_flagged"] is slow for module in modules)
    flagged = [
        "plain", None, 3, ["a"], AnnotatedString("b"), temp("c"),
        flag(AnnotatedString("d"), "pipe", False), flag("e", "subcategory", {"x": 1}),
        files.IOFile("f"), files.IOFile(temp("g")),
    ]  # fmt: skip
    before = [[slow(one, name) for name in ("temp", "pipe", "subcategory")] for one in flagged]
    assert {True, False} == {one for each in before for one in each}
    look_up_flags_faster()
    fast = files.is_flagged
    assert fast is not slow and all(vars(module)["is_flagged"] is fast for module in modules)
    again = [[fast(one, name) for name in ("temp", "pipe", "subcategory")] for one in flagged]
    assert again == before


def test_only_a_dry_run_remembers_the_last_command() -> None:
    """Snakemake asks for it three times for each job that it prints."""
    assert inspect.getsource(Job.log_info).count("self.shellcmd") == 3
    asked: list[str] = []

    class Command(Job):  # type: ignore[misc]
        def __init__(self, name: str, dryrun: bool) -> None:
            self.rule = SimpleNamespace(shellcmd=name)
            self.dag = SimpleNamespace(workflow=SimpleNamespace(dryrun=dryrun))

        def format_wildcards(self, string: str, **variables: Any) -> str:
            asked.append(string)
            return f"{string} formatted"

    format_commands_once()
    for dryrun, expected in ((True, ["a", "b", "a"]), (False, ["a", "a", "b", "b", "a", "a"])):
        a, b = Command("a", dryrun), Command("b", dryrun)
        asked.clear()
        for job in (a, b, a):
            assert job.shellcmd == job.shellcmd == f"{job.rule.shellcmd} formatted"
        assert asked == expected


SNAKEFILE = """
from noiseband.dag.planning import look_behind_ancient_inputs

look_behind_ancient_inputs()

rule all:
    input: "b"

rule a:
    output: "a"
    params: config["one"]
    shell: "echo > {output}"

rule b:
    input: ancient("a")
    output: "b"
    params: config["two"]
    shell: "echo > {output}"
"""


def test_a_job_behind_an_ancient_input_that_is_made_again_is_asked_too(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)

    def made(one: int, two: int, *more: str) -> set[str]:
        words = [sys.executable, "-m", "snakemake", "--cores", "1", *more]
        values = ["--config", f"one={one}", f"two={two}"]
        done = subprocess.run([*words, *values], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return set(re.findall("^rule (a|b):", done.stdout + done.stderr, re.MULTILINE))

    made(1, 1)
    assert made(2, 1, "-n") == {"a"}
    assert made(2, 2, "-n") == {"a", "b"}
