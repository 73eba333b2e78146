"""Damaged files, and disks that are full or read-only: a short version of `make faults`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from noiseband.study import load_study
from noiseband.study.data_params import CorpusParams, TokenizeParams, VocabularyParams
from noiseband.study.params import EvaluateParams, InitParams, TrainParams
from tests.faults.corruptions import CORRUPTIONS, corrupt_artefacts, corrupt_work
from tests.faults.disks import bad_disks, can_mount
from tests.faults.jobs import Job, call

SPLITS = ("train", "validation", "test")


def first_jobs() -> list[Job]:
    """The jobs of a study up to a test loss, with the commands of the rules."""
    study = load_study(Path(__file__).parent / "study.yaml")
    run = study.runs["baseline-42"]
    corpus, tokens, out = "results/corpus/pocket", "results/tokens/pocket", "results/runs/x"
    texts = tuple(f"{corpus}/{split}.jsonl" for split in SPLITS)
    files = tuple(f"{tokens}/{split}.safetensors" for split in SPLITS)
    ranks, start = f"{tokens}/vocabulary.tiktoken", "results/init/start.safetensors"
    weights, trained = f"{out}/model.safetensors", ("model.json", "trace.parquet", "recipe.json")
    reading = CorpusParams.of(study, "pocket").text
    merging = VocabularyParams.of(study, "pocket").text
    encoding = TokenizeParams.of(study, "pocket").text
    return [
        Job(("corpus", "--params", reading, "--out", corpus), (), texts),
        Job(("vocabulary", "--params", merging, "--out", ranks, texts[0]), texts[:1], (ranks,)),
        Job(("tokenize", "--params", encoding, "--corpus", corpus, "--vocabulary", ranks,
             "--out", tokens), (*texts, ranks), files),
        Job(("init", "--params", InitParams.of(run.built_in).text, "--weights", start,
             "--digests", "results/init/start.json"), (), (start,)),
        Job(("train", "--params", TrainParams.of(study, run).text, "--tokens", files[0],
             "--vocabulary", ranks, "--init", start, "--work", "results/work/x", "--out", out),
            (files[0], ranks, start), (weights, *(f"{out}/{name}" for name in trained))),
        Job(("evaluate", "--params", EvaluateParams.of(study, run).text, "--model", weights,
             "--tokens", files[2], "--vocabulary", ranks, "--out", f"{out}/test_loss.json",
             "--documents", f"{out}/test_documents.csv"),
            (weights, files[2], ranks), (f"{out}/test_loss.json", f"{out}/test_documents.csv")),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Job]]:
    """The jobs, after they have run in the working folder."""
    with contextlib.chdir(tmp_path_factory.mktemp("faults")) as _:
        yield _run(first_jobs())


def _run(jobs: list[Job]) -> list[Job]:
    for job in jobs:
        assert call(job.words) == (0, "")
    return jobs


def test_no_corruption_is_unnoticed(jobs: list[Job]) -> None:
    found = corrupt_artefacts(jobs, 9 * len(CORRUPTIONS), 1)
    assert found.failures == []
    assert all(set(place) == {"noticed"} for place in found.by_place.values())


def test_training_goes_on_from_what_is_intact(jobs: list[Job]) -> None:
    assert corrupt_work(jobs, 6, 1).failures == []


def test_bad_disks_are_a_line_and_a_rerun_succeeds(jobs: list[Job], tmp_path: Path) -> None:
    if not can_mount(tmp_path / "disk"):
        pytest.skip("mounting a disk needs root")
    assert bad_disks(jobs[2:])["failures"] == []
