"""Instruction rows from each kind of source, and their splits."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from noiseband.corpus.instructions import build_instructions, instruction_rows, split_names
from noiseband.errors import UserError
from noiseband.finetune.rows import read_rows
from noiseband.io.downloads import download
from noiseband.io.files import read_jsonl
from noiseband.study.instructions import Instructions, Rows
from tests.hub.server import COMMIT, Fault, serve

SERIES = Path("../shared/data/instruction-data.json")
"""The published series' file of 1,100 rows, which is not on every machine."""
TWENTY = [{"instruction": f"Say {k}", "output": str(k)} for k in range(20)]
TEXT = json.dumps(TWENTY)


def config(**values: Any) -> Instructions:
    found: Instructions = TypeAdapter(Instructions).validate_python(values, strict=True)
    return found


def outputs(rows: list[dict[str, Any]]) -> list[str]:
    return [row["output"] for row in rows]


@pytest.mark.skipif(not SERIES.exists(), reason=f"{SERIES} is not here")
def test_the_series_rows_split_as_the_series_split_them() -> None:
    digest = hashlib.sha256(SERIES.read_bytes()).hexdigest()
    assert digest.startswith("7e09a9af")
    given = json.loads(SERIES.read_text())
    for parts in ({}, {"train": 935, "test": 110}):  # the default shares, and the same as numbers
        rows = instruction_rows(config(kind="file", path=str(SERIES), sha256=digest, **parts))
        assert [row["split"] for row in rows] == (
            ["train"] * 935 + ["test"] * 110 + ["validation"] * 55
        )
        assert [{k: row[k] for k in ("instruction", "input", "output")} for row in rows] == given


def test_shares_of_1100_rows_are_the_series_numbers() -> None:
    counts = Counter(split_names(Rows(train=0.85, test=0.1), 1100))
    assert list(counts.items()) == [("train", 935), ("test", 110), ("validation", 55)]


@given(st.integers(20, 60000), st.integers(5, 90), st.integers(5, 90))
def test_shares_use_every_row_once(rows: int, train: int, test: int) -> None:
    if train + test > 95:
        return
    counts = Counter(split_names(Rows(train=train / 100, test=test / 100), rows))
    assert sum(counts.values()) == rows
    assert abs(counts["train"] - rows * train / 100) <= 0.5
    assert abs(counts["test"] - rows * test / 100) <= 0.5


