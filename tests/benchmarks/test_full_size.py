"""The program for a GPU, tried with a tiny model on whatever there is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import full_size
from noiseband.io.files import read_json
from noiseband.published.golden import golden_digests


def test_twice_the_same_bits_and_a_variant(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    with pytest.raises(SystemExit) as end:
        full_size.main(
            ["--tiny", "--variants", "bfloat16-amp", "--out", str(out), "--scratch", str(tmp_path)]
        )
    assert end.value.code == 0
    found = read_json(out)
    assert found["rerun"] == {"identical": True, "finding": ["identical: 31 tensors"]}
    one, other, variant = found["runs"].values()
    assert list(found["runs"]) == ["baseline", "baseline again", "bfloat16-amp"]
    assert one["weights_sha256"] == other["weights_sha256"] != variant["weights_sha256"]
    assert (one["steps"], one["precision"], variant["steps"]) == (6, "float16-amp", 3)
    assert one["tokens_per_second"] > 0
    assert one["peak_memory_bytes"] > 2**20
    assert one["first_loss"] != one["last_loss"]
    assert "trained twice: identical: 31 tensors" in capfd.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        full_size.main([])
    assert end.value.code == 2
    assert "PyTorch sees no CUDA GPU" in capsys.readouterr().err


def test_at_full_size_it_is_the_published_baseline() -> None:
    recipe = full_size.published_recipe(full_size.parsed([]), 200)
    assert recipe.steps == 200
    assert (recipe.tokens_per_step, recipe.batch.slots) == (98_304, 8)
    assert golden_digests(recipe.start) is not None
    assert recipe.optimizer.weight_decay == 0.1
    assert recipe.optimizer.clip_norm is None
    with pytest.raises(SystemExit):
        full_size.parsed(["--microbatch", "7"])
