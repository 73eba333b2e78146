"""Train one recipe with noiseband, and with programs that use transformers."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.side_by_side import Pace
from noiseband.determinism import ARITHMETIC, autocast, pick_device
from noiseband.model.init import write_init
from noiseband.study.params import InitParams, TrainParams
from noiseband.train import objective
from noiseband.train.launch.processes import Processes
from noiseband.train.loop import take_step
from noiseband.train.schedule import rates
from noiseband.train.trainer import Job, Trainer


@dataclass(frozen=True)
class Work:
    """The work that is the same for every contender."""

    params: str
    """TrainParams as JSON, with enough tokens for every step."""
    deterministic: bool = True

    def read(self) -> tuple[TrainParams, NDArray[np.uint16], dict[str, Tensor], torch.device]:
        """Params, random tokens, initial weights by reference name, device.

        The frequency of the n-th token falls as 1/n, as that of words does: the gradient of an
        embedding takes longer for common tokens than for rare ones.
        """
        params = TrainParams.model_validate_json(self.params)
        recipe = params.recipe
        torch.set_num_threads(recipe.threads)
        generator = np.random.Generator(np.random.PCG64(0))
        vocabulary, count = recipe.model.vocabulary, recipe.last_token
        tokens = (np.power(float(vocabulary), generator.random(count)) - 1).astype(np.uint16)
        with tempfile.TemporaryDirectory() as folder:
            file, start = Path(folder, "init.safetensors"), InitParams.of(recipe)
            write_init(start.model, start.method, start.seed, file, Path(folder, "init.json"))
            weights = load_file(file)
        return params, tokens, weights, pick_device()


@dataclass(frozen=True)
class Noiseband(Work):
    """The real trainer, with all checks and records of a step, but without files."""

    def trainer(self, processes: Processes | None = None) -> Trainer:
        """The trainer on random tokens."""
        params, tokens, weights, _ = self.read()
        with tempfile.TemporaryDirectory() as folder:
            init = Path(folder, "init.safetensors")
            save_file(weights, init)
            ranks = {bytes([byte]): byte for byte in range(256)}
            encoding = tiktoken.Encoding(
                "bytes", pat_str=".", mergeable_ranks=ranks, special_tokens={}
            )
            job = Job(params, tokens, encoding, init, work=Path(folder), out=Path(folder))
            return Trainer(job, processes)

    def __call__(self, pace: Pace) -> None:
        if not self.deterministic:
            objective.ON_GPU = {**objective.ON_GPU, "deterministic": False}
        trainer = self.trainer()
        if not self.deterministic:
            # Before the first step, in which the compiler chooses attention's kernel.
            torch.set_deterministic_debug_mode("default")
        pace.begin()
        for _ in range(trainer.recipe.steps):
            pace.step(take_step(trainer).loss)


@dataclass(frozen=True)
class Loop(Work):
    """A plain loop around transformers' GPT2LMHeadModel."""

    attention: str = "sdpa"

    def __call__(self, pace: Pace) -> None:
        params, tokens, weights, device = self.read()
        recipe = params.recipe
        slots, size, context = recipe.batch.slots, recipe.batch.microbatch, recipe.model.context
        model = hugging_face(params, weights, self.attention).to(device)
        forward: Any = torch.compile(model) if recipe.compile else model
        optimizer = _adamw(model, params)
        scaler = torch.amp.GradScaler(device.type, enabled=ARITHMETIC[recipe.precision].scales_loss)
        data = torch.from_numpy(tokens.astype(np.int64)).to(device)
        set_tf32(params)
        pace.begin()
        for step in range(recipe.steps):
            total = torch.zeros((), device=device)
            for slot in range(slots):
                begin = (step * slots + slot) * size * context
                inputs = data[begin : begin + size * context].view(size, context)
                targets = data[begin + 1 : begin + size * context + 1]
                with autocast(recipe.precision, device)():
                    logits = forward(inputs, use_cache=False).logits.flatten(0, 1)
                    loss = F.cross_entropy(logits.float(), targets) / slots
                scaler.scale(loss).backward()
                total += loss.detach()
            if recipe.optimizer.clip_norm is not None:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), recipe.optimizer.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = rates(recipe, step).learning_rate
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            pace.step(float(total))


