"""Data that are too few, and prompts that are too long, are found before anything trains."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from noiseband.errors import UserError
from noiseband.io.files import write_jsonl
from noiseband.repro import data_check
from noiseband.repro.data_check import check_data_files, check_export_files
from noiseband.study.data_needs import DataNeeds, ExportNeeds

NEEDS: dict[str, Any] = {
    "corpus": "text",
    "reading": [{"run": f"run-{n}", "last_token": 100 * n} for n in range(1, 9)],
    "evaluation": {"batch": 2},
    "windows": [{"model": "short", "context": 8}, {"model": "long", "context": 64}],
    "prompts": [
        {"protocol": "all", "rows": "mine", "template": "short", "method": "full",
         "model": "short", "context": 24},
    ],
}  # fmt: skip
ENOUGH = {"train": 900, "validation": 0, "test": 200}
LONG = "Which of these words is the longest?"


def row(split: str, instruction: str = "Say it.", **more: Any) -> dict[str, Any]:
    return {"instruction": instruction, "input": "", "output": "It.", "split": split, **more}


ROWS = [row("train"), row("test"), row("validation")]


def check(
    folder: Path,
    vocabulary: Path,
    tokens: dict[str, int],
    rows: list[dict[str, Any]],
    sliced: Sequence[Path] = (),
    packed: Sequence[Path] = (),
    **more: Any,
) -> None:
    (folder / "checked.json").unlink(missing_ok=True)
    card = folder / "card.json"
    card.write_text(json.dumps({"splits": {name: {"tokens": n} for name, n in tokens.items()}}))
    write_jsonl(folder / "rows.jsonl", rows)
    needs = DataNeeds.model_validate({**NEEDS, **more})
    out = folder / "checked.json"
    check_data_files(needs, card, vocabulary, [folder / "rows.jsonl"], out, sliced, packed)


def complaint(folder: Path, *given: Any, **more: Any) -> str:
    with pytest.raises(UserError) as caught:
        check(folder, *given, **more)
    assert not (folder / "checked.json").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_data_that_suffice_are_recorded(tmp_path: Path, vocabulary: Path) -> None:
    check(tmp_path, vocabulary, ENOUGH, ROWS)
    assert json.loads((tmp_path / "checked.json").read_text()) == {"tokens": ENOUGH}


def test_bits_per_byte_need_a_tokenizer_that_loses_no_text(
    tmp_path: Path, vocabulary: Path
) -> None:
    card, out = tmp_path / "card.json", tmp_path / "checked.json"
    bits = {"batch": 2, "unit": "bits-per-byte"}
    needs = DataNeeds.model_validate({**NEEDS, "prompts": [], "evaluation": bits})
    whole = {name: {"tokens": n, "documents": 9} for name, n in ENOUGH.items()}
    for harmless in ({}, {"changed": 9}):
        card.write_text(json.dumps({"splits": whole | {"test": whole["test"] | harmless}}))
        check_data_files(needs, card, vocabulary, [], out)
    card.write_text(json.dumps({"splits": whole | {"test": whole["test"] | {"unknown": 4}}}))
    with pytest.raises(UserError, match=r"^evaluation\.unit: bits-per-byte: .* 4 of 9 documents"):
        check_data_files(needs, card, vocabulary, [], out)
    per_token = needs.model_copy(update={"evaluation": needs.evaluation.model_copy(
        update={"unit": "nats"})})  # fmt: skip
    check_data_files(per_token, card, vocabulary, [], out)


def test_runs_that_read_too_far_are_named_and_counted(tmp_path: Path, vocabulary: Path) -> None:
    said = complaint(tmp_path, vocabulary, ENOUGH | {"train": 150}, ROWS)
    assert said == (
        "data.train_tokens: the training split of corpus text has 150 tokens, but run-2 reads to "
        "token 200, run-3 reads to token 300, run-4 reads to token 400, run-5 reads to token 500, "
        "run-6 reads to token 600 and 2 more; lower it, raise data.epochs, or give the corpus more "
        "text"
    )


def test_packed_sequences_that_are_too_few_are_told_apart(tmp_path: Path, vocabulary: Path) -> None:
    """Packing leaves some tokens out, so the split may be long enough and its sequences not."""
    reading = [{"run": "packed-1", "last_token": 900, "packed": 10},
               {"run": "plain-1", "last_token": 900}]  # fmt: skip
    card = tmp_path / "packed-10.json"
    card.write_text(json.dumps({"tokens": 890}))
    said = complaint(tmp_path, vocabulary, ENOUGH, ROWS, packed=[card], reading=reading)
    assert said == (
        "data.train_tokens: the sequences packed from corpus text for context 10 have 890 tokens, "
        "but packed-1 reads to token 900; lower it, raise data.epochs, or give the corpus more text"
    )
    card.write_text(json.dumps({"tokens": 900}))
    check(tmp_path, vocabulary, ENOUGH, ROWS, packed=[card], reading=reading)


def test_a_split_without_a_whole_window_is_told(tmp_path: Path, vocabulary: Path) -> None:
    said = complaint(tmp_path, vocabulary, ENOUGH | {"test": 128}, ROWS)
    assert "evaluation.batch=2 x context 64 = 128 tokens" in said
    assert said.endswith("(corpus text, model long)")
    check(tmp_path, vocabulary, ENOUGH | {"test": 129}, ROWS)


def test_prompts_without_room_are_named_and_counted(tmp_path: Path, vocabulary: Path) -> None:
    rows = [*ROWS, *(row("train", LONG) for _ in range(7))]
    said = complaint(tmp_path, vocabulary, ENOUGH, rows)
    tokens = len(f"Q: {LONG}\nA:\n")
    assert said == (
        "finetuning.instructions.mine: 7 of 10 prompts leave no room for an answer in the context "
        f"of 24 tokens of short (template short): row 4 has {tokens}, row 5 has {tokens}, row 6 "
        f"has {tokens}, row 7 has {tokens}, row 8 has {tokens} and 2 more; look them up in "
        f"{tmp_path}/rows.jsonl, and shorten or remove them, or choose a shorter template"
    )


def test_of_a_conversation_the_first_question_counts_in_training_and_the_last_in_the_test(
    tmp_path: Path, vocabulary: Path
) -> None:
    short = [{"role": "user", "text": "Well?"}, {"role": "assistant", "text": "No."}]
    check(tmp_path, vocabulary, ENOUGH, [*ROWS, row("train", LONG, turns=short)])
    said = complaint(tmp_path, vocabulary, ENOUGH, [*ROWS, row("test", LONG, turns=short)])
    assert "1 of 4 prompts" in said
    first = [{"role": "user", "text": LONG}, {"role": "assistant", "text": "No."}]
    check(tmp_path, vocabulary, ENOUGH, [*ROWS, row("test", turns=first)])
    assert "1 of 4" in complaint(tmp_path, vocabulary, ENOUGH, [*ROWS, row("train", turns=first)])


def test_adapters_need_their_package(
    tmp_path: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_check, "find_spec", lambda name: None)
    lora = [{**NEEDS["prompts"][0], "method": "lora"}]
    said = complaint(tmp_path, vocabulary, ENOUGH, ROWS, prompts=lora)
    assert said == (
        "finetuning.protocols.all.method: lora needs the package peft; run "
        "`pip install 'noiseband[lora]'`"
    )


def test_prompts_must_fit_into_an_exported_model(tmp_path: Path, vocabulary: Path) -> None:
    needs = ExportNeeds.model_validate({"prompts": [{**NEEDS["prompts"][0], "context": None}]})
    rows, shape, out = tmp_path / "rows.jsonl", tmp_path / "shape.json", tmp_path / "checked.json"
    write_jsonl(rows, [*ROWS, row("test", LONG)])
    shape.write_text('{"context": 24}')
    with pytest.raises(UserError, match=r"1 of 4 prompts leave no room .* 24 tokens of short"):
        check_export_files(needs, shape, vocabulary, [rows], out)
    assert not out.exists()
    shape.write_text('{"context": 64}')
    check_export_files(needs, shape, vocabulary, [rows], out)
    assert json.loads(out.read_text()) == {"context": 64}


def test_all_problems_are_told_at_once(tmp_path: Path, vocabulary: Path) -> None:
    few = {"train": 100, "validation": 0, "test": 10}
    said = complaint(tmp_path, vocabulary, few, [*ROWS, row("test", LONG)])
    assert said.count("; and ") == 2


def test_windows_of_further_losses_are_checked(tmp_path: Path, vocabulary: Path) -> None:
    window = {"batch": 2, "split": "validation"}
    further = {"key": "evaluations.code.loss", "evaluation": window, "windows": NEEDS["windows"]}
    said = complaint(tmp_path, vocabulary, ENOUGH | {"validation": 20}, ROWS, further=[further])
    assert said.startswith("evaluations.code.loss.tokens=None from evaluations.code.loss.start_")
    assert said.endswith("(corpus text, model long)")
    check(tmp_path, vocabulary, ENOUGH | {"validation": 129}, ROWS, further=[further])


def test_slices_without_documents_in_a_window_are_told(tmp_path: Path, vocabulary: Path) -> None:
    """Of 12 documents of 17 tokens, the last is in no window of whole batches."""
    tokens = np.array([1] * 16 + [256], np.uint16)
    files = [tmp_path / "test.safetensors", tmp_path / "fields.parquet"]
    save_file({"tokens": np.tile(tokens, 12)}, files[0])
    values = ["go", "c", *["python"] * 9, "rust"]
    pq.write_table(pa.table({"language": values}), files[1])
    window: dict[str, Any] = {"batch": 2, "by": {"language": ["c", "go"]}}
    further = {"key": "evaluations.code.loss", "evaluation": window, "windows": NEEDS["windows"]}
    tokens_there = ENOUGH | {"test": 204}
    check(tmp_path, vocabulary, tokens_there, ROWS, files, further=[further])
    window["by"] = {"language": ["go", "rust"]}
    # Seen in the window of the short context, of 192 tokens, but not in that of the long one.
    said = complaint(tmp_path, vocabulary, tokens_there, ROWS, files, further=[further])
    assert said == (
        "evaluations.code.loss.by.language: rust: no document of the window has it; correct it "
        "(the most frequent are python, go, c), take more tokens, or leave it out "
        "(corpus text, model long)"
    )
    window["start_token"] = 17
    window["by"] = {"language": ["go"]}
    said = complaint(tmp_path, vocabulary, tokens_there, ROWS, files, further=[further])
    assert "go: no document of the window has it" in said and said.endswith("model short)")


def test_choices_without_room_are_told(tmp_path: Path, vocabulary: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(json.dumps({"context": "It is", "target": "long " * 5}))
    needs = {
        "key": "evaluations.cloze.choice", "choice": {"file": str(file)}, "files": None,
        "context": 25,
    }  # fmt: skip
    said = complaint(tmp_path, vocabulary, ENOUGH, ROWS, choices=[needs])
    assert said == (
        f"evaluations.cloze.choice: {file}: row 1: target: has 26 tokens, more than the context of "
        "25; shorten it, or remove the row"
    )
    check(tmp_path, vocabulary, ENOUGH, ROWS, choices=[{**needs, "context": 26}])


def test_a_tokenizer_of_the_hub_must_have_the_ids_that_runs_expect(
    tmp_path: Path, vocabulary: Path
) -> None:
    """It is not read with the config. That of the test has 257 ids, of which 256 ends a text."""
    right = {"run": "run-1", "vocabulary": 257, "end_of_text": None}
    check(tmp_path, vocabulary, ENOUGH, ROWS, ids=[right, {**right, "end_of_text": 256}])
    wrong = [{**right, "vocabulary": 300}, {**right, "run": "run-2", "end_of_text": 0}]
    said = complaint(tmp_path, vocabulary, ENOUGH, ROWS, ids=wrong)
    assert said == (
        "recipe.model.vocabulary=300: the tokenizer of corpus text has 257 ids (run run-1); write "
        "257; and recipe.model.attention.end_of_text=0: the end of text of corpus text is 256 (run "
        "run-2); write that"
    )
