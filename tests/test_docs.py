"""What the pages say exists: links, anchors, config keys, commands, targets, tests."""

from __future__ import annotations

import copy
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from noiseband.errors import UserError
from noiseband.study import StudyError, load_study, parse_study, read_yaml
from noiseband.study.extend import extended
from noiseband.study.machines import load_machines
from tests.cli.command import commands

PAGES = sorted([*Path().glob("*.md"), *Path("docs").glob("*.md"), *Path("benchmarks").glob("*.md")])


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, *languages: str) -> list[str]:
    """Contents of the page's fenced blocks in these languages."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text(page), re.MULTILINE | re.DOTALL)
    return [block for language, block in found if language in languages]


def prose(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text(page), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings: lower case, no punctuation but `-` and `_`, blanks to
    hyphens, and a number behind those that come again."""
    found: dict[str, int] = {}
    for title in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`(?!\])", "", prose(page)))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = Path(page.parent, place).resolve().relative_to(Path.cwd()) if place else page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page}: {link}"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = text(Path("README.md"))
    for page in {*PAGES} - {Path("README.md"), Path("benchmarks/README.md")}:
        assert f"]({page.as_posix()})" in readme


def merged(study: Any, snippet: Any) -> Any:
    """The study with the snippet's keys: mappings and lists of mappings grow, others change."""
    if isinstance(study, dict) and isinstance(snippet, dict):
        return study | {key: merged(study.get(key), value) for key, value in snippet.items()}
    if isinstance(study, list) and isinstance(snippet, list) and isinstance(snippet[0], dict):
        return study + snippet
    return snippet


def studies(snippet: Any) -> Iterator[Any]:
    """The pocket study, and one with GPT-2's vocabulary that reads the snippet's first corpus."""
    pocket = read_yaml("config/config.yaml")
    yield pocket
    other = copy.deepcopy(pocket)
    other["corpora"]["pocket"]["tokenizer"] = {"kind": "gpt2"}
    other["recipe"]["model"]["vocabulary"] = 50257
    other["recipe"]["data"]["corpus"] = next(iter(snippet.get("corpora", ["pocket"])))
    yield other


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_snippets_of_configs_are_valid(page: Path, tmp_path: Path) -> None:
    """Each in a study that has the page's earlier ones too, or in a fresh one; machines in the
    table of machines; one that extends a config over that one."""
    so_far = read_yaml("config/config.yaml")
    for block in blocks(page, "yaml"):
        # A commit that a reader has to look up.
        snippet = yaml.safe_load(block.replace("<the commit's 40 hex digits>", "a" * 40))
        if "jobs" in snippet:
            continue  # continuous integration, whose commands are executed as commands
        if "trainer" in snippet:
            continue  # a whole study, which tests/workflow/test_extending.py runs
        if "plugins" in snippet:
            continue  # needs the page's Python file; tests/workflow/test_ideas.py runs it
        if "machines" in snippet:
            table = tmp_path / "machines.yaml"
            table.write_text(yaml.safe_dump(merged(read_yaml("config/machines.yaml"), snippet)))
            load_machines(table)
            continue
        if "extends" in snippet:
            parse_study(extended(snippet, Path("config/of-ones-own.yaml")))
            continue
        complaints = []
        for study in (so_far, *studies(snippet)):
            tried = merged(study, snippet)
            try:
                parse_study(tried)
            except StudyError as error:
                complaints.append(str(error))
                continue
            so_far = tried if study is so_far else so_far
            break
        else:
            raise AssertionError("\n".join([block, *complaints]))


def shown(page: Path) -> Iterator[list[str]]:
    """Words of each command of the page's shell blocks, in the text between backticks too."""
    shell = (block.replace("\\\n", " ") for block in blocks(page, "sh", "console"))
    lines = [line for block in shell for line in block.splitlines()]
    lines += re.findall(r"`((?:noiseband|make) [a-z-][^`\n]*)`", prose(page))
    for line in lines:
        line = line.removeprefix("$ ")
        if line.startswith(("noiseband ", "make ")):
            yield shlex.split(line.partition("|")[0], comments=True)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_and_options_exist(page: Path) -> None:
    known = commands()
    targets = set(re.findall(r"^([a-z]+):", text(Path("Makefile")), re.MULTILINE))
    for program, *words in shown(page):
        words = list(takewhile(lambda word: word != "--", words))  # Snakemake's options follow
        names = [word for word in words if re.fullmatch("[a-z][a-z-]*", word)]
        if program == "make":
            assert set(names) <= targets, words
        elif words[0].startswith("-"):
            assert words == ["--help"]
        else:
            assert words[0] in known, words
            options = {o for p in known[words[0]].params for o in p.opts} | {"--help"}
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= options, words


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_tests_that_are_named_exist(page: Path) -> None:
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text(page)):
        assert Path(file).exists(), file
        assert not name or f"def {name}(" in text(Path(file)), f"{file}::{name}"


MISTAKES = {
    "heads: 4": "heads: 5",
    "{model.qkv_bias: true}": "{model.qkv_biass: true}",
    "train_tokens: 102_400": "train_tokens: 2_560_000",
    "version: 0.0.2": "version: 0.2",
    "\nseeds:": "\n seeds:",
}


def test_mistakes_of_the_tutorial_are_told_as_it_says(tmp_path: Path) -> None:
    page = re.sub(r"yaml:\d+", "yaml:N", text(Path("docs/tutorial.md")))
    config = text(Path("config/config.yaml"))
    for right, wrong in MISTAKES.items():
        assert wrong.strip() in page
        changed = config.replace(right, wrong, 1)
        if right.startswith("version"):  # the page makes two at once there
            changed = changed.replace("alpha: 0.05", "alpha: 5%")
        file = tmp_path / "config.yaml"
        file.write_text(changed, encoding="utf-8")
        with pytest.raises(UserError) as raised:
            load_study(file)
        said = str(raised.value).replace(str(file), "config/config.yaml")
        assert f"\nnoiseband: {re.sub(r'yaml:[0-9]+', 'yaml:N', said)}\n```" in page


def test_every_page_says_the_same_version() -> None:
    with Path("pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert yaml.safe_load(text(Path("CITATION.cff")))["version"] == version
    assert f"\n## {version}\n" in text(Path("CHANGELOG.md"))
