"""Corpora of data sets that the library `datasets` streams, from folders and from a local Hub."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from noiseband.corpus import row_documents
from noiseband.corpus.build import build_corpus
from noiseband.corpus.documents import SPLITS, read_documents, valid_text
from noiseband.corpus.fields import read_field, write_fields
from noiseband.corpus.streams import DatasetStream
from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.study.corpora import Documents
from noiseband.study.dataset_source import DatasetSource
from tests.hub.server import COMMIT, Hub

ROWS = [{"text": f"text number {n}", "language": ["python", "go"][n % 2]} for n in range(40)]
CARD = b"""---
configs:
- config_name: small
  data_files: [{split: train, path: small/*.parquet}]
- config_name: other
  data_files: [{split: train, path: other.jsonl}]
---
"""


def parquet(folder: Path) -> None:
    for part in range(2):
        table = pa.Table.from_pylist(ROWS[20 * part : 20 * part + 20])
        pq.write_table(table, folder / f"train-{part}.parquet")


def csv(folder: Path) -> None:
    lines = [f"{row['text']},{row['language']}" for row in ROWS]
    (folder / "train.csv").write_text("\n".join(["text,language", *lines]))


def packed_json(folder: Path) -> None:
    with gzip.open(folder / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in ROWS)


def saved(folder: Path) -> None:
    datasets.Dataset.from_list(ROWS).save_to_disk(str(folder))


def saved_with_splits(folder: Path) -> None:
    one = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict({"train": one, "test": one.select([0])}).save_to_disk(str(folder))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def documents(source: dict[str, Any], **options: Any) -> Documents:
    return Documents.model_validate(
        {"sources": [source], "order": "as-read", "validation": 0.1, "test": 0.1, **options}
    )


def built(config: Documents, out: Path) -> dict[str, list[str]]:
    build_corpus(config, out)
    return {split: [one.text for one in read_documents(out / f"{split}.jsonl")] for split in SPLITS}


@pytest.mark.parametrize("write", [parquet, csv, packed_json, saved, saved_with_splits])
def test_a_folder_in_any_format_is_the_same_corpus(write: Any, folder: Path) -> None:
    write(folder)
    texts = [row["text"] for row in ROWS]
    found = built(documents({"dataset": "./set"}), folder.parent / "out")
    assert found == {"train": texts[:32], "validation": texts[32:36], "test": texts[36:]}
    (source,) = read_json(folder.parent / "out/card.json")["sources"]
    assert (source["documents"], source["dataset"]) == (40, None)


def test_files_read_in_either_way_give_the_same_texts_and_fields(folder: Path) -> None:
    parquet(folder)
    either: list[dict[str, Any]] = [
        {"dataset": "./set"}, {"path": "set", "files": ["*.parquet"]},
    ]  # fmt: skip
    texts, fields = [], []
    for number, source in enumerate(either):
        config, out = documents(source), folder.parent / str(number)
        texts.append(built(config, out))
        write_fields(config.sources, ["language"], out / "test.jsonl", out / "fields.parquet")
        fields.append(read_field(out / "fields.parquet", "language", range(4)))
    assert texts[0] == texts[1]
    assert fields[0] == fields[1] == [row["language"] for row in ROWS[36:]]


def test_a_configuration_of_a_data_set_on_the_hub(hub: Hub, folder: Path) -> None:
    parquet(folder)
    for name in ("train-0.parquet", "train-1.parquet"):
        hub.add("datasets/org/set", f"small/{name}", (folder / name).read_bytes())
    hub.add("datasets/org/set", "other.jsonl", b'{"text": "another"}\n')
    hub.add("datasets/org/set", "README.md", CARD)
    source = {"dataset": "org/set", "config": "small", "revision": COMMIT}

    def command(name: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Build in a process of its own, as the library reads the Hub's address only once."""
        params = documents({**source, **changes}).text
        command = [sys.executable, "-m", "noiseband", "corpus", "--params", params, "--out", name]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = command("out")
    assert done.returncode == 0, done.stderr
    splits = [read_documents(Path("out") / f"{split}.jsonl") for split in SPLITS]
    assert [one.text for split in splits for one in split] == [row["text"] for row in ROWS]
    assert not list(folder.parent.glob("**/*.arrow"))
    for changes, named in (({"config": "large"}, "large: train"), ({"split": "valid"}, "valid")):
        done = command("none", **changes)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert f"{named}: " in done.stderr
        assert "(correct `dataset`, `config` or `split`, or go online)" in done.stderr


@pytest.mark.parametrize("write", [parquet, csv, packed_json, saved, saved_with_splits])
def test_a_killed_reading_goes_on_at_the_document(write: Any, folder: Path) -> None:
    write(folder)
    config = documents({"dataset": "./set"}, order="hashed")
    build_corpus(config, Path("whole"))
    # Ended without any notice within row 31; a state is written after every fourth document.
    program = """
import os, sys
from pathlib import Path
from noiseband.corpus import row_documents, shuffle
from noiseband.corpus.build import build_corpus
from noiseband.study.corpora import Documents

shuffle.SAVED_EVERY = 4
texts = row_documents.valid_text
row_documents.valid_text = lambda text: os._exit(9) if text == "text number 30" else texts(text)
build_corpus(Documents.model_validate_json(sys.argv[1]), Path("out"), work=Path("work"))
"""
    command = [sys.executable, "-c", program, config.text]
    assert subprocess.run(command, check=False).returncode == 9
    reads: list[Any] = []

    def noted(text: bytes | str) -> tuple[str, bool]:
        reads.append(text)
        return valid_text(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_documents, "valid_text", noted)
        build_corpus(config, Path("out"), work=Path("work"))
    assert reads == [row["text"] for row in ROWS[28:]]
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", "card.json"):
        assert (Path("out") / name).read_bytes() == (Path("whole") / name).read_bytes()
    assert not Path("work").exists()


def test_the_first_rows_alone(folder: Path) -> None:
    parquet(folder)
    found = built(documents({"dataset": "./set", "first": 25}, test=0.2), folder.parent / "out")
    assert [*chain(*found.values())] == [row["text"] for row in ROWS[:25]]


@pytest.mark.parametrize("recorded", [30, 60])
def test_a_record_of_rows_that_is_out_of_date(recorded: int, folder: Path) -> None:
    """As of rows that were chosen from a larger data set: a folder's rows are counted."""
    parquet(folder)
    record = {"splits": [{"name": "train", "num_bytes": 9, "num_examples": recorded}]}
    head = json.dumps({"dataset_info": record})
    (folder / "README.md").write_text(f"---\n{head}\n---\n")
    found = built(documents({"dataset": "./set"}), folder.parent / "out")
    assert [len(texts) for texts in found.values()] == [32, 4, 4]


@pytest.mark.parametrize(("said", "has"), [(60, "only 40"), (30, "more")])
def test_other_documents_than_the_splits_are_for_are_refused(
    said: int, has: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a data set on the Hub had a wrong record, which is not checked by reading all twice."""
    parquet(folder)
    monkeypatch.setattr(DatasetStream, "__len__", lambda _: said)
    config = documents({"dataset": "./set"})
    with pytest.raises(UserError, match=f"are for {said} documents, but the sources have {has};"):
        built(config, folder.parent / "out")
    assert not (folder.parent / "out/card.json").exists()


@pytest.mark.parametrize("split", [datasets.Split.TEST, datasets.NamedSplit("test[:9]")])
def test_a_folder_of_one_split_has_no_other(split: Any, folder: Path) -> None:
    datasets.Dataset.from_list(ROWS, split=split).save_to_disk(str(folder))
    out = folder.parent / "out"
    with pytest.raises(UserError, match=r"the split test\S* alone; write split: test, or"):
        built(documents({"dataset": "./set"}), out)
    assert len(built(documents({"dataset": "./set", "split": "test"}), out)["train"]) == 32


def test_a_folder_that_is_not_there(folder: Path) -> None:
    with pytest.raises(UserError, match=r"^\./none: train: no such folder; give a path"):
        built(documents({"dataset": "./none"}), folder.parent / "out")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"other": "x"}, r"row 1: no column text; it has other"),
        ({"text": None}, r"row 1: text is null, not text; correct it"),
        ({"text": 3}, r"row 1: text is 3, not text; correct it"),
    ],
)
def test_a_row_without_a_text_is_named(row: dict[str, Any], said: str, folder: Path) -> None:
    (folder / "train.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match=rf"^\./set: train: {said}$"):
        built(documents({"dataset": "./set"}, order="hashed"), folder.parent / "out")


def test_a_damaged_file_is_one_line(folder: Path) -> None:
    (folder / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"^\./set: train: ") as error:
        built(documents({"dataset": "./set"}), folder.parent / "out")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"dataset": "org/set"}, "give the `revision` of org/set"),
        ({"dataset": "org/set", "revision": "main"}, "revision=main may move"),
        ({"dataset": "./set", "revision": COMMIT}, "./set is a folder, which has no revision"),
        ({"dataset": "set"}, "dataset"),
        ({"dataset": "./set", "first": 0}, "greater than 0"),
    ],
)
def test_a_data_set_is_pinned(source: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        DatasetSource.model_validate(source)
    assert said in str(error.value)
    assert DatasetSource(dataset="org/set", revision="main", unpinned=True).folder is None
