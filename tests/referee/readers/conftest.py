"""Files that other programs wrote, once for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
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


PROJECT = """
import trackio
quiet = dict(embed=False, auto_log_cpu=False, auto_log_gpu=False)
for arm, seed, losses in [("base", 1, [4, 3.5]), ("base", 2, [4, 3.25]), ("wide", 1, [4, 3, None])]:
    config = {"arm": arm, "seed": seed, "loss": "cross-entropy", "model": {"width": 64}}
    trackio.init(project="small", name=f"{arm}-s{seed}", config=config, **quiet)
    for step, loss in enumerate(losses):
        values = {"loss": float("nan") if loss is None else loss, "test": {"accuracy": step / 2}}
        trackio.log(values, step=step)
    trackio.finish()
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a project of trackio with three runs, written by trackio in a process."""
    folder = tmp_path_factory.mktemp("trackio")
    environment = {name: value for name, value in os.environ.items() if name[:8] != "TRACKIO_"}
    environment["TRACKIO_DIR"] = str(folder)
    subprocess.run(
        [sys.executable, "-c", PROJECT], env=environment, check=True, capture_output=True
    )
    return folder / "small.db"
