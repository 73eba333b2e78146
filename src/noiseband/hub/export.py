"""A trained model as a folder that `transformers` loads without code of ours: a GPT2LMHeadModel."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from noiseband.errors import UserError
from noiseband.hub.gpt2 import config_of, to_gpt2
from noiseband.hub.tokenizer import write_tokenizer
from noiseband.io.checksums import intact
from noiseband.io.files import atomic, write_json
from noiseband.model.gpt import parameter_shapes
from noiseband.study.recipe import Model

FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
)
"""What an export is made of, the weights last."""


def write_export(weights: Path, model: Model, vocabulary: Path, out: Path) -> None:
    """Write `FILES` into `out`; equal inputs give equal bytes.

    Biases that the model lacks are zeros there, query, key and value are one projection, linear
    layers are transposed, and a head of its own stays one (`tie_word_embeddings: false`).

    Args:
        weights: safetensors file with the parameters by the reference's names, float32.
        model: its shape; `dropout` becomes the three probabilities of GPT-2's config.
        vocabulary: rank file of its tokens.
        out: folder; files of these names are replaced.

    Raises:
        UserError: the weights are not of this model, or the vocabulary is of another size.
    """
    try:
        tensors = load_file(intact(weights))
    except (SafetensorError, OSError) as error:
        raise UserError(f"{weights}: not a readable safetensors file ({error})") from None
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if odd := sorted(found.items() ^ parameter_shapes(model).items()):
        raise UserError(f"{weights}: not weights of this model: {odd[0][0]} does not fit its shape")
    end = write_tokenizer(vocabulary, model.context, out)
    if end + 1 != model.vocabulary:
        raise UserError(
            f"{vocabulary}: has {end + 1:,} token ids, the model {model.vocabulary:,}; give the "
            "vocabulary that the model was trained with"
        )
    ends = {"bos_token_id": end, "eos_token_id": end}
    dropout = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), model.dropout)
    config = {
        "architectures": ["GPT2LMHeadModel"],
        **config_of(model),
        "n_ctx": model.context,  # the old name of n_positions, which llama.cpp's converter reads
        **dropout,
        **ends,
        "dtype": "float32",
    }
    write_json(out / "config.json", config, checksum=False)
    write_json(out / "generation_config.json", {**ends, "pad_token_id": end}, checksum=False)
    with atomic(out / "model.safetensors", checksum=False) as temporary:
        save_file(to_gpt2(tensors, model), temporary, metadata={"format": "pt"})
