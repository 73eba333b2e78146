"""Disk space of the corpora that a study reads."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.plan.corpora import corpora_disk
from noiseband.study import parse_study

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PINS = {"train": 9_000, "validation": 0, "test": 1_000}
GPT2 = {"kind": "gpt2"}
RAW = {"files": ["*.parquet"], "repo": "some/text", "revision": COMMIT}
HERE = {"files": ["*.parquet"], "path": "mine"}
TOKENS = {"repo": "some/tokens", "revision": COMMIT, "train": "a.safetensors",
          "test": "b.safetensors"}  # fmt: skip


@pytest.mark.parametrize(
    ("corpus", "size"),
    [
        ({"tokenised": TOKENS, "tokens": PINS}, 20_000),
        ({"sources": [RAW], "order": "as-read", "tokens": PINS}, 20_000 + 45_000 + 27_000),
        ({"sources": [HERE], "order": "as-read", "tokens": PINS}, 20_000 + 45_000),
        ({"sources": [HERE], "tokens": PINS}, 20_000 + 45_000 + 45_000),
        ({"sources": [HERE]}, None),
    ],
)
def test_tokens_text_and_downloads(
    study_data: dict[str, Any], corpus: dict[str, Any], size: int | None
) -> None:
    study_data["corpora"] = {"text": {**corpus, "tokenizer": GPT2}, "unread": {
        "sources": [HERE], "tokenizer": GPT2}}  # fmt: skip
    study_data["recipe"]["model"]["vocabulary"] = 50257
    assert corpora_disk(parse_study(study_data)) == {"text": size}


@pytest.mark.parametrize(("vocabulary", "size"), [(65_536, 20_000), (65_537, 40_000)])
def test_tokens_of_a_large_vocabulary_are_twice_as_wide(
    study_data: dict[str, Any], vocabulary: int, size: int
) -> None:
    """Also if only its model says how large it is, as the tokenizer is on the Hub."""
    own = {"kind": "file", "repo": "some/model", "revision": COMMIT}
    study_data["corpora"] = {"text": {"tokenised": TOKENS, "tokens": PINS, "tokenizer": own}}
    study_data["recipe"]["model"]["vocabulary"] = vocabulary
    assert corpora_disk(parse_study(study_data)) == {"text": size}
