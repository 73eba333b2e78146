"""Padded batches."""

from __future__ import annotations

from noiseband.finetune.data import IGNORED, collate
from noiseband.finetune.prompts import Example

EXAMPLES = [Example([1, 2, 3, 4, 9], prompt=3), Example([5, 6, 9], prompt=2)]


def test_padding_is_ignored_but_for_one_end_of_text() -> None:
    inputs, targets = collate(EXAMPLES, "text", pad=9)
    assert inputs.tolist() == [[1, 2, 3, 4], [5, 6, 9, 9]]
    assert targets.tolist() == [[2, 3, 4, 9], [6, 9, IGNORED, IGNORED]]


def test_loss_on_the_answer_leaves_out_the_prompt() -> None:
    inputs, targets = collate(EXAMPLES, "answer", pad=9)
    assert inputs.tolist() == [[1, 2, 3, 4], [5, 6, 9, 9]]
    # The last token of the prompt predicts the first of the answer.
    assert targets.tolist() == [
        [IGNORED, IGNORED, 4, 9],
        [IGNORED, 9, IGNORED, IGNORED],
    ]
