"""A GPT2LMHeadModel that a command exported becomes a model that noiseband fine-tunes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from noiseband.corpus.byte_names import byte_names
from noiseband.corpus.vocabulary import load_ranks
from noiseband.errors import UserError
from noiseband.hub.convert import write_converted
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from tests.hub.models import SMALL, saved_gpt2
from tests.hub.test_rank_file import train

PADDED = SMALL.model_copy(update={"vocabulary": 704})
TEXT = "In the beginning God created the heavens"


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with a model that has more ids than its tokenizer, and the library's model."""
    folder = tmp_path_factory.mktemp("exported")
    train(folder, ["<pad>", "<|endoftext|>"])
    return folder, saved_gpt2(folder, PADDED.model_copy(update={"tied": request.param}))


def test_it_predicts_as_the_exported_model_does(exported: Any, tmp_path: Path) -> None:
    folder, theirs = exported
    write_converted(folder, tmp_path)
    shape = Model(**json.loads((tmp_path / "shape.json").read_text()))
    assert (shape.vocabulary, shape.context, shape.qkv_bias) == (699, 24, True)
    ours = load_model(tmp_path / "model.safetensors", shape, "explicit", torch.device("cpu"))
    encoding = load_ranks(tmp_path / "vocabulary.tiktoken")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    one = torch.tensor([[*encoding.encode_ordinary(TEXT), encoding.eot_token]])
    two = torch.tensor([tokenizer.encode(f"{TEXT}<|endoftext|>").ids])
    assert encoding.eot_token == 698
    assert two[0, -1] == 1
    names, vocabulary = byte_names(), tokenizer.get_vocab()
    tokens = [encoding.decode_single_token_bytes(rank) for rank in range(698)]
    ids = [vocabulary["".join(names[byte] for byte in token)] for token in tokens]
    with torch.no_grad():
        mine, its = ours(one), theirs(two).logits[..., [*ids, 1]]
    torch.testing.assert_close(mine, its, atol=1e-5, rtol=0)


def test_equal_exports_give_equal_bytes_and_weights_may_be_not_finite(
    exported: Any, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported[0], tmp_path / "export")
    weights = load_file(folder / "model.safetensors")
    weights["transformer.ln_f.bias"][0] = float("nan")
    half = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("one", "two"):
        write_converted(folder, tmp_path / name)
    for name in ("model.safetensors", "shape.json", "vocabulary.tiktoken"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    found = load_file(tmp_path / "one/model.safetensors")["final_norm.shift"]
    assert found.dtype == torch.float32
    assert found.isnan().tolist() == [True] + [False] * 15


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "config.json",
            '"gelu_new"',
            '"relu"',
            "activation_function is .*no such kind",
        ),
        ("config.json", '"n_embd": 16', '"n_embd": 17', "not the config of a gpt2"),
        ("config.json", '"n_layer": 2', '"n_layer": 3', "not the GPT2LMHeadModel"),
        ("config.json", '"vocab_size": 704', '"vocab_size": 650', "has the id 699, but .* 650 ids"),
        ("config.json", "{", "", "config.json: not JSON"),
        ("config.json", None, "", "config.json: no such file; .*model.save_pretrained"),
        ("model.safetensors", None, "", "model.safetensors: no such file; .*in one file"),
        ("tokenizer.json", None, "", "tokenizer.json: No such file.*save the tokenizer"),
    ],
)
def test_another_model_is_one_line_and_nothing_is_written(
    exported: Any, tmp_path: Path, file: str, old: str | None, new: str, said: str
) -> None:
    folder = shutil.copytree(exported[0], tmp_path / "export")
    if old is None:
        (folder / file).unlink()
    else:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=said) as error:
        write_converted(folder, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
