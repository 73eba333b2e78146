"""A mixture of two corpora in the real workflow: mixed, packed, trained on, and in the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noiseband.corpus.origin import Origin
from noiseband.corpus.token_file import open_tokens
from noiseband.io.traces import read_rows
from noiseband.train.loop import take_step
from noiseband.train.replay import finished_job
from noiseband.train.trainer import Trainer
from tests.workflow.project import Project

END = 299
CONTEXT = 16


def write_texts(folder: Path, alphabet: str, count: int) -> None:
    """Documents of one letter each, of different lengths, so that a token names its corpus."""
    folder.mkdir()
    lines = [
        json.dumps({"text": alphabet[row % len(alphabet)] * (3 + row * 7 % 30) + f" {row:03}"})
        for row in range(count)
    ]
    (folder / "0.jsonl").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("mixed"), Path(__file__).parent / "mixed.yaml")
    write_texts(made.folder / "words", "abcdefgh", 1200)
    write_texts(made.folder / "digits", "!?.,", 40)
    done = made.snakemake("results/report.html")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return made


def table(project: Project, name: str) -> list[dict[str, str]]:
    with open(project.folder / f"results/tables/{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tokens(project: Project, name: str) -> np.ndarray[Any, Any]:
    return np.array(open_tokens(project.folder / f"results/tokens/{name}.safetensors"))


def documents(split: np.ndarray[Any, Any]) -> list[tuple[int, ...]]:
    ends = np.flatnonzero(split == END) + 1
    return [tuple(one.tolist()) for one in np.split(split, ends)[:-1]]


def test_the_mixture_has_the_documents_of_both_in_their_order(project: Project) -> None:
    mixed = documents(tokens(project, "mixed/train"))
    own = {name: documents(tokens(project, f"{name}/train")) for name in ("words", "digits")}
    of_words = [one for one in mixed if one in set(own["words"])]
    of_digits = [one for one in mixed if one not in set(own["words"])]
    assert of_words == own["words"][: len(of_words)]
    assert len(of_digits) > len(own["digits"]), "the smaller corpus begins again"
    assert of_digits == (own["digits"] * 9)[: len(of_digits)]
    assert 6000 <= sum(map(len, mixed)) < 6000 + max(map(len, mixed))


def test_every_packed_sequence_begins_with_a_document_of_the_mixture(project: Project) -> None:
    starts = {one[0:2] for one in documents(tokens(project, "mixed/train"))}
    rows = tokens(project, f"mixed/packed-{CONTEXT}").reshape(-1, CONTEXT + 1)
    assert all(tuple(row[:2].tolist()) in starts for row in rows)
    card = json.loads((project.folder / "results/tokens/mixed/packed-16.json").read_text())
    assert card["sequences"] == len(rows)
    assert card["left_out"] == len(tokens(project, "mixed/train")) - rows.size


def counted(read: np.ndarray[Any, Any], origin: np.ndarray[Any, Any]) -> dict[str, int]:
    """Tokens of each corpus at these places; the numbers of corpora are in order of the names."""
    of = np.bincount(origin[read], minlength=2)
    return {"digits": int(of[0]), "words": int(of[1])}


def test_the_shares_are_those_of_the_tokens_that_each_run_read(project: Project) -> None:
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for row in table(project, "shares"):
        rows.setdefault(row["run"], {})[row["part"]] = row
    folder = project.folder / "results/tokens/mixed"
    plain = Origin.read(folder / "train.origin.safetensors").of(np.arange(6000))
    file = Origin.read(folder / "packed-16.origin.safetensors")
    packed = file.of(np.arange(4096 + 512))
    expected = {
        "baseline-42": counted(np.arange(4096), plain),
        "packed-42": counted(np.arange(4096), packed),
        "packed-on": counted(np.arange(4096, 4608), packed),
        "twice-42": counted(np.tile(np.arange(2048), 2), plain),
        "packed-twice-42": counted(np.tile(np.arange(2048), 2), packed),
    }
    for run, of in expected.items():
        assert {part: int(row["tokens"]) for part, row in rows[run].items()} == of, run
        assert float(rows[run]["words"]["share"]) == of["words"] / sum(of.values())
    assert float(rows["baseline-42"]["words"]["weight"]) == 0.75
    assert float(rows["baseline-42"]["words"]["share"]) == pytest.approx(0.75, abs=0.01)
    assert float(rows["twice-42"]["words"]["epochs"]) == 2
    in_mixture = rows["baseline-42"]["digits"]
    digits = len(tokens(project, "digits/train"))
    assert int(in_mixture["distinct_tokens"]) == digits < int(in_mixture["tokens"])
    assert {row["share"] for row in rows["in-sequences-42"].values()} == {"0.5"}
    assert rows["packed-42"]["words"]["left_out_by_packing"] != ""
    assert rows["baseline-42"]["words"]["left_out_by_packing"] == ""


def test_the_page_shows_what_runs_read(project: Project) -> None:
    page = (project.folder / "results/report.html").read_text(encoding="utf-8")
    part = page[page.index("<h3>What runs read</h3>") :]
    assert "of the split is in no sequence" in part
    assert "75.00%" in part
    assert "digits.loss" in page


def test_contamination_counts_documents_of_packed_sequences(project: Project) -> None:
    """Documents are all different, so none of the test window was read; digits are read whole."""
    found = {row["trained_on"]: row for row in table(project, "contamination")}
    assert {"mixed:0-4097", "mixed packed for 16:0-4096", "mixed packed for 16:0-4608"} <= set(
        found
    )
    assert {row["documents_found"] for row in found.values()} == {"0"}


def test_a_packed_run_can_be_replayed(project: Project) -> None:
    results = project.folder / "results"
    run = results / "runs/packed-42"
    trainer = Trainer(finished_job(run, results))
    assert [take_step(trainer) for _ in range(3)] == read_rows(run / "trace.parquet")[:3]


def test_the_page_of_a_study_that_runs_has_the_finished_runs(project: Project) -> None:
    folder = project.folder / "results/runs/packed-twice-42"
    folder.rename(project.folder / "elsewhere")
    done = project.noiseband("report", "--partial", "--out", "partial.html")
    (project.folder / "elsewhere").rename(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (project.folder / "partial.html").read_text(encoding="utf-8")
    part = page[page.index("<h3>What runs read</h3>") :]
    assert "packed-42" in part[: part.index("</table>")]
    assert "packed-twice-42" not in part[: part.index("</table>")]


def test_nothing_is_left_to_do(project: Project) -> None:
    assert project.planned("results/report.html") == {}
