"""`transformers` loads an export like any GPT-2 of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel

from noiseband.corpus.vocabulary import build_vocabulary, load_encoding
from noiseband.errors import UserError
from noiseband.hub.export import FILES, write_export
from noiseband.model.generate import generate
from noiseband.model.init import initial_weights
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.tokenizer_files import FileTokenizer
from tests.hub.models import SMALL
from tests.own_tokenizers import AWKWARD, byte_level, lowering, sentencepiece

TEXTS = ["Grüße, world!\n", "def f(x):\n    return x", "<|endoftext|> <s></s>"]
CASES = [(bias, tied) for bias in (False, True) for tied in (False, True)]


def weights_of(model: Model, file: Path) -> Path:
    """Random weights, with norms other than 1 and 0, so that a missing tensor is noticed."""
    weights = initial_weights(model, "keyed", 42)
    generator = torch.Generator().manual_seed(1)
    for name, value in weights.items():
        if "norm" in name:
            value += 0.1 * torch.randn(value.shape, generator=generator)
    save_file(weights, file)
    return file


def exported(tmp_path: Path, vocabulary: Path, model: Model) -> tuple[Path, Path]:
    file, out = weights_of(model, tmp_path / "w.safetensors"), tmp_path / "out"
    write_export(file, model, vocabulary, out)
    return file, out


@pytest.mark.parametrize(("bias", "tied"), CASES)
def test_transformers_says_the_same(
    tmp_path: Path, vocabulary: Path, bias: bool, tied: bool
) -> None:
    model = SMALL.model_copy(update={"qkv_bias": bias, "tied": tied, "dropout": 0.25})
    file, out = exported(tmp_path, vocabulary, model)
    theirs: Any = AutoModelForCausalLM.from_pretrained(out)
    assert type(theirs) is GPT2LMHeadModel
    assert theirs.config.attn_pdrop == 0.25
    assert theirs.lm_head.weight.dtype == torch.float32
    assert (theirs.lm_head.weight is theirs.transformer.wte.weight) == tied
    ours = load_model(file, model, "explicit", torch.device("cpu"))
    tokens = torch.randint(model.vocabulary - 1, (8, model.context))
    with torch.no_grad():
        mine, its = ours(tokens), theirs(tokens).logits
    assert float((mine - its).abs().max() / mine.abs().max()) < 1e-5
    prompt = tokens[:, :6]
    said = theirs.generate(prompt, max_new_tokens=18, do_sample=False, eos_token_id=None)
    grown = generate(ours, prompt.tolist(), 18, rows=8)
    assert said[:, 6:].tolist() == grown
    assert len({tuple(row) for row in grown}) > 1


def test_a_tokenizer_comes_with_it(tmp_path: Path, vocabulary: Path) -> None:
    _, out = exported(tmp_path, vocabulary, SMALL)
    tokenizer: Any = AutoTokenizer.from_pretrained(out)
    encoding, text = load_encoding(vocabulary), "Grüße, world!\n"
    assert tokenizer(text)["input_ids"] == encoding.encode_ordinary(text)
    assert tokenizer.decode(encoding.encode_ordinary(text)) == text
    assert tokenizer.eos_token_id == tokenizer("<|endoftext|>")["input_ids"][0] == 256
    assert tokenizer.model_max_length == SMALL.context
    ends = json.loads((out / "generation_config.json").read_text())
    assert ends == {"bos_token_id": 256, "eos_token_id": 256, "pad_token_id": 256}


def test_no_code_and_the_same_bytes_a_second_time(tmp_path: Path, vocabulary: Path) -> None:
    file, out = exported(tmp_path, vocabulary, SMALL)
    assert sorted(one.name for one in out.iterdir()) == sorted(FILES)
    assert "auto_map" not in json.loads((out / "config.json").read_text())
    write_export(file, SMALL, vocabulary, tmp_path / "again")
    for name in FILES:
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 32}, "not weights of this model"),
        ({"tied": False}, "out_head.weight does not fit"),
        ({"layers": 3}, "trf_blocks.2"),
    ],
)
def test_weights_of_another_model(
    tmp_path: Path, vocabulary: Path, change: dict[str, object], said: str
) -> None:
    file = weights_of(SMALL, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=said):
        write_export(file, SMALL.model_copy(update=change), vocabulary, tmp_path / "out")


def test_another_vocabulary(tmp_path: Path, vocabulary: Path) -> None:
    model = SMALL.model_copy(update={"vocabulary": 300})
    file = weights_of(model, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="has 257 token ids, but the model has 300"):
        write_export(file, model, vocabulary, tmp_path / "out")
    (tmp_path / "bad").write_bytes(b"no")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        write_export(tmp_path / "bad", model, vocabulary, tmp_path / "out")


@pytest.mark.parametrize("name", ["bytes", "lowering", "unigram", "bpe"])
def test_transformers_gives_the_ids_of_a_tokenizer_of_ones_own(tmp_path: Path, name: str) -> None:
    texts = [*Path(__file__).read_text(encoding="utf-8").splitlines(), *TEXTS] * 3
    make = {
        "bytes": lambda: byte_level(texts, 320).encode(),
        "lowering": lambda: lowering(texts, 200).encode(),
        "unigram": lambda: sentencepiece(texts, 150, character_coverage=0.99),
        "bpe": lambda: sentencepiece(texts, 500, "bpe", byte_fallback=True),
    }
    file = tmp_path / ("t.model" if name in ("unigram", "bpe") else "t.json")
    file.write_bytes(make[name]())
    build_vocabulary(FileTokenizer(kind="file", path=str(file)), file, tmp_path / "vocabulary")
    encoding = load_encoding(tmp_path / "vocabulary")
    model = SMALL.model_copy(update={"vocabulary": encoding.n_vocab})
    _, out = exported(tmp_path, tmp_path / "vocabulary", model)
    names = ("tokenizer.model", "spiece.model") if file.suffix == ".model" else ("tokenizer.json",)
    for one in names:
        assert (out / one).read_bytes() == file.read_bytes()
    theirs: Any = AutoTokenizer.from_pretrained(out)
    assert (len(theirs), theirs.eos_token_id) == (encoding.n_vocab, encoding.eot_token)
    for text in [*AWKWARD, *TEXTS]:
        ids = theirs(text, add_special_tokens=False)["input_ids"]
        assert ids == encoding.encode_ordinary(text)
    ends = json.loads((out / "generation_config.json").read_text())
    assert set(ends.values()) == {encoding.eot_token}


def test_the_vocabulary_must_have_the_models_size(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(byte_level(TEXTS * 3, 270))
    build_vocabulary(FileTokenizer(kind="file", path=str(file)), file, tmp_path / "vocabulary")
    with pytest.raises(UserError, match="has 270 token ids, but the model has 257"):
        exported(tmp_path, tmp_path / "vocabulary", SMALL)
