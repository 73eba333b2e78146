"""Thousands of config files as bad days leave them (`config_mutations.py`).

Every case goes through the loader that `noiseband runs --config` uses. It must end in a study or in
a `UserError` that names the file; a traceback or a case that takes more than `CPU_SECONDS` is a
failure.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from noiseband.errors import UserError
from noiseband.study import load_study
from tests.faults.config_mutations import cases
from tests.project import ROOT

CPU_SECONDS = 10
"""Processor seconds after which a case hangs. Most take milliseconds."""


@dataclass
class Tally:
    """What came of the cases."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    """Cases by mutation."""
    failures: list[tuple[str, bytes]] = field(default_factory=list)
    """What went wrong, and the file that did it."""


class Hang(BaseException):
    """Not an Exception: nothing under test may catch it."""


def outcome(path: Path) -> str:
    """`study`, `told`, or what went wrong with the file."""

    def hang(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGVTALRM, hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        load_study(path)
    except UserError as error:
        return complaint(str(error), path) or "told"
    except Hang:
        return f"no end after {CPU_SECONDS} processor seconds"
    except BaseException:
        return "traceback: " + traceback.format_exc()[-2500:]
    else:
        return "study"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def outcome_of_command(path: Path) -> str:
    """The same of `noiseband runs` as a process, as a person would start it: exit 0 and the runs,
    or exit 2 and the message alone."""
    command = [sys.executable, "-m", "noiseband", "runs", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=300)
    said = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        return "study" if done.stdout and not said else f"a study, and it says: {said}"
    if done.returncode != 2 or done.stdout or not said.startswith("noiseband: "):
        return f"exit {done.returncode}: {said[-2500:]}"
    return complaint(said.removeprefix("noiseband: ").rstrip("\n"), path) or "told"


def complaint(message: str, path: Path) -> str | None:
    """What a message lacks: it names the file, and each problem is one line of some words."""
    head, *problems = message.split("\n")
    if str(path) not in head:
        return f"the message does not name the file: {head}"
    if not message.replace("\n", "").isprintable():
        return f"the message holds characters that act on a terminal: {message!r}"
    for line in [head, *problems]:
        if len(line) > 2000:
            return f"a line of {len(line)} characters: {line[:300]}"
        if len(line.strip()) < 10:
            return f"a line that says nothing: {line!r}"
    if "problem" in head and not all(": " in line for line in problems):
        return f"a problem without key and remedy: {problems}"
    return None


def fuzz(number: int, seed: int, folder: Path, every: int = 0) -> Tally:
    """Try that many cases, each `every`-th by the command too; `folder` holds the file under
    test."""
    tally, path = Tally(), folder / "case.yaml"
    for file in (ROOT / "config").glob("*.yaml"):  # some extend others
        shutil.copy(file, folder)
    for kind, content in cases(number, seed):
        path.write_bytes(content)
        found = outcome(path)
        if every and tally.cases % every == 0 and (said := outcome_of_command(path)) != found:
            found = f"load_study: {found}; the command: {said}"
        tally.cases += 1
        tally.kinds[kind] += 1
        tally.outcomes[found if found in ("study", "told") else "failed"] += 1
        if found not in ("study", "told"):
            tally.failures.append((found, content))
    return tally


def main() -> None:
    """`python -m tests.faults.fuzz_config 20000`: exit 1 with the first cases that failed."""
    number, seed = (int(text) for text in [*sys.argv[1:], "20000", "1"][:2])
    with TemporaryDirectory() as folder:
        found = fuzz(number, seed, Path(folder), every=200)
    print(f"{found.cases:,} cases: {dict(found.outcomes)}")
    for why, content in found.failures[:5]:
        print(f"\n{why}\n{content!r}")
    sys.exit(bool(found.failures))


if __name__ == "__main__":
    main()
