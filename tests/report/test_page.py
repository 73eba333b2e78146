"""The page: self-contained, complete, and honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from noiseband.errors import UserError
from noiseband.io.files import write_text
from noiseband.report.page import SCRIPT, TEMPLATES, environment, write_report
from noiseband.report.views.samples import last_samples, samples
from noiseband.repro.compare import Difference
from noiseband.repro.diverge import Divergence
from tests.fake_runs import BASELINES, FakeRun, continued
from tests.page_tables import page_table, row_of
from tests.pages import Made, make
from tests.report.test_sanitize import Tags
from tests.small_study import MACHINES, sha, write_study

SECTIONS = [
    "answer", "results", "noise", "stacks", "training", "samples", "finetuning", "checks",
    "recipes", "corpus", "costs",
    "provenance",
]  # fmt: skip


def words_of(page: str) -> str:
    """The text of a page without its head, charts and scripts, with single spaces."""
    body = page[page.index("<main>") :]
    body = re.sub(r"<svg.*?</svg>|<script.*?</script>", " ", body, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A study with only two baseline runs: no card, no record, no fine-tuning."""
    results = tmp_path_factory.mktemp("bare") / "results"
    params = write_study(results, BASELINES[:2], steps=20, models=[], noise={})
    params = params.model_copy(update={"contamination": {}})
    for path in ("manifest.json", "corpus/pocket/card.json", "tables/init.csv"):
        (results / path).unlink()
    for run in BASELINES[:2]:
        (results / "runs" / run.name / "samples.jsonl").unlink()
        (results / "runs" / run.name / "timing.json").unlink()
    return make(results, params)


def test_sections_in_order_each_with_a_heading(made: Made) -> None:
    assert re.findall(r'<section id="(\w+)" aria-labelledby="([\w-]+)"', made.page) == [
        (name, "title" if name == "answer" else f"{name}-title") for name in SECTIONS
    ]
    targets = re.findall(r'<a href="#([\w-]+)"', made.page)
    assert targets == SECTIONS[1:]


def test_nothing_is_asked_of_the_network(made: Made) -> None:
    attributes = Tags(made.page).attributes
    links = [value or "" for name, value in attributes if name in ("href", "src", "action")]
    assert links
    # Links stay within the page or lead to the finding about a rerun.
    assert all(re.match(r"#|verify/[^/:]+\.json$", link) for link in links)
    assert "@import" not in made.page
    assert set(re.findall(r"url\((.)", made.page)) == {"#"}


