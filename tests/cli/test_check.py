"""`noiseband check`: what it prints, and its exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.ideas import BAD, GOOD, write_plugin


@pytest.fixture
def run(tmp_path: Path):  # type: ignore[no-untyped-def]
    write_plugin(tmp_path / "good.py", GOOD)
    write_plugin(tmp_path / "bad.py", BAD)

    def execute(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "noiseband", "check", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    return execute


def test_a_broken_promise_is_told_in_words_and_the_other_ideas_are_checked(run) -> None:  # type: ignore[no-untyped-def]
    done = run("bad.py", "--name", "crash", "--name", "wrong-gradient")
    assert done.returncode == 1, done.stderr
    assert "feed_forward bad.crash" in done.stdout and "RuntimeError" in done.stdout
    assert "feed_forward bad.wrong-gradient" in done.stdout
    assert "  gradient            BROKEN\n    Along a random direction" in done.stdout
    assert done.stdout.endswith("2 checks failed.\n")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_mistakes_are_a_line(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for words, said in {
        ("nothing.py",): "nothing.py: No such file or directory",
        (
            "good.py",
            "--name",
            "squar",
        ): "--name squar: good.py has no such idea; did you mean square?",
    }.items():
        done = run(*words)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    (tmp_path / "broken.py").write_text("def f(:\n")
    done = run("broken.py")
    assert done.returncode == 2 and "broken.py: line 1: invalid syntax" in done.stderr


def test_a_study_gives_the_options(run, tmp_path: Path, study_data) -> None:  # type: ignore[no-untyped-def]
    scaled = GOOD.replace("*, scale=1.0", "*, scale")
    write_plugin(tmp_path / "good.py", scaled)
    done = run("good.py", "--name", "square")
    assert done.returncode == 2 and "good.square needs the option scale" in done.stderr
    changes = {"model.feed_forward.kind": "good.square", "model.feed_forward.options.scale": 0.5}
    study_data |= {"plugins": ["./good.py"]}
    study_data["interventions"]["mine"] = changes
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study_data))
    done = run("good.py", "--name", "square", "--config", "study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "feed_forward good.square scale=0.5\n" in done.stdout
