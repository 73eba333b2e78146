"""Corpora of files: equal from the Hub and from a folder, in both orders, with their card."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noiseband.corpus.build import build_corpus
from noiseband.corpus.documents import SPLITS, Document, digest, read_documents
from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.study.corpora import Documents
from tests.hub.server import COMMIT, Hub

ROWS = 40
NAMES = [f"data/{part}.parquet" for part in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Three files of 40 texts each. The last text is equal in all of them."""
    (tmp_path / "mine/data").mkdir(parents=True)
    for part, name in enumerate(NAMES):
        texts = [f"text {part * ROWS + row} é" for row in range(ROWS - 1)] + ["the same"]
        pq.write_table(pa.table({"text": texts}), tmp_path / "mine" / name, row_group_size=16)
    yield tmp_path / "mine"


def config(**keys: Any) -> Documents:
    source = {"files": ["data/*.parquet"]}
    for key in ("repo", "revision", "path", "sha256", "column"):
        if key in keys:
            source[key] = keys.pop(key)
    return Documents.model_validate({"sources": [source], "test": 0.1, "validation": 0.05, **keys})


def built(out: Path, config: Documents) -> dict[str, list[Document]]:
    build_corpus(config, out)
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        "card.json", "test.jsonl", "train.jsonl", "validation.jsonl",
    ]  # fmt: skip
    return {split: list(read_documents(out / f"{split}.jsonl")) for split in SPLITS}


def expected() -> list[Document]:
    return [
        Document(
            f"{name}/{row}",
            "the same" if row == ROWS - 1 else f"text {part * ROWS + row} é",
        )
        for part, name in enumerate(NAMES)
        for row in range(ROWS)
    ]


def test_as_read_keeps_order_and_equal_texts(folder: Path, tmp_path: Path) -> None:
    splits = built(tmp_path / "out", config(path=str(folder), order="as-read"))
    assert [len(splits[split]) for split in SPLITS] == [102, 6, 12]
    assert [document for split in SPLITS for document in splits[split]] == expected()
    card = read_json(tmp_path / "out/card.json")
    assert (card["order"], card["duplicates_left_out"]) == ("as-read", 0)
    assert card["splits"]["test"] == {
        "documents": 12,
        "characters": sum(len(document.text) for document in splits["test"]),
        "bytes": sum(len(document.text.encode()) for document in splits["test"]),
    }


def test_hashed_shuffles_and_keeps_the_first_of_equal_texts(folder: Path, tmp_path: Path) -> None:
    splits = built(tmp_path / "out", config(path=str(folder)))
    found = [document for split in ("test", "validation", "train") for document in splits[split]]
    keys = [hashlib.sha256(document.id.encode()).hexdigest() for document in found]
    assert keys == sorted(keys)
    left_out = {f"{name}/{ROWS - 1}" for name in NAMES[1:]}
    assert {d.id for d in found} == {d.id for d in expected()} - left_out
    assert read_json(tmp_path / "out/card.json")["duplicates_left_out"] == 2


def test_no_validation(folder: Path, tmp_path: Path) -> None:
    splits = built(tmp_path / "out", config(path=str(folder), order="as-read", validation=0))
    assert [len(splits[split]) for split in SPLITS] == [108, 0, 12]


@pytest.mark.parametrize("order", ["hashed", "as-read"])
def test_the_hub_gives_the_same_bytes(hub: Hub, folder: Path, tmp_path: Path, order: str) -> None:
    hub.add_folder("datasets/some/text", folder)
    here = config(path=str(folder), order=order)
    there = config(repo="some/text", revision=COMMIT, order=order)
    assert built(tmp_path / "here", here) == built(tmp_path / "there", there)
    (mine,) = read_json(tmp_path / "here/card.json")["sources"]
    (theirs,) = read_json(tmp_path / "there/card.json")["sources"]
    assert mine == {**theirs, "repo": None, "revision": None}
    assert theirs == {
        "repo": "some/text",
        "revision": COMMIT,
        "column": "text",
        "files": {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in NAMES},
        "documents": 3 * ROWS,
        "characters": sum(len(document.text) for document in expected()),
        "not_utf8": 0,
        "sha256": digest(expected()),
    }


