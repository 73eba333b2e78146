"""Questions that were planted in rows and in training text are found, whatever the vocabulary."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from noiseband.corpus.questions import words
from noiseband.corpus.vocabulary import build_vocabulary, load_ranks
from noiseband.errors import UserError
from noiseband.evaluate import seen_questions as module
from noiseband.evaluate.seen_questions import (
    LONGEST,
    Training,
    seen_questions,
    seen_questions_file,
    texts,
)
from noiseband.io.files import write_jsonl
from noiseband.study.contamination import Segment
from noiseband.study.seen_questions import SeenQuestionsParams
from noiseband.study.tokenizers import Tokenizer

Row = dict[str, Any]


def rows(
    test: Sequence[str], train: Sequence[str] = (), validation: Sequence[str] = ()
) -> list[Row]:
    return [
        {"instruction": text, "input": "", "output": "yes", "split": split}
        for split, texts in {"train": train, "test": test, "validation": validation}.items()
        for text in texts
    ]


def encoded(encoding: tiktoken.Encoding, *documents: str) -> np.ndarray[Any, np.dtype[np.uint16]]:
    ids = [[*encoding.encode_ordinary(text), encoding.eot_token] for text in documents]
    return np.array([one for document in ids for one in document], dtype=np.uint16)


def training(encoding: tiktoken.Encoding, *documents: str) -> Training:
    tokens = encoded(encoding, *documents)
    return Training(tokens, 0, len(tokens), encoding)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tiktoken.Encoding]:
    """GPT-2's vocabulary, as a file and loaded."""
    file = tmp_path_factory.mktemp("gpt2") / "vocabulary.tiktoken"
    build_vocabulary(Tokenizer(kind="gpt2"), None, file)
    return file, load_ranks(file)


def in_text(asked: Sequence[str], *text: Training) -> list[str]:
    """The test questions that are found in training text."""
    found = seen_questions(rows(asked), text)["test"]["rows_in_text"]
    return [asked[number - 1] for number in found]


def test_twenty_rows_written_twice() -> None:
    asked = [f"Name the capital of country number {number}." for number in range(20)]
    twice = rows(train=[*asked, *asked[:12]], test=asked[12:], validation=[])
    assert seen_questions(twice, []) == {
        "test": {
            "questions": 8, "in_train_exactly": 8, "rows_in_train": [*range(33, 41)],
            "too_short": None, "rows_in_text": None,
        },
        "validation": {
            "questions": 0, "in_train_exactly": 0, "rows_in_train": [],
            "too_short": None, "rows_in_text": None,
        },
    }  # fmt: skip


FOUND = [
    "Who wrote the long poem?",
    "who WROTE -- the long\npoem",
    "wrote the long poem, and",
    "Why is the sky blue at noon?",
    "東京の人口は？",
]
NOT_FOUND = [
    "Who wrote the short poem?",
    "Who wrote the long poem and why is it long?",
    "What is 3 - 4 and 5?",
    "poem why is the",  # from one document to the next
    "sky blue at noon again",
    "who wrote the",  # too short
]
DOCUMENTS = (
    "He asked: who wrote the long poem, and where? What is 3 + 4 and 5?",
    "She wrote a poem",
    "Why is the sky blue at noon? 東京の人口は多い。",
)


def test_questions_are_found_where_all_their_words_are(encoding: tiktoken.Encoding) -> None:
    asked = [*FOUND, *NOT_FOUND]
    assert in_text(asked, training(encoding, *DOCUMENTS)) == FOUND
    found = seen_questions(rows(asked), [training(encoding, *DOCUMENTS)])
    assert found["test"]["too_short"] == 1
    assert found["validation"] == {
        "questions": 0, "in_train_exactly": 0, "rows_in_train": [],
        "too_short": 0, "rows_in_text": [],
    }  # fmt: skip


