"""Ids and texts are those of the libraries themselves, on texts that are hard on a tokenizer."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer, models, pre_tokenizers

from noiseband.corpus.documents import SPLITS
from noiseband.corpus.encode import encode
from noiseband.corpus.fetched_tokens import fetch_tokens
from noiseband.corpus.own_tokenizers import OwnEncoding
from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.tokens import tokenize
from noiseband.corpus.vocabulary import (
    build_vocabulary,
    copy_vocabulary,
    load_encoding,
    token_bytes,
)
from noiseband.errors import UserError
from noiseband.io.files import read_json
from noiseband.study.data_params import FetchTokensParams
from noiseband.study.tokenizer_files import FileTokenizer
from tests.hub.server import COMMIT, Hub
from tests.own_tokenizers import AWKWARD, byte_level, lowering, sentencepiece

TEXTS = (
    Path(__file__).read_text().splitlines() + [text for text in AWKWARD if "\0" not in text]
) * 3
MADE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "bytes": ("tokenizer.json", lambda: byte_level(TEXTS, 320).encode()),
    "last": ("tokenizer.json", lambda: byte_level(TEXTS, 320, last=True).encode()),
    "lowering": ("bert.json", lambda: lowering(TEXTS, 200).encode()),
    "unigram": ("spm.model", lambda: sentencepiece(TEXTS, 150, character_coverage=0.99)),
    "fallback": ("spm.model", lambda: sentencepiece(TEXTS, 500, "bpe", byte_fallback=True)),
    "identity": (
        "spm.model",
        lambda: sentencepiece(
            TEXTS,
            200,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
        ),
    ),
}
LOSSLESS = ("bytes", "last")


class Made:
    """A tokenizer's file, and the vocabulary that a study makes of it."""

    def __init__(self, folder: Path, name: str) -> None:
        file, make = MADE[name]
        self.path, self.vocabulary = folder / file, folder / "vocabulary.tiktoken"
        self.path.write_bytes(make())
        self.tokenizer = FileTokenizer(kind="file", path=str(self.path))
        build_vocabulary(self.tokenizer, self.path, self.vocabulary)
        found = load_encoding(self.vocabulary)
        assert isinstance(found, OwnEncoding)
        self.encoding = found

    def ids(self, text: str) -> list[int]:
        """The ids by the library itself."""
        if self.path.suffix == ".model":
            found = SentencePieceProcessor(model_file=str(self.path)).encode(text)
            return list(found)
        own = Tokenizer.from_file(str(self.path))
        own.encode_special_tokens = True
        return list(own.encode(text, add_special_tokens=False).ids)


def write_splits(folder: Path, texts: list[str]) -> None:
    """Write the same documents as every split."""
    folder.mkdir(exist_ok=True)
    for split in SPLITS:
        lines = [json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)]
        (folder / f"{split}.jsonl").write_text("".join(lines))


@pytest.fixture(scope="module", params=MADE)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("exact"), "bytes")


def test_ids_are_the_librarys(made: Made) -> None:
    for text in AWKWARD:
        ids = made.encoding.encode_ordinary(text)
        assert ids == made.ids(text)
        assert made.encoding.eot_token not in ids and max(ids, default=0) < made.encoding.n_vocab


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=6))
def test_ids_of_any_documents_are_the_librarys(made: Made, texts: list[str]) -> None:
    expected = [id for text in texts for id in [*made.ids(text), made.encoding.eot_token]]
    found = [id for part in encode(made.encoding, texts) for id in part.tolist()]
    assert found == expected


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_byte_level_tokenizer_loses_nothing(exact: Made, text: str) -> None:
    ids = exact.encoding.encode_ordinary(text)
    assert exact.encoding.decode(ids) == text
    assert exact.encoding.decode_bytes(ids) == text.encode()
    lengths = token_bytes(exact.encoding)
    assert lengths is not None and int(lengths[ids].sum()) == len(text.encode())
    assert lengths[exact.encoding.eot_token] == 0


def test_bytes_are_known_only_where_none_is_lost(made: Made) -> None:
    known = token_bytes(made.encoding) is not None
    assert known == (made.path.name == "tokenizer.json")


def test_a_byte_level_tokenizer_that_changes_text_has_no_bytes(tmp_path: Path) -> None:
    def known(**changes: object) -> bool:
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(json.loads(byte_level(TEXTS, 300)) | changes))
        build_vocabulary(FileTokenizer(kind="file", path=str(path)), path, tmp_path / "v")
        return token_bytes(load_encoding(tmp_path / "v")) is not None

    byte = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    assert known()
    assert not known(normalizer={"type": "NFC"})
    assert not known(pre_tokenizer={**byte, "add_prefix_space": True})
    split = {"type": "Split", "pattern": {"String": "a"}, "invert": False}
    for behaviour, exact in (("Isolated", True), ("Removed", False)):
        parts = [{**split, "behavior": behaviour}, {**byte, "use_regex": False}]
        assert known(pre_tokenizer={"type": "Sequence", "pretokenizers": parts}) == exact