def test_the_policy_lets_our_script_run_and_nothing_else(made: Made) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', made.page)
    (script,) = re.findall(r"<script>(.*?)</script>", made.page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in html.unescape(policy).split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_every_file_of_the_script_is_on_the_page(made: Made) -> None:
    files = sorted((TEMPLATES / "script").iterdir())
    assert sorted(f"{name}.js" for name in SCRIPT) == [file.name for file in files]
    (script,) = re.findall(r"<script>(.*?)</script>", made.page, flags=re.DOTALL)
    assert script.startswith('"use strict";')
    assert all(file.read_text(encoding="utf-8") in script for file in files)


def test_the_page_is_small(made: Made) -> None:
    assert len(made.page.encode()) < 1_000_000


def test_equal_files_make_an_equal_page(made: Made, tmp_path: Path) -> None:
    write_report(made.params, made.results, MACHINES, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == made.page


def test_tags_are_balanced_and_tables_described(made: Made) -> None:
    tags = Tags(made.page)
    assert (tags.open, tags.unbalanced) == ([], [])
    tables = re.findall(r"<table\b.*?</table>", made.page, flags=re.DOTALL)
    assert len(tables) == tags.names.count("table") > 0
    assert all(len(re.findall(r'<caption id="[^"]+">', table)) == 1 for table in tables)
    assert tags.names.count("h1") == 1
    heads = re.findall(r"<th\b([^>]*)>", made.page)
    assert all("scope=" in head for head in heads)
    ids = re.findall(r' id="([^"]*)"', made.page)
    assert len(ids) == len(set(ids))
    labels = re.findall(r'aria-labelledby="([^"]*)"', made.page)
    assert set(labels) <= set(ids)


def test_the_first_screen_answers(made: Made) -> None:
    text = words_of(made.page)
    start = text[: text.index("Results")]
    assert "Of 11 changes, 6 help and 5 hurt." in start
    assert "remove-dropout lowers the test loss by 0.079 (0.074 to 0.085)." in start
    assert "update-learning-rate raises the test loss by 0.170 (0.163 to 0.177)." in start
    assert "qkv-bias lowers the test loss by 0.012 (0.007 to 0.018). This holds unless" in start


def test_the_results_table_has_six_decimals_and_a_sign(made: Made) -> None:
    rows = {name: row_of(made.page, "runs-caption", name) for name in (
        "remove-dropout-42", "weight-tying-42", "baseline-42-again",
    )}  # fmt: skip
    columns = ("Seeds", "Test loss", "Improvement", "Bits per byte")
    assert {name: tuple(row[column] for column in columns) for name, row in rows.items()} == {
        "remove-dropout-42": ("42/42", "4.781000", "+0.080234", "1.9000"),
        "weight-tying-42": ("42/42", "5.412000", "−0.550766", "1.9000"),
        "baseline-42-again": ("42/42", "4.861234", "0.000000", "1.9000"),
    }
    assert rows["baseline-42-again"]["Run"].endswith("repeat of baseline-42")


def test_seeds_of_shuffled_data_are_told(tmp_path: Path) -> None:
    seeds = (42, 42, 42), (42, 7, 42), (42, 8, 42)
    runs = [FakeRun(f"baseline-{k}", 5.0 + k / 50, seeds=one) for k, one in enumerate(seeds)]
    noise = {"data_only": [list(one) for one in seeds]}
    made = make(tmp_path, write_study(tmp_path, runs, steps=20, models=[], noise=noise))
    assert row_of(made.page, "runs-caption", "baseline-1")["Seeds"] == "42/7/42"
    (component, *_) = page_table(made.page, "noise-caption")
    assert component["What varies"] == "data only 42/42, 42/7/42, 42/8/42"
    said = "Seeds are those of the initial weights and of training"
    assert f"{said}, with that of the data’s order between them" in words_of(made.page)


def test_a_number_sorts_by_its_full_value(made: Made) -> None:
    assert '<td class="number" data-value="4.781">4.781000</td>' in made.page


def test_noise_stacks_and_corpus_are_told(made: Made) -> None:
    text = words_of(made.page)
    seeds, *_ = page_table(made.page, "noise-caption")
    assert seeds["What varies"] == "all seeds 42/42, 22/22, 67/67"
    assert (seeds["Runs"], seeds["Mean"]) == ("3", "4.860483")
    assert seeds["SD, 95% interval"] == "0.010318 0.0054 to 0.0648"
    assert "do not show that any source of noise is larger than another" in text
    stack = row_of(made.page, "stacks-caption", "stacked-3")
    assert stack["Stack"].endswith("gradient-clipping + remove-dropout + schedule-learning-rate")
    assert stack["Promised"] == "−0.2441"
    assert "would reach 6.631207 nats on the test split" in text
    assert "ends at 4.861234: 1.770 nats below." in text


def test_contamination_is_told(made: Made) -> None:
    (row,) = page_table(made.page, "contamination-caption")
    runs = row.pop("Runs")
    assert runs.startswith("24 runs baseline-42 ")
    assert row == {
        "Trained on, tokens": "pocket:0-409601",
        "Tested on, tokens": "pocket test 1 to 80,001",
        "Documents": "500",
        "Seen whole": "0.40%",
        "Tokens in them": "0.14%",
        "Segments of 32": "< 0.01%",
    }


def test_reruns_recipes_and_provenance_are_told(made: Made) -> None:
    text = words_of(made.page)
    assert "Identical to the bit. baseline-42-again was trained again" in text
    changes = [
        (row["Baseline"], row["Its own"])
        for row in page_table(made.page, "recipes-caption")
        if row["Key"] == "schedule.kind"
    ]
    assert set(changes) == {("constant", "warmup-cosine")}
    assert sha("manifest") in text
    assert sha("runs") in text
    assert "A made-up CPU, torch 2.13.0" in text
    assert "14 min 36 s over 24 runs" in text


def moved(*processors: dict[str, Any]) -> str:
    rows = [{"step": 200 * n, "processes": n + 1, **one} for n, one in enumerate(processors)]
    return json.dumps({"segments": rows})


def test_a_run_that_changed_its_class_of_processor_is_marked(tmp_path: Path) -> None:
    params = write_study(tmp_path, BASELINES[:3], steps=20, models=[], noise={})
    one, other = {"cpu": "One", "cpu_capability": "AVX512"}, {"cpu": "Other"}
    runs = tmp_path / "runs"
    # Several processes on one class of processor need no warning.
    (runs / "baseline-22" / "provenance.json").write_text(moved(one, one))
    text = words_of(make(tmp_path, params).page)
    assert "another class of processor" not in text
    (runs / "baseline-42" / "provenance.json").write_text(moved(one, other))
    gpus = [{"cpu": cpu, "gpu": "Card"} for cpu in ("One", "Other")]
    (runs / "baseline-67" / "provenance.json").write_text(moved(*gpus))
    text = words_of(make(tmp_path, params).page)
    assert "1 run moved to another class of processor during training." in text
    told = "baseline-42: from step 0 on One (1 process), from step 200 on Other (2 processes)"
    assert told in text


def test_a_rerun_that_differs_says_where(tmp_path: Path) -> None:
    again = FakeRun("again", 4.9, repeat_of="baseline-42")
    params = write_study(tmp_path, [*BASELINES[:2], again], steps=20, models=[], noise={})
    finding = tmp_path / "verify" / "again.json"
    divergence = Divergence(
        step=1207,
        columns=["loss", "weights_checksum"],
        where="gradient",
        difference=Difference("out_head.weight", "different values", values=("0.1", "0.2")),
        note="trained anew",
    )
    write_text(
        finding,
        finding.read_text()
        .replace('"identical": true', '"identical": false')
        .replace('"divergence": null', f'"divergence": {json.dumps(divergence.as_dict())}'),
    )
    text = words_of(make(tmp_path, params).page)
    assert "differs from step 1,207 on, first in loss and weights checksum." in text
    assert "first tensorgradient of out_head.weight" in text
    assert "Identical" not in text


def test_a_run_that_goes_on_from_another_is_told(tmp_path: Path) -> None:
    runs = [*BASELINES[:2], continued("baseline-42", 4.7)]
    made = make(tmp_path, write_study(tmp_path, runs, steps=20, models=[], noise={}))
    text = words_of(made.page)
    run = row_of(made.page, "runs-caption", "extended")
    assert run["Run"] == "extended continues baseline-42"
    assert (run["Seeds"], run["Test loss"]) == ("42/42", "4.700000")
    assert "run:baseline-42 extended another run’s final weights" in text
    assert '<code class="sha" title=""></code>' not in made.page  # no digest where none is known
    assert [
        (row["Key"], row["Baseline"], row["Its own"])
        for row in page_table(made.page, "recipes-caption")
    ] == [("continues", "null", "baseline-42"), ("data.start_token", "0", "40960")]


def test_runs_without_a_loss_are_named_on_the_first_screen(tmp_path: Path) -> None:
    runs = [*BASELINES[:2], FakeRun("wild-42", float("nan"), "wild", ["wild"], seeds=(9, 9))]
    params = write_study(tmp_path, runs, steps=20, models=[], noise={})
    page = make(tmp_path, params).page
    assert "Not counted, because they have no finite test loss: wild-42." in words_of(page)
    assert row_of(page, "runs-caption", "wild-42")["Test loss"] == "not finite"


@pytest.mark.parametrize(
    "sentence",
    [
        "No change has been tried yet",
        "The study has no interventions: add one to interventions: in its config.",
        "No noise runs: list seeds under noise: in the config",
        "No stacks: an intervention that lists others",
        "No run clipped or skipped a step.",
        "No samples: set samples.new_tokens in the config",
        "No fine-tuned models: add a finetuning: section to the config",
        "No run was trained twice. A run with repeat_of: in the config",
        "The rule verify_init has not written tables/init.csv and tables/starts.csv yet.",
        "All runs have the baseline’s recipe",
        "The rule contamination has not written contamination/*.json yet.",
        "corpus/*/card.json and tokens/*/card.json, are missing",
        "missing: the rule manifest writes it",
        "unknown: runs/*/timing.json is missing",
    ],
)
def test_a_part_with_nothing_to_show_says_what_would_fill_it(
    bare: Made, made: Made, sentence: str
) -> None:
    assert sentence in words_of(bare.page)
    assert sentence not in words_of(made.page)


def test_answers_that_nobody_judged_say_so(tmp_path: Path) -> None:
    params = write_study(tmp_path, BASELINES[:2], steps=20, models=["baseline-42/alpaca/42"])
    (tmp_path / "judge" / "alpaca" / "round-1.jsonl").unlink()
    assert "No answers were judged: judge/alpaca has no files" in words_of(
        make(tmp_path, params).page
    )


def test_a_missing_figure_says_how_to_make_it(bare: Made, tmp_path: Path) -> None:
    drawn = bare.results / "figures" / "loss.svg"
    kept = drawn.read_bytes()
    drawn.unlink()
    try:
        with pytest.raises(UserError, match=r"loss\.svg is not there yet; make it: noiseband run"):
            write_report(bare.params, bare.results, MACHINES, tmp_path / "page.html")
    finally:
        drawn.write_bytes(kept)


def test_samples_grow_and_the_last_one_stands_for_a_run(tmp_path: Path) -> None:
    write_study(tmp_path, BASELINES[:2], steps=130, models=[], samples=["first", "then"])
    grown = samples(tmp_path, "baseline-42")
    assert [sample.step for sample in grown] == [0, 2, 4, 8, 16, 32, 64, 100, 129]
    assert (grown[0].text, grown[-2].text) == ("first", "then")
    ends = last_samples(tmp_path, ["baseline-42", "not there", "baseline-22"])
    assert [(end.run, end.step) for end in ends] == [("baseline-42", 129), ("baseline-22", 129)]


def test_templates_escape_what_they_are_given() -> None:
    template = environment().from_string("<p title='{{ x }}'>{{ x }}</p>")
    assert template.render(x="<'>") == "<p title='&lt;&#39;&gt;'>&lt;&#39;&gt;</p>"


def test_a_mistake_in_a_template_is_no_blank() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nowhere }}").render()


def test_the_published_series_is_shown_on_request(made: Made, tmp_path: Path) -> None:
    assert 'id="published"' not in made.page
    params = write_study(tmp_path, BASELINES[:2], steps=20, models=[], noise={})
    page = make(tmp_path, params.model_copy(update={"published": True})).page
    assert page.index('id="published"') < page.index('id="provenance"')
    tags = Tags(page)
    assert (tags.open, tags.unbalanced) == ([], [])
    text = words_of(page)
    assert "Mistakes of the published analysis" in text
    (spread,) = [
        row for row in page_table(page, "published-mistakes") if "train-only" in row["what"]
    ]
    assert spread["printed"] == "0.008672"
    assert spread["corrected"] == "0.005007 population, 0.006132 sample"
    assert '<a href="#published">The series</a>' in page
