"""The contenders generate the same tokens: what is compared is speed alone."""

from __future__ import annotations

import pytest

from benchmarks.generation import Generation, Plan, check_agreement, contenders, params_for
from benchmarks.side_by_side import Measured

TINY = {"vocabulary": 300, "context": 32, "width": 32, "heads": 2, "layers": 2}


@pytest.mark.parametrize("changes", [{}, {"tied": True, "qkv_bias": True}], ids=["plain", "tied"])
def test_all_find_the_same_tokens(changes: dict[str, bool]) -> None:
    pytest.importorskip("transformers")
    plan = Plan(TINY | changes, prompt=5, new=20, texts=8, uncached=True)
    found = {}
    for name, contender in contenders(params_for(plan), plan).items():
        assert isinstance(contender, Generation)
        go_on, prompts = contender.prepare()
        assert prompts.shape == (8, 5)
        found[name] = go_on(prompts)
    assert len(found) == 4
    assert [len(text) for text in found["noiseband"]] == [20] * 8
    assert len({token for text in found["noiseband"] for token in text}) > 3
    assert all(texts == found["noiseband"] for texts in found.values())


def test_other_tokens_end_the_comparison() -> None:
    same = {"noiseband": Measured(first_losses=[1.0]), "other": Measured(first_losses=[1.0])}
    check_agreement(same)
    with pytest.raises(SystemExit, match="other generates other tokens"):
        check_agreement(same | {"other": Measured(first_losses=[2.0])})
