"""Tokenising with many workers, after a kill, with leftovers, of bad lines, and on a full disk."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from noiseband.corpus import shards as module
from noiseband.corpus.documents import SPLITS
from noiseband.corpus.shards import Budget, read_size
from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.tokens import tokenize
from noiseband.errors import UserError
from noiseband.io.files import atomic, read_json, write_jsonl
from noiseband.study.corpora import SplitTokens

NAMES = [*(f"{split}.safetensors" for split in SPLITS), "card.json"]


@pytest.fixture(scope="module")
def whole(corpus: Path, bpe: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The pocket corpus's token files, made by one worker."""
    out = tmp_path_factory.mktemp("whole")
    tokenize(corpus, bpe, None, out)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NAMES}


def small(folder: Path, *lines: bytes) -> Path:
    """A corpus with these lines in its training split, and one document in each other split."""
    folder.mkdir()
    for split in SPLITS[1:]:
        write_jsonl(folder / f"{split}.jsonl", [{"id": split, "text": "a"}])
    (folder / "train.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return folder


@pytest.mark.parametrize("shard", [20_000, 99_991, 10**9])
def test_neither_workers_nor_shards_change_a_byte(
    shard: int,
    corpus: Path,
    bpe: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SHARD", shard)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # There are hundreds of files.
    tokenize(corpus, bpe, None, tmp_path, workers=3)
    assert contents(tmp_path) == whole
    assert not (tmp_path / "work").exists()


def test_killed_it_goes_on_from_the_shards_that_are_there(
    corpus: Path, bpe: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from noiseband.corpus import shards\nfrom noiseband.corpus.tokens import tokenize\n"
        "from noiseband.study.corpora import SplitTokens\n"
        "shards.SHARD = 100_000\n"
        "corpus, vocabulary, out = map(Path, sys.argv[1:4])\n"
        "pins = SplitTokens(train=1, validation=1, test=1) if sys.argv[4:] else None\n"
        "tokenize(corpus, vocabulary, pins, out, workers=2)\n"
    )
    command = [sys.executable, "-c", code, str(corpus), str(bpe), str(tmp_path)]
    process = subprocess.Popen(command, start_new_session=True)
    work = tmp_path / "work"
    while len(list(work.glob("*.tokens"))) < 10:
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "card.json").exists()
    left = {file: file.stat().st_mtime_ns for file in work.glob("*.tokens")}
    # The next start fails at the pins, so that its work folder is kept and can be examined.
    found = subprocess.run([*command, "pins"], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "tokens.train: pinned 1, found 1898883" in found.stderr
    assert f"{len(left)} of 79 shards are reused from an earlier start" in found.stderr
    assert {file: file.stat().st_mtime_ns for file in left} == left
    subprocess.run(command, check=True)
    assert contents(tmp_path) == whole
    assert not work.exists()


@pytest.mark.parametrize("other", ["corpus", "vocabulary", "allow_special"])
def test_leftovers_of_something_else_are_not_used(
    other: str,
    bpe: Path,
    gpt2: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = small(tmp_path / "1", b'{"id": "1", "text": "one <|endoftext|>"}')
    second = small(tmp_path / "2", b'{"id": "1", "text": "two <|endoftext|>"}')
    out = tmp_path / "out"
    with pytest.raises(UserError, match="pinned 7"):  # A failure keeps the shards.
        tokenize(first, bpe, SplitTokens(train=7, validation=7, test=7), out)
    assert len(list((out / "work").glob("train-*.tokens"))) == 1
    changed = {"corpus": (second, bpe), "vocabulary": (first, gpt2), "allow_special": (first, bpe)}
    corpus, vocabulary = changed[other]
    capsys.readouterr()
    tokenize(corpus, vocabulary, None, out, allow_special=other == "allow_special")
    # The other corpus has the same two other splits.
    assert ("2 of 3 shards" in capsys.readouterr().err) == (other == "corpus")
    fresh = tmp_path / "fresh"
    tokenize(corpus, vocabulary, None, fresh, allow_special=other == "allow_special")
    assert contents(out) == contents(fresh)


def test_a_shard_file_that_lost_its_end_is_encoded_anew(tmp_path: Path) -> None:
    file = tmp_path / "x.tokens"
    head = json.dumps({"documents": 1, "bytes": 1, "tokens": 2, "not_utf8": 0}).encode()
    file.write_bytes(head.ljust(module.HEAD) + bytes(4))
    assert read_size(file) is not None
    for damaged in (file.read_bytes()[:-1], b"", b"{}".ljust(200), b'{"x": 1}'.ljust(module.HEAD)):
        file.write_bytes(damaged)
        assert read_size(file) is None
    assert read_size(tmp_path / "nothing") is None


def test_a_shard_file_with_a_flipped_bit_is_encoded_anew(tmp_path: Path) -> None:
    file = tmp_path / "x.tokens"
    head = json.dumps({"documents": 1, "bytes": 1, "tokens": 2, "not_utf8": 0}).encode()
    with atomic(file) as temporary:
        temporary.write_bytes(head.ljust(module.HEAD) + bytes(4))
    assert read_size(file) is not None
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    assert read_size(file) is None


def test_text_that_is_not_utf8_is_repaired_and_counted(
    bpe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = small(
        tmp_path / "broken",
        b'{"id": "1", "text": "a\xff\xe2\x82z"}',
        b'{"id": "2", "text": ""}',
        b'{"id": "3", "text": "\\ud83d\\ude00 \\ud800"}',
    )
    tokenize(broken, bpe, None, tmp_path / "out")
    assert "train: 2 of 3 documents contain text that is not valid UTF-8" in capsys.readouterr().err
    mended = small(
        tmp_path / "mended",
        *(json.dumps({"id": "1", "text": text}).encode() for text in ("a��z", "", "😀 �")),
    )
    tokenize(mended, bpe, None, tmp_path / "expected")
    for split in SPLITS:
        left, right = (tmp_path / f / f"{split}.safetensors" for f in ("out", "expected"))
        assert open_tokens(left).tolist() == open_tokens(right).tolist()
    cards = [read_json(tmp_path / f / "card.json")["splits"]["train"] for f in ("out", "expected")]
    assert cards[0] == {**cards[1], "not_utf8": 2}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"id": "1"}', 'not {"id": "...", "text": "..."}'),
        (b'{"id": "1", "text": null}', 'not {"id"'),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_line_that_is_no_document_is_named(
    line: bytes, why: str, bpe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARD", 64)
    good = b'{"id": "1", "text": "some text"}'
    corpus = small(tmp_path / "corpus", *[good] * 20, line, *[good] * 20)
    with pytest.raises(UserError, match=r"train\.jsonl: line 21: ") as error:
        tokenize(corpus, bpe, None, tmp_path / "out", workers=3)
    assert why in str(error.value)
    assert not (tmp_path / "out" / "train.safetensors").exists()


def test_one_tokenisation_at_a_time_in_a_folder(bpe: Path, tmp_path: Path) -> None:
    corpus = small(tmp_path / "corpus", b'{"id": "1", "text": "a"}')
    work = tmp_path / "work"
    work.mkdir()
    with open(work / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process uses it"):
            tokenize(corpus, bpe, None, tmp_path / "out", work=work)


def test_a_full_disk_is_one_line_and_the_shards_stay(
    corpus: Path, bpe: Path, tmp_path: Path
) -> None:
    """A limit on the size of files acts as a full disk: shards fit, the joined file does not."""
    code = (
        "import resource, signal, sys\nfrom noiseband.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))\n"
        "main()\n"
    )
    params = '{"tokens": null, "allow_special": false}'
    command = [sys.executable, "-c", code, "tokenize", "--params", params, "--corpus", str(corpus)]
    command += ["--vocabulary", str(bpe), "--workers", "2", "--out", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "free some space and start again" in found.stderr
    assert len(list((tmp_path / "work").glob("*.tokens"))) == 4
    assert not (tmp_path / "train.safetensors").exists()


def test_a_budget_is_kept_and_too_much_is_had_alone() -> None:
    budget, most, lock = Budget(10), [0, 0], threading.Lock()

    def use(wanted: int) -> None:
        with budget.of(wanted), lock:
            most[0] = max(most[0], budget.used)
            if wanted > 10:
                most[1] += budget.used

    threads = [threading.Thread(target=use, args=(n,)) for n in [3, 4, 50, 5, 6] * 10]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert most == [50, 50 * 10]
    assert budget.used == 0
