"""All commands that the documentation shows: in shell blocks, between backticks, as examples in
the help, in the comments of profiles and of the Snakefile."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cli.command import commands

PAGES = sorted([*Path().glob("*.md"), *Path("docs").glob("*.md"), *Path("benchmarks").glob("*.md")])
COMMENTED = [Path("Snakefile"), *sorted(Path("profiles").glob("*/config.yaml"))]
PROGRAMS = (
    "buildah", "cat", "conda", "export", "git", "head", "make", "noiseband", "pip", "pytest",
    "python", "python3", "rm", "sha256sum", "snakemake", "source", "torchrun",
)  # fmt: skip
"""The first words of commands between backticks, where most texts are not commands."""

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
BACKTICKS = re.compile(r"`([^`\n]+)`")
FILLED_IN = {
    "<run>": "gradient-clipping-1",
    "FILE": "my-study.yaml",
    "NAME": "laptop",
    "TARGET": "results/report.html",
    " A B": " results/runs/baseline-1 b",
    "path/to/noiseband/": "",
    "| less": "| cat",
}
"""What a reader puts in place of a part of a command."""
GAP = re.compile(r"<[^>]*>|…|\.\.\.|\[[A-Z]+\]|(?<!\$)\b[A-Z]{3,}\b")


@dataclass(frozen=True)
class Documented:
    """A command and where it is shown."""

    text: str
    """The command, in one line and without a comment."""
    place: str
    shown_alone: bool
    """Whether it is in a block of its own, or an example in the help."""

    @property
    def filled_in(self) -> str:
        """The command as a reader types it."""
        text = self.text
        for gap, filling in FILLED_IN.items():
            text = text.replace(gap, filling)
        return text

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def program(self) -> str:
        return self.words[0]

    @property
    def is_a_name(self) -> bool:
        """Whether a sentence only names a command, without any arguments."""
        return not self.shown_alone and len(self.words) <= 1 + (self.program == "noiseband")

    @property
    def has_a_gap(self) -> bool:
        """Whether only the reader can fill something in, such as <JSON>, URI or an ellipsis."""
        return GAP.search(self.filled_in) is not None

    @property
    def starts_a_workflow(self) -> bool:
        return self.program == "snakemake" or self.text.startswith("noiseband run ")


def documented() -> list[Documented]:
    """All commands, each text once, in the order in which a reader of the pages meets them."""
    found = [*_of_pages(), *_of_comments(), *_of_help()]
    first: dict[str, Documented] = {}
    for one in found:
        first.setdefault(one.text, one)
    return list(first.values())


def _of_pages() -> Iterator[Documented]:
    for page in sorted(PAGES, key=lambda page: page != Path("README.md")):
        if page.name == "CHANGELOG.md":
            continue  # commands of earlier versions
        text = page.read_text(encoding="utf-8")
        for language, block in FENCED.findall(text):
            lines = list(_lines(block))
            if language in ("console", "text"):  # with outputs
                lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
            elif language == "yaml":  # the steps of continuous integration
                steps = re.findall(r"^ *- run: (.*)$", block, re.MULTILINE)
                lines = [line for line in steps if line.startswith("noiseband ")]
            elif language != "sh":
                continue
            yield from (Documented(line, str(page), True) for line in map(_plain, lines) if line)
        yield from _of_prose(FENCED.sub("", text), str(page))


def _of_prose(text: str, place: str) -> Iterator[Documented]:
    for found in BACKTICKS.findall(text):
        if found.split()[:1] and found.split()[0] in PROGRAMS:
            yield Documented(_plain(found), place, False)


def _of_comments() -> Iterator[Documented]:
    for file in COMMENTED:
        comments = re.findall(r"^#(.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        whole = "\n".join(comments)
        for line in _lines(whole):
            if line.startswith("   ") and line.split()[0] in PROGRAMS:
                yield Documented(_plain(line), str(file), True)
        yield from _of_prose(whole, str(file))


def _of_help() -> Iterator[Documented]:
    for name, command in commands().items():
        text = re.sub(r"\s+", " ", command.help or "")
        first = re.search(r"Example: `([^`]+)`", text)
        examples = [first[1]] if first else []
        others = [one for one in BACKTICKS.findall(text) if one not in examples]
        yield from (Documented(_plain(one), f"{name} --help", True) for one in examples)
        yield from _of_prose(" ".join(f"`{one}`" for one in others), f"{name} --help")


def _lines(block: str) -> Iterator[str]:
    yield from re.sub(r"\\\n", " ", block).splitlines()


def _plain(line: str) -> str:
    """The command in a line, without a comment and with single blanks."""
    return re.sub(r"\s+", " ", re.sub(r"(^|\s)#.*", "", line)).strip()