def test_a_sample_goes_on_after_its_prompt(made: Made) -> None:
    """A blank before the first word is part of the text, which libraries leave out."""
    prompt, whole = (made.encoding.encode_ordinary(text) for text in ("import", "import the"))
    assert whole[: len(prompt)] == prompt
    assert made.encoding.decode(whole[len(prompt) :]) == " the"


def test_ends_of_texts_are_shown(made: Made) -> None:
    ids = [*made.encoding.encode_ordinary("the"), made.encoding.eot_token]
    end = made.encoding.end_of_text
    assert made.encoding.decode([*ids, *ids]).split(end)[1:] == ["the", ""]


def test_special_text_is_text_unless_it_is_allowed(made: Made) -> None:
    end = made.encoding.eot_token
    text = f"one{made.encoding.end_of_text}two"
    (plain, *more) = list(encode(made.encoding, [text]))
    assert not more and plain.tolist().count(end) == 1 and plain[-1] == end
    allowed = np.concatenate([*encode(made.encoding, [text], allow_special=True)]).tolist()
    assert allowed == [*made.ids("one"), end, *made.ids("two"), end]


def test_the_vocabulary_needs_no_other_file(tmp_path: Path) -> None:
    own = Made(tmp_path, "unigram")
    expected = own.ids("the text")
    copy_vocabulary(own.tokenizer, own.vocabulary, tmp_path / "copy")
    content = own.path.read_bytes()
    own.path.unlink()
    again = load_encoding(tmp_path / "copy")
    assert isinstance(again, OwnEncoding) and again.kept.content == content
    assert again.encode_ordinary("the text") == expected


