"""Files that other programs wrote, once for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of transformers' Trainer: six steps, logged and evaluated."""
    import torch
    from torch.utils.data import Dataset
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    class Rows(Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, row: int) -> dict[str, Any]:
            tokens = torch.arange(row, row + 8) % 16
            return {"input_ids": tokens, "labels": tokens}

    folder = tmp_path_factory.mktemp("base-s1")
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1, eos_token_id=0)
    )
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=6, per_device_train_batch_size=4, logging_steps=2,
        eval_strategy="steps", eval_steps=3, save_strategy="no", report_to=[], use_cpu=True,
        disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=Rows(), eval_dataset=Rows())
    trainer.train()
    trainer.save_state()
    return folder
