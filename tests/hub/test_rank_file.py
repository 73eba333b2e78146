"""A tokenizer of the library `tokenizers` gives the same tokens as the rank file made from it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiktoken import Encoding
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from noiseband.corpus.vocabulary import load_ranks
from noiseband.errors import UserError
from noiseband.hub.rank_file import RankFile, read_tokenizer
from noiseband.hub.tokenizer import write_tokenizer
from tests.hub.test_tokenizer import TEXTS

END = "<|endoftext|>"


def train(folder: Path, special: list[str], end: str = END) -> Tokenizer:
    """Train one of 700 ids on this file, as the library's guide does, and save it."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = Path(__file__).read_text(encoding="utf-8").replace(END, "")
    made.train_from_iterator([text, *TEXTS], trainer)
    save(made, folder, end)
    return made


def save(tokenizer: Tokenizer, folder: Path, end: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": end}))


def encoding_of(found: RankFile, file: Path) -> Encoding:
    file.write_bytes(found.lines)
    return load_ranks(file)


@pytest.fixture(scope="module", params=["end first", "end last", "others"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, RankFile, Encoding]:
    """A tokenizer with end-of-text before or behind the others, or among other special tokens."""
    folder = tmp_path_factory.mktemp("trained")
    if request.param == "others":
        tokenizer = train(folder, ["<pad>", "</s>", "<unk>"], end="</s>")
    else:
        tokenizer = train(folder, [END] if request.param == "end first" else [])
        tokenizer.add_special_tokens([END])
        save(tokenizer, folder, END)
    found = read_tokenizer(folder)
    return tokenizer, found, encoding_of(found, folder / "vocabulary.tiktoken")


@given(st.one_of(st.text(), st.text("a 's1\n.é<"), st.lists(st.sampled_from(TEXTS)).map("".join)))
def test_any_text_gives_the_same_tokens(
    trained: tuple[Tokenizer, RankFile, Encoding], text: str
) -> None:
    tokenizer, found, encoding = trained
    ours = encoding.encode_ordinary(text)
    assert [found.ids[one] for one in ours] == tokenizer.encode(text).ids
    assert encoding.decode(ours) == text


def test_the_last_id_is_end_of_text_and_other_special_tokens_are_left_out(
    trained: tuple[Tokenizer, RankFile, Encoding],
) -> None:
    tokenizer, found, encoding = trained
    others = tokenizer.token_to_id("<pad>") is not None
    assert found.ids[encoding.eot_token] == tokenizer.token_to_id("</s>" if others else END)
    assert len(found.ids) == encoding.n_vocab
    assert tokenizer.get_vocab_size() - len(found.ids) == (2 if others else 0)


def test_gpt2s_vocabulary_comes_back_to_the_byte(tmp_path: Path) -> None:
    ranks = resources.files("noiseband.corpus").joinpath("gpt2.tiktoken").read_bytes()
    (tmp_path / "gpt2.tiktoken").write_bytes(ranks)
    write_tokenizer(tmp_path / "gpt2.tiktoken", 1024, tmp_path)
    found = read_tokenizer(tmp_path)
    assert found.lines == ranks
    assert found.ids == list(range(50257))


def test_what_transformers_saves_is_read(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    made = train(tmp_path / "plain", [END])
    made.post_processor = None  # transformers writes a template, which adds nothing
    saved = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END)
    saved.save_pretrained(tmp_path / "saved")
    assert "TemplateProcessing" in (tmp_path / "saved/tokenizer.json").read_text()
    assert read_tokenizer(tmp_path / "saved") == read_tokenizer(tmp_path / "plain")
    (tmp_path / "plain/tokenizer_config.json").unlink()
    assert read_tokenizer(tmp_path / "saved") == read_tokenizer(tmp_path / "plain")


Change = Callable[[dict[str, Any]], Any]
REFUSED: dict[str, tuple[Change, str]] = {
    "kind": (lambda t: t["model"].update(type="Unigram"), "model.type is Unigram, not BPE"),
    "dropout": (lambda t: t["model"].update(dropout=0.1), "model.dropout is 0.1"),
    "suffix": (lambda t: t["model"].update(end_of_word_suffix="</w>"), 'suffix is "</w>"'),
    "blank": (lambda t: t["pre_tokenizer"].update(add_prefix_space=True), "pre_tokenizer is"),
    "pattern": (lambda t: t["pre_tokenizer"].update(use_regex=False), "pre_tokenizer is"),
    "no split": (lambda t: t.update(pre_tokenizer=None), "pre_tokenizer is {}"),
    "normalizer": (lambda t: t.update(normalizer={"type": "NFC"}), "normalizer is NFC"),
    "template": (
        lambda t: t.update(
            post_processor={
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": END}}, {"Sequence": {"id": "A"}}],
            }
        ),
        "post_processor is TemplateProcessing, which adds tokens",
    ),
    "added": (
        lambda t: t["added_tokens"].append({"id": 700, "content": "we", "special": False}),
        'the added token "we" is not special',
    ),
    "order": (lambda t: t["model"]["merges"].reverse(), "model.merges are not"),
    "twice": (lambda t: t["model"]["merges"].append(t["model"]["merges"][0]), "model.merges are"),
    "bytes": (lambda t: t["model"]["vocab"].pop("Ā"), "1 of the 256 bytes have no token"),
    "end": (
        lambda t: (t["added_tokens"].clear(), t["model"]["vocab"].pop(END)),
        r"has no token <\|endoftext\|>",
    ),
    "merge": (lambda t: t["model"]["merges"].append("abc"), "not a file of the library tokenizers"),
    "empty": (lambda t: t.clear(), "not a file of the library tokenizers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_rank_file_cannot_express_is_one_line_with_a_remedy(
    name: str, tmp_path: Path
) -> None:
    change, said = REFUSED[name]
    train(tmp_path, [END])
    whole = json.loads((tmp_path / "tokenizer.json").read_text())
    change(whole)
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    with pytest.raises(UserError, match=said) as error:
        read_tokenizer(tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_tokenizer_says_how_to_save_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"No such file.*save the tokenizer with the model"):
        read_tokenizer(tmp_path)


def test_lines_are_those_of_a_rank_file(tmp_path: Path) -> None:
    train(tmp_path, [END])
    first, *_, last = read_tokenizer(tmp_path).lines.splitlines()
    assert first == base64.b64encode(b"!") + b" 0"
    assert last.endswith(b" 698")
