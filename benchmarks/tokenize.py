"""Measure tokenisation compared with plain tiktoken on the same cores, and its peak memory.

python -m benchmarks.tokenize                    # 2 GB of text, some minutes, 6 GB of disk
python -m benchmarks.tokenize --megabytes 100    # a quick look

The corpus repeats the pocket study's texts in different orders; the vocabulary is GPT-2's. The two
methods take turns on the same parts of 32 MB: `encode_ordinary_batch` gets texts in memory, and its
result is discarded; noiseband reads the JSONL file and writes the token file to disk. Then the peak
memory is measured for one command that tokenises the whole corpus, and for a document of 50 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import tiktoken

from benchmarks.machine import machine
from benchmarks.side_by_side import table
from noiseband.corpus.build import build_corpus
from noiseband.corpus.documents import SPLITS, Document, read_documents
from noiseband.corpus.shards import cores
from noiseband.corpus.tokens import tokenize
from noiseband.corpus.vocabulary import build_vocabulary, load_ranks
from noiseband.io.files import write_jsonl
from noiseband.study import load_study
from noiseband.study.data_params import CorpusParams
from noiseband.study.tokenizers import Tokenizer

PART = 32_000_000
"""The bytes of text in a part that both methods encode."""

LONG = 50_000_000
"""The characters of the long document; half of it is one letter, which cannot be split."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=2000, help="megabytes of text")
    parser.add_argument(
        "--rounds", type=int, default=8, help="number of parts that both methods encode in turn"
    )
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/tokenize-*.json")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": {**machine(), "tiktoken": metadata.version("tiktoken")}}
    found |= {"workers": options.workers, "megabytes": options.megabytes}
    with tempfile.TemporaryDirectory() as folder:
        sizes = [PART] * options.rounds + [options.megabytes * 10**6]
        *parts, corpus = make_corpus(Path(folder), sizes)
        vocabulary = Path(folder, "vocabulary.tiktoken")
        build_vocabulary(Tokenizer(kind="gpt2"), Path(folder), vocabulary)
        found |= side_by_side(parts, vocabulary, options.workers)
        found |= whole(Path(folder), corpus, vocabulary, options.workers)
    device = re.sub(r"\W+", "-", found["machine"]["processor"]).strip("-").lower()
    out = options.out or Path("benchmarks/results", f"tokenize-{device}.json")
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(out)


def make_corpus(folder: Path, sizes: list[int]) -> list[Path]:
    """Write corpora with the given bytes of text each, and return their folders."""
    study = load_study(Path("config/config.yaml"))
    build_corpus(CorpusParams.of(study, "pocket"), folder / "pocket")
    pocket = [d for split in SPLITS for d in read_documents(folder / "pocket" / f"{split}.jsonl")]
    endless = _endless(pocket)
    parts = [folder / f"part-{number}" for number in range(len(sizes))]
    for part, size in zip(parts, sizes, strict=True):
        write_jsonl(part / "train.jsonl", _rows(endless, size))
        for split in ("validation", "test"):
            write_jsonl(part / f"{split}.jsonl", [{"id": split, "text": "A text."}])
    return parts


def _endless(documents: list[Document]) -> Iterator[dict[str, str]]:
    turn = 0
    while True:
        order = sorted(documents, key=lambda d: hashlib.sha256(f"{turn} {d.id}".encode()).digest())
        yield from ({"id": f"{d.id}/{turn}", "text": d.text} for d in order)
        turn += 1


def _rows(endless: Iterator[dict[str, str]], size: int) -> Iterator[dict[str, str]]:
    while size > 0:
        row = next(endless)
        size -= len(row["text"].encode())
        yield row


def side_by_side(parts: list[Path], vocabulary: Path, workers: int) -> dict[str, Any]:
    """Run both methods on each part in alternating order, with a warm-up on the first part."""
    encoding = load_ranks(vocabulary)
    ratios: dict[str, list[float]] = {"wall": [], "cpu": []}
    for number, part in enumerate([parts[0], *parts]):
        texts = [document.text for document in read_documents(part / "train.jsonl")]
        ways: dict[str, Callable[[], object]] = {
            "bare": partial(_bare, encoding, texts, workers),
            "own": partial(tokenize, part, vocabulary, None, part / "out", workers=workers),
        }
        took = {name: _seconds(ways[name]) for name in sorted(ways, reverse=number % 2 == 0)}
        if number:
            for place, kind in enumerate(ratios):
                ratios[kind].append(took["bare"][place] / took["own"][place])
            print(f"part {number} of {len(parts)}: {ratios['wall'][-1]:.2f}x", file=sys.stderr)
    rows = [("noiseband compared with encode_ordinary_batch", "median", "quartiles")]
    data = {}
    for kind, each in ratios.items():
        low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
        data[kind] = {"median": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}
        rows.append((f"{kind} seconds", f"{middle:.2f}x", f"{low:.2f}x to {high:.2f}x"))
    print(table(rows))
    return {"as_fast_as_bare": data}


def _bare(encoding: tiktoken.Encoding, texts: list[str], workers: int) -> None:
    # Only 20 MB of text at a time, because its lists of integers take fifteen times the memory.
    for start in range(0, len(texts), 10_000):
        encoding.encode_ordinary_batch(texts[start : start + 10_000], num_threads=workers)


def _seconds(way: Callable[[], object]) -> tuple[float, float]:
    """The seconds of wall time, and of all cores together."""
    begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    way()
    wall, now = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    return wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def whole(folder: Path, corpus: Path, vocabulary: Path, workers: int) -> dict[str, Any]:
    """Run the command on a whole corpus, and on a document of 50 MB."""
    usual = _command(corpus, vocabulary, folder / "whole", workers)
    print(f"{usual['tokens']:,} tokens: peak memory {usual['peak_rss_bytes'] / 1e6:.0f} MB")
    text = "a word or two, " * (LONG // 30) + "a" * (LONG // 2)
    write_jsonl(corpus / "train.jsonl", [{"id": "long", "text": text}])
    del text
    long = _command(corpus, vocabulary, folder / "long", workers)
    print(f"a document of 50 MB: peak memory {long['peak_rss_bytes'] / 1e6:.0f} MB")
    return {"whole": usual, "document_of_50_mb": long}


def _command(corpus: Path, vocabulary: Path, out: Path, workers: int) -> dict[str, Any]:
    """Run the command and return its peak memory: the kernel's figure for its only process."""
    params = '{"tokens": null, "allow_special": false}'
    command = [sys.executable, "-m", "noiseband", "tokenize", "--params", params]
    command += ["--corpus", str(corpus), "--vocabulary", str(vocabulary)]
    command += ["--workers", str(workers), "--out", str(out)]
    process = subprocess.Popen(command)
    peak = children = 0
    while process.poll() is None:
        # ru_maxrss is not used, because it starts from this process's own memory.
        with suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            if found := re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE):
                peak = 1024 * int(found[1])
            for task in Path(f"/proc/{process.pid}/task").glob("*/children"):
                children += len(task.read_text().split())
        time.sleep(0.05)
    if process.returncode or children:
        raise SystemExit(f"noiseband tokenize: status {process.returncode}, {children} children")
    card = json.loads((out / "card.json").read_text())
    return {"tokens": card["splits"]["train"]["tokens"], "peak_rss_bytes": peak}


if __name__ == "__main__":
    main()