@dataclass(frozen=True)
class HuggingFaceTrainer(Work):
    """transformers.Trainer with everything except training turned off."""

    attention: str = "sdpa"

    def __call__(self, pace: Pace) -> None:
        import transformers

        params, tokens, weights, device = self.read()
        recipe = params.recipe
        context, lost = recipe.model.context, list[Tensor]()
        data = torch.from_numpy(tokens.astype(np.int64))
        model = hugging_face(params, weights, self.attention)
        model.config.use_cache = False
        optimizer = _adamw(model.to(device), params)
        peak = recipe.optimizer.learning_rate
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rates(recipe, min(step, recipe.steps - 1)).learning_rate / peak
        )

        class Sequences(torch.utils.data.Dataset[dict[str, Tensor]]):
            def __len__(self) -> int:
                return recipe.steps * recipe.batch.sequences

            def __getitem__(self, index: int) -> dict[str, Tensor]:
                at = index * context
                return {
                    "input_ids": data[at : at + context],
                    "labels": data[at + 1 : at + context + 1],
                }

        def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any) -> Tensor:
            flat = outputs.logits.flatten(0, 1).float()
            value = F.cross_entropy(flat, labels.flatten(), reduction="sum") / num_items_in_batch
            lost.append(value.detach())
            return value

        class Turns(transformers.TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                total = float(torch.stack(lost).sum())
                lost.clear()
                pace.step(total)

        class InOrder(transformers.Trainer):
            def _get_train_sampler(self, *_: Any) -> Any:
                return torch.utils.data.SequentialSampler(self.train_dataset)

        arithmetic = ARITHMETIC[recipe.precision]
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=recipe.batch.microbatch,
                gradient_accumulation_steps=recipe.batch.slots,
                max_steps=recipe.steps,
                max_grad_norm=recipe.optimizer.clip_norm or 0.0,
                fp16=arithmetic.autocast is torch.float16,
                bf16=arithmetic.autocast is torch.bfloat16,
                torch_compile=recipe.compile,
                use_cpu=device.type == "cpu",
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=device.type == "cuda",
            )
            trainer = InOrder(
                model=model,
                args=arguments,
                train_dataset=Sequences(),
                optimizers=(optimizer, schedule),
                compute_loss_func=loss,
                callbacks=[Turns()],
            )
            set_tf32(params)
            pace.begin()
            trainer.train()


def hugging_face(params: TrainParams, weights: dict[str, Tensor], attention: str) -> Any:
    """A GPT2LMHeadModel that computes the same function, with the same initial weights.

    It is in training mode.
    """
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    import transformers

    shape = params.recipe.model
    model = transformers.GPT2LMHeadModel._from_config(
        transformers.GPT2Config(
            vocab_size=shape.vocabulary,
            n_positions=shape.context,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            activation_function="gelu_new",
            resid_pdrop=shape.dropout,
            embd_pdrop=shape.dropout,
            attn_pdrop=shape.dropout,
            tie_word_embeddings=shape.tied,
            bos_token_id=None,
            eos_token_id=None,
        ),
        attn_implementation=attention,
    )
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in _renamed(weights, shape.layers).items():
            own.pop(name).copy_(value)
    for name, parameter in own.items():
        # The published model has no bias here; GPT-2 has one, which is set to zero.
        assert name.endswith("attn.c_attn.bias"), name
        parameter.requires_grad_(False).zero_()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == sum(value.numel() for value in weights.values())
    return model.train()


def _renamed(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The reference's parameters under GPT-2's names, with matrices as (in, out)."""
    found = {
        "transformer.wte.weight": weights["tok_emb.weight"],
        "transformer.wpe.weight": weights["pos_emb.weight"],
        "transformer.ln_f.weight": weights["final_norm.scale"],
        "transformer.ln_f.bias": weights["final_norm.shift"],
    }
    if "out_head.weight" in weights:
        found["lm_head.weight"] = weights["out_head.weight"]
    for layer in range(layers):
        theirs, ours = f"transformer.h.{layer}.", f"trf_blocks.{layer}."
        kinds = [f"{ours}att.W_{kind}" for kind in ("query", "key", "value")]
        found[f"{theirs}attn.c_attn.weight"] = torch.cat([weights[f"{k}.weight"] for k in kinds]).T
        if f"{kinds[0]}.bias" in weights:
            found[f"{theirs}attn.c_attn.bias"] = torch.cat([weights[f"{k}.bias"] for k in kinds])
        for name, own in (
            ("attn.c_proj", "att.out_proj"),
            ("mlp.c_fc", "ff.layers.0"),
            ("mlp.c_proj", "ff.layers.2"),
        ):
            found[f"{theirs}{name}.weight"] = weights[f"{ours}{own}.weight"].T
            found[f"{theirs}{name}.bias"] = weights[f"{ours}{own}.bias"]
        for name, own in (("ln_1", "norm1"), ("ln_2", "norm2")):
            found[f"{theirs}{name}.weight"] = weights[f"{ours}{own}.scale"]
            found[f"{theirs}{name}.bias"] = weights[f"{ours}{own}.shift"]
    return found


def set_tf32(params: TrainParams) -> None:
    tf32 = ARITHMETIC[params.recipe.precision].tf32
    torch.backends.cuda.matmul.fp32_precision = "tf32" if tf32 else "ieee"


def _adamw(model: Any, params: TrainParams) -> torch.optim.Optimizer:
    options = params.recipe.optimizer
    return torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=options.learning_rate,
        betas=(options.betas[0], options.betas[1]),
        eps=options.eps,
        weight_decay=options.weight_decay,
        fused=options.fused,
    )
