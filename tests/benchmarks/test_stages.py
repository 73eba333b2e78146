"""Fine-tuning's contenders train the same, and the stages share out their time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks import finetuning
from benchmarks.side_by_side import Contender
from benchmarks.sizes import GPT2_SMALL, TINY
from benchmarks.stages import stages, tuning
from benchmarks.train_throughput import Budget
from noiseband.study.load import parse_study
from tests.benchmarks.test_contenders import Losses


class Enough(Exception):
    pass


class Few(Losses):
    """Ends its contender after four steps."""

    def step(self, loss: float) -> None:
        super().step(loss)
        if len(self.losses) == 4:
            raise Enough


def losses(contender: Contender) -> list[float]:
    pace = Few()
    with pytest.raises(Enough):
        contender(pace)
    return pace.losses


def test_fine_tuning_loses_alike_step_by_step(study_data: Any) -> None:
    pytest.importorskip("transformers")
    text = tuning(parse_study(study_data), {**GPT2_SMALL, **TINY}).text
    mine, theirs = losses(finetuning.Noiseband(text)), losses(finetuning.Transformers(text))
    assert len(set(mine)) == 4
    assert theirs == pytest.approx(mine, rel=1e-4)


def test_rows_are_as_long_as_they_are_counted() -> None:
    import numpy as np

    lengths = finetuning.lengths(64)
    tokens = np.arange(64 * 65, dtype=np.uint16)
    rows = finetuning.examples(tokens, 64)
    assert [len(row.tokens) - 1 for row in rows] == lengths
    assert (min(lengths) >= 16, max(lengths) < 64, len(rows)) == (True, True, 64)


def test_every_stage_has_noiseband_first(study_data: Any) -> None:
    for stage in stages(parse_study(study_data), tiny=True).values():
        assert next(iter(stage.contenders)) == "noiseband"
        assert "transformers, sdpa" in stage.contenders
        assert stage.tokens > 0


def test_what_one_comparison_leaves_is_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    budget = Budget(minutes=1.0, comparisons=3)
    assert budget.next() == 120.0
    now = 110.0  # ten seconds early
    assert budget.next() == 135.0
    now = 200.0  # late
    assert budget.next() == 200.0