def test_a_file_that_is_pinned(folder: Path, tmp_path: Path) -> None:
    pins = {NAMES[1]: hashlib.sha256((folder / NAMES[1]).read_bytes()).hexdigest()}
    built(tmp_path / "out", config(path=str(folder), sha256=pins))
    pq.write_table(pa.table({"text": ["other"]}), folder / NAMES[1])
    with pytest.raises(UserError, match=f"not {pins[NAMES[1]]}; correct one of them"):
        build_corpus(config(path=str(folder), sha256=pins), tmp_path / "again")
    assert not [*(tmp_path / "again").glob("*")]


def test_a_bad_row_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", None]}), folder / NAMES[2])
    for order in ("hashed", "as-read"):
        with pytest.raises(UserError, match=r"2\.parquet: row 2: text is null"):
            build_corpus(config(path=str(folder), order=order), tmp_path / order)
        assert not [*(tmp_path / order).rglob(".*.tmp"), *(tmp_path / order).glob("card.json")]


def test_text_that_is_no_utf8_is_mended_and_counted(tmp_path: Path) -> None:
    rows = b"".join(b'{"text": "%d"}\n' % i for i in range(20)) + b'{"text": "caf\xe9"}\n'
    (tmp_path / "a.jsonl").write_bytes(rows)
    source = {"path": str(tmp_path), "files": ["a.jsonl"]}
    splits = built(tmp_path / "out", config(sources=[source], order="as-read"))
    assert splits["test"][-1] == Document("a.jsonl/20", "caf\ufffd")
    (card,) = read_json(tmp_path / "out/card.json")["sources"]
    assert card["not_utf8"] == 1


def test_several_sources_have_their_number_before_the_name(folder: Path, tmp_path: Path) -> None:
    source = {"path": str(folder), "files": ["data/*.parquet"]}
    splits = built(tmp_path / "out", config(sources=[source, source], order="as-read"))
    ids = [document.id for split in SPLITS for document in splits[split]]
    assert ids == [f"{number}/{document.id}" for number in (0, 1) for document in expected()]
    assert [card["sha256"] for card in read_json(tmp_path / "out/card.json")["sources"]] == [
        digest(Document(f"{number}/{d.id}", d.text) for d in expected()) for number in (0, 1)
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = open
    for order, name in {"hashed": "/07", "as-read": ".tmp"}.items():
        monkeypatch.setattr(
            "builtins.open",
            lambda path, *a, name=name, **k: real(
                "/dev/full" if str(path).endswith(name) else path, *a, **k
            ),
        )
        with pytest.raises(UserError, match="No space left on device; free some space and"):
            build_corpus(config(path=str(folder), order=order), tmp_path / order)
        assert [path.name for path in (tmp_path / order).iterdir()] == [".work"]


MEASURED = """
import re, sys
from pathlib import Path
from noiseband.corpus.build import build_corpus
from noiseband.study.corpora import Documents
build_corpus(Documents.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
# Not ru_maxrss, which counts what the process was before it became this program.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("order", ["hashed", "as-read"])
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, order: str) -> None:
    peaks = []
    for count in (100, 3000):
        folder = tmp_path / str(count)
        folder.mkdir()
        texts = (f"{row} " * 4000 for row in range(count))
        (folder / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        given = config(sources=[{"path": str(folder), "files": ["*.jsonl"]}], order=order)
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, given.model_dump_json(), str(folder / "out")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout))
    size = (folder / "a.jsonl").stat().st_size // 1024
    assert size > 50_000
    assert peaks[1] - peaks[0] < size / 5, peaks
