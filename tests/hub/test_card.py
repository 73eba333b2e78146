"""The model card agrees with the data, and no text in it acts as markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from noiseband.analysis.rows import Call, NoiseRow, RunRow, VerdictRow
from noiseband.errors import UserError
from noiseband.hub.card import VARIED, card_text
from noiseband.hub.markdown import block, code, inline
from noiseband.io.files import read_json, write_json, write_jsonl
from noiseband.io.tables import read_rows, write_rows
from noiseband.study import Study
from noiseband.study.config import Noise
from tests.hub.study import copied


def card(study: Study, run: str) -> str:
    return card_text(study, study.runs[run], "me/run", "apache-2.0")


def test_every_source_of_noise_has_words() -> None:
    assert VARIED.keys() == Noise.model_fields.keys()


def test_the_numbers_are_the_runs(finished: Study) -> None:
    text, folder = card(finished, "clip-42"), finished.results / "runs/clip-42"
    loss = read_json(folder / "test_loss.json")
    assert f"Test loss **{loss['test_loss_text']}** nats" in text
    assert "| `optimizer.clip_norm` | `null` | `0.05` |" in text
    assert read_json(folder / "model.json")["sha256"] in text
    assert read_json(folder / "recipe.json")["digest"] in text
    assert read_json(folder / "provenance.json")["inputs"]["tokens"] in text
    assert "8 steps, 1,024 tokens" in text
    [row] = [row for row in read_rows(finished.results / "tables/verdicts.csv", VerdictRow)
             if row.intervention == "clip"]  # fmt: skip
    assert f"**Verdict: {row.verdict}.** The change `clip`" in text
    assert "That rests on 1 run of it and 2 baseline runs; the interval (95%)" in text
    assert "**Noise:** 2 baseline runs that differ in all seeds" in text
    band = re.search(r"\*\*Noise band: ±(\d\.\d+)\.\*\*", text)
    assert band is not None
    assert row.band is not None
    assert float(band[1]) == pytest.approx(row.band, abs=0.006)
    assert "**Noise band: ±" in card(finished, "baseline-42")
    assert "Verdict" not in card(finished, "baseline-42")
    assert "Nothing: this is a run of the study's baseline recipe." in card(finished, "baseline-42")


def test_its_head_is_what_the_hub_reads(finished: Study) -> None:
    head, _, body = card(finished, "clip-42").removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(head) == {
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["gpt2", "noiseband", "reproducibility"],
    }
    assert body.startswith("\n# run\n")


def test_without_repeats_the_noise_is_not_known(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path / "r")
    tables = study.results / "tables"
    noise = [replace(row, n=1, sd=None) for row in read_rows(tables / "noise.csv", NoiseRow)]
    write_rows(tables / "noise.csv", NoiseRow, noise)
    verdicts = [
        replace(
            row,
            low=None,
            high=None,
            p_value=None,
            residual_sd=None,
            band=None,
            verdict=Call.NOT_ENOUGH_RUNS,
        )
        for row in read_rows(tables / "verdicts.csv", VerdictRow)
    ]
    write_rows(tables / "verdicts.csv", VerdictRow, verdicts)
    text = card(study, "clip-42")
    assert "**Verdict: not enough runs.**" in text
    assert "nothing was run twice to compare with" in text
    assert "too few to tell a difference from noise" in text
    assert "**Noise unknown:** not enough runs." in text
    assert "p =" not in text
    assert "Noise band" not in text


def test_without_tables_there_is_no_verdict(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path / "r")
    table = study.results / "tables/runs.csv"
    rows = read_rows(table, RunRow)
    write_rows(table, RunRow, [replace(row, weights_sha256="0" * 64) for row in rows])
    with pytest.raises(UserError, match="describes another training of clip-42; make it again"):
        card(study, "clip-42")
    table.unlink()
    assert "**No verdict:** this study has no tables yet" in card(study, "clip-42")


def test_what_a_model_wrote_stays_in_its_block(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path / "r")
    folder = study.results / "runs/clip-42"
    written = "```\n<script>alert(1)</script>\n# Heading\n````\n\u202eevil<|endoftext|>{{ 7*7 }}"
    row = {"step": 7, "prompt": "Every `effort` | moves", "text": written}
    write_jsonl(folder / "samples.jsonl", [row])
    text = card(study, "clip-42")
    # Outside code blocks no part of it is left, and no HTML at all.
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "script" not in outside.replace(r"\<script\>", "")
    assert "# Heading" not in outside
    assert not re.search(r"(?<!\\)<", outside)
    assert "`````text\n```\n<script>" in text
    assert "[U+202E]evil[end of text]{{ 7*7 }}" in text
    assert "``Every `effort` \\| moves``" in text
    assert r"A \| title with \<b\>marks\</b\> and \`code\`" in text


def test_a_run_of_another_processor_names_its_gpu(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path / "r")
    file = study.results / "runs/clip-42/provenance.json"
    data = read_json(file)
    data["processor"]["gpu"] = "NVIDIA Some GPU"
    write_json(file, data)
    assert "on `NVIDIA Some GPU`" in card(study, "clip-42")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 3.5 (so)", "plain text, 3.5 (so)"),
        ("a_b*c`d", r"a\_b\*c\`d"),
        ("<img src=x> & more", r"\<img src=x\> \& more"),
        ("[x](http://a.b)", r"\[x\](http:\//a.b)"),
        ("www.a.b me@a.b", r"www\.a.b me\@a.b"),
        ("# no\nheading", r"\# no heading"),
        ("- no item", r"\- no item"),
        ("1. no item", "&#49;. no item"),
        ("a|b\u202e", r"a\|b\[U+202E\]"),
    ],
)
def test_inline(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_code_and_blocks() -> None:
    assert code("x") == "`x`"
    assert code("a`b") == "``a`b``"
    assert code("`a`") == "`` `a` ``"
    assert code("a|b") == r"`a\|b`"
    assert code("") == ""
    assert block("a```b") == "````text\na```b\n````"
    assert json.loads(json.dumps(block("x"))) == "```text\nx\n```"