def test_the_files_of_a_corpus_are_those_of_any_number_of_threads(
    made: Made, tmp_path: Path
) -> None:
    texts = [text for text in AWKWARD if text]
    write_splits(tmp_path / "corpus", texts)
    for name, workers in (("one", 1), ("two", 2)):
        tokenize(tmp_path / "corpus", made.vocabulary, None, tmp_path / name, workers=workers)
    one, two = (tmp_path / name / "test.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    end = made.encoding.eot_token
    expected = [id for text in texts for id in [*made.ids(text), end]]
    assert open_tokens(one).tolist() == expected
    split = read_json(tmp_path / "one/card.json")["splits"]["test"]
    assert split["bytes"] == sum(len(text.encode()) for text in texts)


SHOWN = ["a text", "a text of TWO  parts", "a text with \u2603"]
"""The first two are of the characters on which the tokenizers are trained; the snowman is not."""
LOST = {
    "bytes": {},
    "last": {},
    "lowering": {"changed": 1, "unknown": 1},
    "unigram": {"changed": 1, "unknown": 1},
    "fallback": {"changed": 1},
    "identity": {"unknown": 1},
}


def test_documents_that_do_not_decode_to_their_text_are_counted(
    made: Made, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write_splits(tmp_path, SHOWN)
    tokenize(tmp_path, made.vocabulary, None, tmp_path / "out")
    for split in read_json(tmp_path / "out/card.json")["splits"].values():
        counts = {name: split[name] for name in ("changed", "unknown") if name in split}
        assert counts == LOST[request.node.callspec.params["made"]]


def test_a_part_of_a_document_that_is_lost_counts_once(tmp_path: Path) -> None:
    path, vocabulary = tmp_path / "tokenizer.json", tmp_path / "vocabulary"
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.add_special_tokens(["</s>"])
    words.save(str(path))
    build_vocabulary(FileTokenizer(kind="file", path=str(path)), path, vocabulary)
    write_splits(tmp_path, ["a</s>b</s>c", "a</s>a"])
    tokenize(tmp_path, vocabulary, None, tmp_path / "out", allow_special=True)
    size = read_json(tmp_path / "out/card.json")["splits"]["test"]
    assert (size["documents"], size["unknown"]) == (2, 1)
    assert "changed" not in size


def many_words(path: Path) -> FileTokenizer:
    """A tokenizer with 70,000 words, of which the last is end-of-text."""
    made = Tokenizer(models.WordLevel({f"w{id}": id for id in range(69_999)}, unk_token="w0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["</s>"])
    made.save(str(path))
    return FileTokenizer(kind="file", path=str(path))


def test_more_ids_than_16_bits_have_are_32_bits_wide(tmp_path: Path) -> None:
    path, vocabulary = tmp_path / "tokenizer.json", tmp_path / "vocabulary"
    tokenizer = many_words(path)
    assert tokenizer.facts == (70_000, 69_999)
    build_vocabulary(tokenizer, path, vocabulary)
    write_splits(tmp_path, ["w1 w65536 w69998", "other"])
    tokenize(tmp_path, vocabulary, None, tmp_path / "out")
    file = tmp_path / "out/test.safetensors"
    ids = open_tokens(file)
    assert ids.dtype == np.dtype("<u4")
    assert ids.tolist() == [1, 65_536, 69_998, 69_999, 0, 69_999]
    # Both libraries read it, with ids that PyTorch can look up.
    numpy, torch = load_file(file)["tokens"], load_torch(file)["tokens"]
    assert numpy.dtype == np.int32 and torch.tolist() == numpy.tolist() == ids.tolist()
    assert read_json(tmp_path / "out/card.json")["test_unigram_nats"] == pytest.approx(
        -(2 * math.log(2 / 6) + 4 * math.log(1 / 6)) / 6, abs=1e-6
    )


@pytest.mark.parametrize("ids", [(300, 400), (301, 300)])
def test_ids_that_the_library_does_not_take_are_refused(
    tmp_path: Path, ids: tuple[int, int]
) -> None:
    """It numbers added tokens itself, in the order of the file."""
    whole = json.loads(byte_level(TEXTS, 300))
    for id, name in zip(ids, ("</s>", "<s>"), strict=True):
        whole["added_tokens"].append({**whole["added_tokens"][0], "id": id, "content": name})
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(whole))
    for end in ("</s>", "<|endoftext|>"):
        tokenizer = FileTokenizer(kind="file", path=str(path), end_of_text=end)
        with pytest.raises(UserError, match="the library reads 302 ids, and others than"):
            build_vocabulary(tokenizer, path, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.json", b"{}", "not a file of the library tokenizers"),
        ("t.json", b"\xff\xfe", "not a file of the library tokenizers"),
        ("t.json", b'{"model": {"vocab": {"a": 0}, "merges": []}}', "has none of the tokens"),
        (
            "t.json",
            b'{"model": {"type": "None", "vocab": {"</s>": 0}}}',
            "its library cannot read it",
        ),
        ("t.model", b"text", "not a model of SentencePiece"),
    ],
)
def test_files_that_are_no_tokenizers(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        build_vocabulary(FileTokenizer(kind="file", path=str(path)), path, tmp_path / "out")
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_other_content_than_pinned_is_refused(tmp_path: Path, exact: Made) -> None:
    pinned = FileTokenizer(kind="file", path=str(exact.path), sha256="0" * 64)
    with pytest.raises(UserError, match=f"not {'0' * 64}; correct one"):
        build_vocabulary(pinned, exact.path, tmp_path / "out")


def test_a_token_that_is_not_special_must_not_be_in_a_text(tmp_path: Path) -> None:
    whole = json.loads(byte_level(TEXTS, 300))
    whole["added_tokens"][0]["special"] = False
    path = tmp_path / "t.json"
    path.write_text(json.dumps(whole))
    build_vocabulary(FileTokenizer(kind="file", path=str(path)), path, tmp_path / "v")
    encoding = load_encoding(tmp_path / "v")
    with pytest.raises(UserError, match="mark it as special in the file"):
        list(encode(encoding, ["one <|endoftext|> two"]))
    allowed = np.concatenate([*encode(encoding, ["a<|endoftext|>b"], allow_special=True)])
    assert allowed.tolist().count(encoding.eot_token) == 2


def test_a_file_of_the_hub_is_fetched_and_pinned(tmp_path: Path, hub: Hub, exact: Made) -> None:
    content = exact.path.read_bytes()
    hub.add("me/model", "tokenizer.json", content)
    place = {"kind": "file", "repo": "me/model", "revision": COMMIT}
    right = {**place, "sha256": hashlib.sha256(content).hexdigest()}
    assert FileTokenizer.model_validate(right).facts is None
    build_vocabulary(FileTokenizer.model_validate(right), None, tmp_path / "vocabulary")
    assert (tmp_path / "vocabulary").read_bytes() == exact.vocabulary.read_bytes()
    wrong = FileTokenizer.model_validate({**place, "sha256": "0" * 64})
    with pytest.raises(UserError, match=r"tokenizer\.json of me/model at \w+ has SHA-256"):
        build_vocabulary(wrong, None, tmp_path / "other")


def test_ready_made_tokens_of_such_a_tokenizer(tmp_path: Path) -> None:
    """With 32 bits, also where it has more ids than 16 bits have, and of the type of either
    library."""
    build_vocabulary(many_words(tmp_path / "t.json"), tmp_path / "t.json", tmp_path / "vocabulary")
    folder = tmp_path / "tokens"
    folder.mkdir()
    ids = [1, 65_536, 69_999, 5, 69_999]
    for name, dtype in (("a", np.int32), ("b", np.uint32)):
        save_file({"tokens": np.array(ids, dtype)}, folder / f"{name}.safetensors")
    source = {"path": str(folder), "train": "a.safetensors", "test": "b.safetensors"}
    params = FetchTokensParams.model_validate({"tokenised": source, "tokens": None})
    fetch_tokens(params, tmp_path / "vocabulary", tmp_path / "out")
    for split in ("train", "test"):
        assert open_tokens(tmp_path / f"out/{split}.safetensors").tolist() == ids
    assert open_tokens(tmp_path / "out/validation.safetensors").dtype == np.dtype("<u4")
    # The bytes of these words are not known.
    card = read_json(tmp_path / "out/card.json")
    assert card["splits"]["test"] == {"documents": 2, "tokens": 5}
    save_file({"tokens": np.array([70_000], np.int32)}, folder / "b.safetensors")
    with pytest.raises(UserError, match="contains id 70000, but the vocabulary has ids 0 to 69999"):
        fetch_tokens(params, tmp_path / "vocabulary", tmp_path / "again")
