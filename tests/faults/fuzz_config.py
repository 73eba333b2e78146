"""Load thousands of mutated config files (`config_mutations.py`).

Every case goes through the loader that `noiseband runs --config` uses. It must give a study or a
`UserError` that names the file; a traceback, or more than `CPU_SECONDS` of time, is a failure.
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
"""Processor seconds after which a case counts as hanging. Most cases take milliseconds."""


@dataclass
class Tally:
    """The outcomes of the cases."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    """The number of cases for each mutation."""
    failures: list[tuple[str, bytes]] = field(default_factory=list)
    """What went wrong, and the file that caused it."""


class Hang(BaseException):
    """A case hangs. This is not an Exception, so that no code under test catches it."""


def outcome(path: Path) -> str:
    """The outcome of loading a file: `study`, `told` (a useful message), or the failure."""

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
    """The outcome of `noiseband runs`, started as a process, like `outcome`.

    It must exit with 0 and print the runs, or exit with 2 and print only the message.
    """
    command = [sys.executable, "-m", "noiseband", "runs", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=300)
    said = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        return "study" if done.stdout and not said else f"a study, and it says: {said}"
    if done.returncode != 2 or done.stdout or not said.startswith("noiseband: "):
        return f"exit {done.returncode}: {said[-2500:]}"
    return complaint(said.removeprefix("noiseband: ").rstrip("\n"), path) or "told"


def complaint(message: str, path: Path) -> str | None:
    """The fault of a message, if any: it must name the file, and each problem on a line."""
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
    """Try `number` cases, every `every`-th with the command too; the files are in `folder`."""
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
    """Run `python -m tests.faults.fuzz_config 20000`; print the first failures and exit with 1."""
    number, seed = (int(text) for text in [*sys.argv[1:], "20000", "1"][:2])
    with TemporaryDirectory() as folder:
        found = fuzz(number, seed, Path(folder), every=200)
    print(f"{found.cases:,} cases: {dict(found.outcomes)}")
    for why, content in found.failures[:5]:
        print(f"\n{why}\n{content!r}")
    sys.exit(bool(found.failures))


if __name__ == "__main__":
    main()
