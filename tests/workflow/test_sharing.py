"""Studies that share corpora, tokens and initial weights through Snakemake's cache."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noiseband.io.checksums import CHECKSUMS, is_intact
from noiseband.repro.verify import verify
from tests.workflow.project import Project

START = "init/v2048-c96-w16-h2-l1-keyed-42"
TARGETS = [f"{START}.safetensors", "tokens/pocket/train.safetensors"]


class Sharing(Project):
    """A study that shares its outputs through a cache."""

    def make(self, *targets: str, results: str = "results") -> tuple[Path, set[str]]:
        """Make files in the results folder; return the folder and the kinds of files made again."""
        files = [f"{results}/{name}" for name in targets]
        profile = "--profile", "profiles/sharing", "--config", f"results={results}"
        done = self.snakemake(*profile, "--", *files)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        made = re.findall(r"Moving output file (\S+) to cache", output)
        return self.folder / results, {Path(file).relative_to(results).parts[0] for file in made}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def through_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The results of the first study, which starts with an empty cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
        results, made = Sharing(tmp_path_factory.mktemp("first")).make(*TARGETS)
    assert made == {"corpus", "tokens", "init"}
    return results


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Sharing:
    """Another study, in another folder."""
    return Sharing(tmp_path_factory.mktemp("second"))


def shared(*files: Path) -> bool:
    """Whether the files are the same entry of the cache."""
    return all(file.is_symlink() for file in files) and len({file.resolve() for file in files}) == 1


def test_a_second_study_makes_nothing_again(first: Path, second: Sharing) -> None:
    found, made = second.make(*TARGETS, results="results/other")
    assert made == set()
    for name in (*TARGETS, "tokens/pocket/card.json", "corpus/pocket/train.jsonl"):
        assert shared(first / name, found / name), name
    assert verify(first / TARGETS[0], found / TARGETS[0]).identical
    nothing = second.snakemake("-n", "--config", "results=results/other", "--",
                               *(f"results/other/{name}" for name in TARGETS))  # fmt: skip
    assert "Nothing to be done" in nothing.stdout + nothing.stderr


def test_another_recipe_never_hits(first: Path, second: Sharing) -> None:
    start = START.replace("v2048", "v1024") + ".safetensors"
    with (
        second.edited("config/config.yaml", "bpe, vocabulary: 2048", "bpe, vocabulary: 1024"),
        second.edited("config/config.yaml", "model: {vocabulary: 2048", "model: {vocabulary: 1024"),
    ):
        found, made = second.make(start, TARGETS[1], results="smaller")
    assert made == {"tokens", "init"}
    assert shared(*(one / "corpus/pocket/train.jsonl" for one in (first, found)))
    for name in ("vocabulary.tiktoken", "train.safetensors"):
        assert not shared(*(one / "tokens/pocket" / name for one in (first, found)))
    assert not verify(first / TARGETS[1], found / TARGETS[1]).identical


def test_another_corpus_never_hits(first: Path, second: Sharing) -> None:
    with second.edited("config/config.yaml", "test: 0.005", "test: 0.006"):
        found, made = second.make("corpus/pocket/card.json", results="larger")
    assert made == {"corpus"}
    assert not shared(*(one / "corpus/pocket/train.jsonl" for one in (first, found)))


@pytest.mark.parametrize(
    ("module", "old", "target", "again"),
    [
        ("corpus/shuffle", "\n\n\n", "corpus/pocket/train.jsonl", {"corpus"}),
        ("corpus/vocabulary", "\n\n\n", "tokens/pocket/vocabulary.tiktoken", {"tokens"}),
        ("corpus/tokens", "\n\n\n", "tokens/pocket/train.safetensors", {"tokens"}),
        ("model/keyed", "\n\n\n", TARGETS[0], {"init"}),
    ],
)
def test_other_code_never_hits(
    first: Path, second: Sharing, module: str, old: str, target: str, again: set[str]
) -> None:
    """Code that does the same, so that only its digest tells a made file from a shared one."""
    results = f"edited-{Path(module).name}"
    with second.edited(f"src/noiseband/{module}.py", old, "\n\nOTHER = 1\n\n\n"):
        found, made = second.make(target, results=results)
    assert made == again
    assert not shared(first / target, found / target)
    assert (first / target).read_bytes() == (found / target).read_bytes()


def test_a_comment_is_no_other_code(first: Path, second: Sharing) -> None:
    line = "\n\n\n", "\n\n\n# another line\n"
    with (
        second.edited("src/noiseband/corpus/tokens.py", *line),
        second.edited("src/noiseband/model/keyed.py", *line),
    ):
        found, made = second.make(*TARGETS, results="commented")
    assert made == set()
    assert all(shared(first / name, found / name) for name in TARGETS)


def test_a_cache_that_cannot_be_written_is_told_at_once(
    second: Sharing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "file"))
    found = second.snakemake("-n", "--profile", "profiles/sharing")
    assert found.returncode == 2
    assert f"SNAKEMAKE_OUTPUT_CACHE: cannot write to {tmp_path}/file/" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_file_from_the_cache_is_not_accused_by_the_sum_of_an_earlier_one(
    first: Path, second: Sharing
) -> None:
    """The same holds for a copy, as on systems that cannot set the time of a link."""
    name = TARGETS[0].replace(".safetensors", ".json")
    own = second.folder / "later" / name
    done = second.snakemake("--config", "results=later", "--", f"later/{name}")
    assert done.returncode == 0, done.stderr
    assert (own.parent / CHECKSUMS / own.name).exists()
    own.write_text("{}")
    assert not is_intact(own)
    # A dry run takes nothing from the cache, and leaves the checksums alone.
    second.snakemake("-n", "--profile", "profiles/sharing", "--config", "results=later")
    assert not is_intact(own)
    own.unlink()
    _, made = second.make(name, results="later")
    assert made == set()
    assert shared(first / name, own)
    content = own.read_bytes()
    own.unlink()
    own.write_bytes(content + b"\n")  # like a copy of another study's file
    assert is_intact(own)
