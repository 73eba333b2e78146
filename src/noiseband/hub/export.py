"""Export a trained model as a class of `transformers`, which loads it without our code."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from noiseband.corpus.vocabulary import load_encoding
from noiseband.errors import UserError
from noiseband.hub.classes import class_of, config_of, to_hub
from noiseband.hub.tokenizer import write_tokenizer
from noiseband.io.checksums import intact
from noiseband.io.files import atomic, write_json
from noiseband.model.gpt import parameter_shapes
from noiseband.study.architecture import Model

FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
)
"""The files of an export; the weights are written last."""


def write_export(weights: Path, model: Model, vocabulary: Path, out: Path) -> None:
    """Write `FILES` into `out`; equal inputs give equal bytes.

    With a SentencePiece model there are `hub.tokenizer.SENTENCEPIECE` instead of `tokenizer.json`.

    The class is the first of `study.hub_classes` that computes the model. Biases that the model
    does not have become zeros. For a GPT2LMHeadModel, query, key and value become one projection,
    and linear layers are transposed. An untied head stays untied (`tie_word_embeddings: false`).

    Args:
        weights: safetensors file with the parameters under the reference's names, float32.
        model: the model's shape; `dropout` becomes the probabilities of the class's config.
        vocabulary: that of the model's tokens.
        out: folder; files with these names are replaced.

    Raises:
        UserError: no class computes this model, the weights do not fit it, or the
            vocabulary has another size.
    """
    class_of(model)  # refuses a model of another kind before any file is written
    try:
        tensors = load_file(intact(weights))
    except (SafetensorError, OSError) as error:
        raise UserError(f"{weights}: not a readable safetensors file ({error})") from None
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if odd := sorted(found.items() ^ parameter_shapes(model).items()):
        raise UserError(f"{weights}: not weights of this model: {odd[0][0]} does not fit")
    size = load_encoding(vocabulary).n_vocab
    end = write_tokenizer(vocabulary, model.context, out)
    if size != model.vocabulary:
        raise UserError(
            f"{vocabulary}: has {size:,} token ids, but the model has {model.vocabulary:,}; "
            "give the vocabulary that the model was trained with"
        )
    ends = {"bos_token_id": end, "eos_token_id": end}
    config = {**config_of(model), **ends, "dtype": "float32"}
    write_json(out / "config.json", config, checksum=False)
    write_json(out / "generation_config.json", {**ends, "pad_token_id": end}, checksum=False)
    with atomic(out / "model.safetensors", checksum=False) as temporary:
        save_file(to_hub(tensors, model), temporary, metadata={"format": "pt"})
