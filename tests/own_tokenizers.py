"""Tokenizers of one's own, small and trained anew, and texts that are hard on a tokenizer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

AWKWARD = (
    "",
    " ",
    "a",
    "two  blanks\n\n  and lines \n",
    "\ttab\r\nreturn",
    "<|endoftext|></s><s><unk>[UNK]<eos>",
    "Ünïcödé ﬁ ½ Ⅷ ｆｕｌｌ",
    "e\u0301 and é, \u200bzero\u00a0width\ufeff",
    "世界 ไทย العربية 🤷🏽\u200d♀️",
    "\x00\x07 control \ufffd",
    "▁ of SentencePiece, Ġ of GPT-2, ##piece",
    "HELLO WORLD 1234567890",
    "x" * 300,
)


def byte_level(
    texts: Sequence[str], size: int, end: str = "<|endoftext|>", last: bool = False
) -> str:
    """A byte-level BPE as `tokenizer.json`; end-of-text is its first id, or its last."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - last,
        special_tokens=[] if last else [end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    made.add_special_tokens([end])
    assert made.get_vocab_size() == size
    return made.to_str()


def lowering(texts: Sequence[str], size: int, end: str = "</s>") -> str:
    """A WordPiece as `tokenizer.json` that lowers letters and joins blanks, as BERT's does."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[UNK]", end], show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made.to_str()


def sentencepiece(texts: Sequence[str], size: int, kind: str = "unigram", **options: Any) -> bytes:
    """A model of SentencePiece."""
    written = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        vocab_size=size,
        model_type=kind,
        minloglevel=2,
        **options,
    )
    return written.getvalue()