def test_rows_may_be_counted_and_the_last_ones_left_out() -> None:
    names = split_names(Rows(train=7, test=2, validation=3), 20)
    assert names == ["train"] * 7 + ["test"] * 2 + ["validation"] * 3
    assert Counter(split_names(Rows(train=0.5, test=2), 20)) == {
        "train": 10, "test": 2, "validation": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"train": 0.98, "test": 0.01}, r"train=0\.98, test=0\.01 of 20 rows leave none for test;"),
        ({"train": 18, "test": 2}, "train=18, test=2 of 20 rows leave none for validation;"),
        ({"train": 18, "test": 2, "validation": 1}, "validation=1 need 21 rows of 20"),
        ({"train": 19, "test": 2}, "train=19, test=2 of 20 rows leave none for validation"),
    ],
)
def test_splits_that_the_rows_do_not_give(parts: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        split_names(Rows(**parts), 20)


def test_shares_beyond_all_rows_are_a_mistake_of_the_config() -> None:
    with pytest.raises(ValidationError, match=r"leaves no rows for validation; make their sum"):
        Rows(train=0.9, test=0.1)
    with pytest.raises(ValidationError, match=r"is more than all rows"):
        Rows(train=0.9, test=0.1, validation=0.05)
    assert Rows(train=0.7, test=0.2, validation=0.1).validation == 0.1


def test_a_file_of_rows_is_what_fine_tuning_reads(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TWENTY))
    chosen = config(kind="file", path=str(tmp_path / "mine.jsonl"), train=15, test=3)
    build_instructions(chosen, tmp_path / "out")
    written = read_jsonl(tmp_path / "out" / "rows.jsonl")
    assert written[0] == {"instruction": "Say 0", "input": "", "output": "0", "split": "train"}
    assert outputs(written) == [str(k) for k in range(20)]
    assert [row.split for row in read_rows(tmp_path / "out" / "rows.jsonl")] == (
        ["train"] * 15 + ["test"] * 3 + ["validation"] * 2
    )


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution alpaca-rows 1.0 that cannot be imported."""
    site = tmp_path / "site"
    (site / "alpaca_rows" / "data").mkdir(parents=True)
    (site / "alpaca_rows" / "__init__.py").write_text("raise RuntimeError('imported')")
    (site / "alpaca_rows" / "data" / "rows.json").write_text(TEXT)
    card = site / "alpaca_rows-1.0.dist-info"
    card.mkdir()
    (card / "METADATA").write_text("Metadata-Version: 2.1\nName: alpaca-rows\nVersion: 1.0\n")
    names = ("__init__.py", "data/rows.json")
    (card / "RECORD").write_text("".join(f"alpaca_rows/{name},,\n" for name in names))
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("installed")
def test_rows_of_a_package_are_read_without_importing_it() -> None:
    package = {"kind": "package", "package": "alpaca-rows", "version": "1.0"}
    rows = instruction_rows(config(**package, file="alpaca_rows/data/rows.json"))
    assert outputs(rows) == [str(k) for k in range(20)]
    with pytest.raises(UserError, match=r"alpaca-rows 1\.0 has no rows\.json; its files are"):
        instruction_rows(config(**package, file="rows.json"))
    with pytest.raises(UserError, match=r"instructions\.version: alpaca-rows 1\.1 is needed"):
        instruction_rows(config(**package | {"version": "1.1"}, file="rows.json"))


def test_rows_at_an_address_are_known_by_their_digest(tmp_path: Path) -> None:
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    with serve() as hub:
        hub.add("some/rows", "rows.json", TEXT.encode())
        url = f"{hub.url}/some/rows/resolve/{COMMIT}/rows.json"
        hub.faults += [Fault("GET", 503), Fault("GET", 0)]  # two temporary faults
        out = tmp_path / "rows.json"
        download(url, digest, out, pause=0)
        assert out.read_text() == TEXT
        assert hub.asked("GET") == 3
        rows = instruction_rows(config(kind="url", url=url, sha256=digest))
        assert outputs(rows) == [str(k) for k in range(20)]
        with pytest.raises(UserError, match=rf"has SHA-256 {digest}, not 0000"):
            instruction_rows(config(kind="url", url=url, sha256="0" * 64))
        out.unlink()
        hub.faults += [Fault("GET", 200)]  # half of the body, then all of it
        download(url, digest, out, pause=0)
        assert out.read_text() == TEXT
        with pytest.raises(UserError, match="the server answered 404; check the URL"):
            download(f"{url}.gz", digest, out, pause=0)
    with pytest.raises(UserError, match=r"download failed \(ConnectError\); check the conn"):
        download(url, digest, out, pause=0)


def test_rows_of_the_hub_are_those_of_the_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    hub_rows = {"kind": "hub", "repo": "some/rows", "revision": COMMIT, "file": "data/rows.json"}
    with serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        hub.add("datasets/some/rows", "data/rows.json", TEXT.encode())
        rows = instruction_rows(config(**hub_rows, sha256=digest))
        assert outputs(rows) == [str(k) for k in range(20)]
        with pytest.raises(UserError, match="SHA-256"):
            instruction_rows(config(**hub_rows, sha256="0" * 64))


TWICE = [*TWENTY, *({**row, "instruction": f" {row['instruction'].upper()}!"} for row in TWENTY)]
"""Every question twice; the second time, it is written in another way."""


def rows_of(tmp_path: Path, rows: list[dict[str, Any]], **parts: Any) -> list[str]:
    """Write the rows of a file as `out/rows.jsonl`; return what the user is told."""
    (tmp_path / "mine.json").write_text(json.dumps(rows))
    told: list[str] = []
    chosen = config(kind="file", path=str(tmp_path / "mine.json"), **parts)
    build_instructions(chosen, tmp_path / "out", told.append)
    return told


def splits_of(tmp_path: Path) -> Counter[str]:
    return Counter(row["split"] for row in read_jsonl(tmp_path / "out" / "rows.jsonl"))


def test_questions_that_are_also_in_train_are_told(tmp_path: Path) -> None:
    parts = {"train": 28, "test": 8}
    assert rows_of(tmp_path, [*TWENTY, *TWENTY], **parts) == [
        "instructions out: 8 of 8 test and 4 of 4 validation questions are also in train "
        "(12 exactly, 0 up to case, punctuation and blanks); seen_questions: drop leaves such "
        "rows out of train"
    ]
    assert splits_of(tmp_path) == {"train": 28, "test": 8, "validation": 4}
    (told,) = rows_of(tmp_path, [*TWICE[:36], *TWENTY[:4]], **parts)
    assert "8 of 8 test and 4 of 4 validation" in told
    assert "(4 exactly, 8 up to case, punctuation and blanks)" in told
    assert rows_of(tmp_path, TWENTY, train=14, test=4) == []


def test_rows_whose_questions_are_asked_later_can_be_dropped(tmp_path: Path) -> None:
    parts = {"train": 28, "test": 8, "seen_questions": "drop"}
    assert rows_of(tmp_path, TWICE, **parts) == [
        "instructions out: seen_questions: drop left out 12 of 28 rows of train, because their "
        "questions are also in test or validation"
    ]
    assert splits_of(tmp_path) == {"train": 16, "test": 8, "validation": 4}
    written = read_jsonl(tmp_path / "out" / "rows.jsonl")
    # Rows 8 to 19 of train are rows 28 to 39 in other words.
    assert outputs(written) == [str(k % 20) for k in (*range(8), *range(20, 40))]
    # The test rows are those of the set from which no row is dropped.
    rows_of(tmp_path, TWICE, **parts | {"seen_questions": "keep"})
    kept = read_jsonl(tmp_path / "out" / "rows.jsonl")
    assert [row for row in written if row["split"] == "test"] == [
        row for row in kept if row["split"] == "test"
    ]
    assert rows_of(tmp_path, TWENTY, **parts | {"train": 14, "test": 4}) == []
    between = [*TWENTY, TWENTY[16]]  # 14 train, 4 test, 3 validation, the last of which is in test
    (told,) = rows_of(tmp_path, between, **parts | {"train": 14, "test": 4})
    assert "left out 1 of 3 rows of validation, because their questions are also in test" in told


def test_a_split_of_which_all_rows_would_be_dropped_is_named(tmp_path: Path) -> None:
    parts = {"train": 20, "test": 16, "seen_questions": "drop"}
    with pytest.raises(UserError) as raised:
        rows_of(tmp_path, TWICE, **parts)
    assert str(raised.value) == (
        "instructions: seen_questions=drop leaves no rows for train, because all of its 20 "
        "questions are also in a split that scores or chooses models; get other rows, or write keep"
    )
    assert not (tmp_path / "out" / "rows.jsonl").exists()
    with pytest.raises(UserError, match="leaves no rows for validation, because all of its 2 q"):
        rows_of(tmp_path, [*TWENTY, *TWENTY[14:16]], **parts | {"train": 14, "test": 6})


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_rows_that_datasets_reads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    sets: dict[str, list[dict[str, Any]]] = {"alpaca": TWENTY, "chats": 20 * [{"messages": turns}]}
    for folder, rows in sets.items():
        file = tmp_path / folder / name
        file.parent.mkdir()
        table = pa.Table.from_pylist([{**row, "id": None} for row in rows])
        if name.endswith("parquet"):
            pq.write_table(table, file)
        else:
            file.write_text("\n".join(map(json.dumps, rows)))
        streamed = instruction_rows(config(kind="dataset", dataset=f"./{folder}"))
        assert streamed == instruction_rows(config(kind="file", path=str(file)))
    assert len(instruction_rows(config(kind="dataset", dataset="./alpaca", first=11))) == 11
    with pytest.raises(UserError, match=r"^\./alpaca: valid: .*correct `dataset`"):
        instruction_rows(config(kind="dataset", dataset="./alpaca", split="valid"))


def test_a_bad_row_that_datasets_reads_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    rows = [*TWENTY[:3], {"instruction": "Say 4", "output": None}]
    (tmp_path / "set/rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(
        UserError, match=r"^instructions\.dataset: \./set: train: row 4: output is missing"
    ):
        instruction_rows(config(kind="dataset", dataset="./set"))


def test_rows_of_a_data_set_on_the_hub_are_pinned() -> None:
    with pytest.raises(ValidationError, match="give the `revision` of org/set"):
        config(kind="dataset", dataset="org/set")
    assert config(kind="dataset", dataset="org/set", revision=COMMIT)