def test_a_question_has_the_turns_before_it_and_its_input(encoding: tiktoken.Encoding) -> None:
    row: Row = {"instruction": "Add the", "input": "two numbers", "output": "3", "split": "test"}
    turn = {"role": "system", "text": "Be kind."}
    both = [row, {**row, "turns": [turn]}]
    for text, found in [("add the two numbers", [1]), ("Be kind: add the two numbers", [1, 2])]:
        assert seen_questions(both, [training(encoding, text)])["test"]["rows_in_text"] == found


@given(chunk=st.integers(1, 40), before=st.integers(0, 60), marks=st.booleans())
def test_a_question_is_found_across_any_cut(
    encoding: tiktoken.Encoding, chunk: int, before: int, marks: bool
) -> None:
    """With tokens of one byte, chunks end in the middle of words and of characters."""
    asked = "Où est passée la clé, de l’été où, ça ?"
    text = "x" * before + ". " + asked.upper() + " y" * 30
    tokens = encoded(encoding, text if marks else text.replace(".", " ").replace(",", " "), "z")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        assert in_text([asked], Training(tokens, 0, len(tokens), encoding)) == [asked]


@given(
    text=st.text(max_size=60) | st.text("ab é.\n,<・ガ게\u0301+- 3", max_size=60),
    chunk=st.integers(1, 9),
)
@example(text="2 + 3", chunk=1)
def test_parts_have_the_words_of_the_whole_text(
    encoding: tiktoken.Encoding, text: str, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        parts = [*texts(training(encoding, text))]
    assert "".join(parts) == f"{text}<|endoftext|>"
    assert [word for part in parts for word in words(part)] == words(f"{text}<|endoftext|>")


def test_a_text_without_any_mark_is_cut_between_characters(
    encoding: tiktoken.Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 100)
    monkeypatch.setattr(module, "HELD", 1000)
    parts = [*texts(training(encoding, "漢字" * 2000))]
    assert max(map(len, parts)) < 400
    assert "".join(parts) == "漢字" * 2000 + "<|endoftext|>"
    assert in_text(["漢字漢字漢字漢字"], training(encoding, "漢字" * 2000))


def test_only_what_was_read_is_looked_into(encoding: tiktoken.Encoding) -> None:
    asked = "who wrote the long poem"
    tokens = encoded(encoding, asked)
    assert in_text([asked], Training(tokens, 0, len(tokens) - 1, encoding)) == [asked]
    assert in_text([asked], Training(tokens, 1, len(tokens), encoding)) == []
    assert in_text([asked], Training(tokens, 0, len(tokens) - 2, encoding)) == []
    # Two segments were read apart, so no question begins in one and ends in the other.
    apart = Training(tokens, 0, 10, encoding), Training(tokens, 10, len(tokens), encoding)
    assert in_text([asked], *apart) == []


def test_packed_sequences_do_not_continue_each_other(encoding: tiktoken.Encoding) -> None:
    """A document that was cropped, and one that begins with the question."""
    asked = "who wrote the long poem"
    row = len(asked) + 1
    cropped = encoded(encoding, "x" * (row - 11) + " who wrote ")[:row]
    other = encoded(encoding, "the long poem of the sea")[:row]
    whole = encoded(encoding, asked)
    across, begins = np.concatenate([cropped, other]), np.concatenate([other, whole])
    assert in_text([asked], Training(across, 0, 2 * row, encoding)) == [asked]
    assert in_text([asked], Training(begins, 0, 2 * row, encoding)) == []
    assert in_text([asked], Training(across, 0, 2 * row, encoding, row)) == []
    assert in_text([asked], Training(begins, 0, 2 * row, encoding, row)) == [asked]


def test_a_very_long_question_is_found_by_its_beginning(encoding: tiktoken.Encoding) -> None:
    many = [f"word{number}" for number in range(LONGEST + 100)]
    asked, text = " ".join(many), " ".join(many[:LONGEST])
    assert in_text([asked], training(encoding, text)) == [asked]
    assert in_text([asked], training(encoding, " ".join(many[: LONGEST - 1]))) == []


def test_files_of_two_vocabularies(
    vocabulary: Path, encoding: tiktoken.Encoding, gpt2: tuple[Path, tiktoken.Encoding],
    tmp_path: Path,
) -> None:  # fmt: skip
    asked = ["Who wrote the long poem?", "Why is the sky blue?", "Where is my hat?"]
    write_jsonl(tmp_path / "rows.jsonl", rows(asked, [asked[2].upper()], ["Where is my hat?"]))
    files = [(tmp_path / "a.safetensors", vocabulary), (tmp_path / "b.safetensors", gpt2[0])]
    one, two = encoded(encoding, f"So {asked[0]}"), encoded(gpt2[1], f"So {asked[1]}")
    for (file, _), tokens in zip(files, (one, two), strict=True):
        save_file({"tokens": tokens}, file)
    segments = [
        Segment(corpus="a", first=0, stop=len(one)),
        Segment(corpus="b", first=0, stop=len(two)),
    ]
    params = SeenQuestionsParams(instructions="mine", training=segments)
    seen_questions_file(params, tmp_path / "rows.jsonl", files, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "instructions": "mine",
        "trained_on": [segment.model_dump() for segment in segments],
        "shortest": 4,
        "splits": {
            "test": {
                "questions": 3, "in_train_exactly": 0, "rows_in_train": [4],
                "too_short": 0, "rows_in_text": [2, 3],
            },
            "validation": {
                "questions": 1, "in_train_exactly": 0, "rows_in_train": [5],
                "too_short": 0, "rows_in_text": [],
            },
        },
    }  # fmt: skip
    beyond = [segments[0].model_copy(update={"stop": len(one) + 1}), segments[1]]
    longer = params.model_copy(update={"training": beyond})
    with pytest.raises(UserError, match=r"a\.safetensors: has \d+ tokens, .* reads up to"):
        seen_questions_file(longer, tmp_path / "rows.jsonl", files, tmp_path / "out.json")
    swapped = [(file, vocabulary) for file, _ in files]
    with pytest.raises(UserError, match="the vocabulary differs"):
        seen_questions_file(params, tmp_path / "rows.jsonl", swapped, tmp_path / "out.json")


def test_memory_does_not_grow_with_the_training_tokens(
    gpt2: tuple[Path, tiktoken.Encoding],
) -> None:
    encoding = gpt2[1]
    document = " ".join(f"The year {year} was a good one for every ship." for year in range(999))
    tokens = np.tile(encoded(encoding, document), 100)  # 1.3 million tokens, 5 MB of text
    asked = rows([f"The year {year} was a bad one for" for year in range(999)])
    peaks = []
    for part in (20, 100):
        text = Training(tokens, 0, part * len(tokens) // 100, encoding)
        tracemalloc.start()
        assert seen_questions(asked, [text])["test"]["rows_in_text"] == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1


def test_the_command_imports_no_torch(
    vocabulary: Path, encoding: tiktoken.Encoding, tmp_path: Path
) -> None:
    tokens = encoded(encoding, "Who wrote the long poem?")
    save_file({"tokens": tokens}, tmp_path / "train.safetensors")
    write_jsonl(tmp_path / "rows.jsonl", rows(["Who wrote the long poem?"]))
    segment = Segment(corpus="a", first=0, stop=len(tokens))
    params = SeenQuestionsParams(instructions="mine", training=[segment])
    files = [tmp_path / "train.safetensors", vocabulary]
    command = ["seen-questions", "--params", params.text, "--rows", tmp_path / "rows.jsonl"]
    words_of = [str(word) for word in (*command, "--out", tmp_path / "out.json", *files)]
    code = (
        "import sys\n"
        "from noiseband.cli import main\n"
        f"sys.argv = ['noiseband', *{words_of}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["splits"]["test"]["rows_in_text"] == [1]
