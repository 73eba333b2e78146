"""The real workflow on a small study: it runs, a rerun gives the same bits, and what it leaves can
be exported. Which jobs a change reruns is in test_reruns.py."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import zipfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from noiseband.analysis.traces import read_trace
from noiseband.io.files import write_json
from noiseband.repro.manifest import artefact_digest
from tests.hub.models import SMALL, saved_gpt2
from tests.judge.server import running
from tests.workflow.crates import complaints
from tests.workflow.project import Project

RUNS = {"baseline-42", "baseline-22", "clip-42", "both-42", "boom-42", "baseline-again", "extended"}
"""The runs of the part of the study that is executed; test_reruns.py plans all."""
EXECUTED = {
    "seeds: {default: [42], clip: [42, 22]}": (
        "seeds: {default: [], clip: [42], both: [42], boom: [42]}"
    ),
    "  both: [clip, no-dropout]\n": (
        "  both: [clip, no-dropout]\n"
        "  boom: {optimizer.learning_rate: 1.0e+30, optimizer.weight_decay: 1, diverged_after: 3}\n"
    ),
    "  runs: [baseline-42, clip-42]": "  runs: [baseline-42, clip-42, boom-42]",
    """
  train_only: [42, [42, 23]]
  init_only: [[42, 23], 23]
""": "\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project"))
    config = made.folder / "config/config.yaml"
    for whole, part in EXECUTED.items():
        assert whole in config.read_text()
        config.write_text(config.read_text().replace(whole, part))
    done = made.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_one_command_makes_everything(project: Project) -> None:
    results = project.folder / "results"
    assert {path.name for path in (results / "runs").iterdir()} == RUNS
    page = (results / "report.html").read_text()
    assert all(run in page for run in RUNS)
    recipe = json.loads((results / "runs" / "both-42" / "recipe.json").read_text())
    assert recipe["difference"] == {"optimizer.clip_norm": [None, 0.1], "model.dropout": [0.1, 0.0]}


def test_questions_are_looked_for_in_the_rows_and_the_text(project: Project) -> None:
    results = project.folder / "results"
    found = json.loads(
        (results / "contamination/questions~factbook~pocket-0-9217.json").read_text()
    )
    assert [(split["questions"], split["rows_in_text"]) for split in found["splits"].values()] == [
        (4, []), (2, []),
    ]  # fmt: skip
    table = (results / "tables/seen-questions.csv").read_text()
    assert "factbook,test,baseline-42;clip-42;boom-42,pocket:0-9217,4,0,0,0,0,4" in table
    manifest = json.loads((results / "manifest.json").read_text())["artefacts"]
    assert "contamination/questions~factbook~pocket-0-9217.json" in manifest


def test_a_run_that_diverged_withholds_nothing(project: Project) -> None:
    results = project.folder / "results"
    assert len(read_trace(results / "runs/boom-42/trace.parquet").loss) < 12
    assert json.loads((results / "runs/boom-42/test_loss.json").read_text())["test_loss"] is None
    tuned = json.loads((results / "runs/boom-42/ift/one-epoch/42/epochs.json").read_text())
    assert tuned["stopped"] == "diverged"
    verdicts = (results / "tables" / "verdicts.csv").read_text()
    assert "\nboom,0," in verdicts and "\nclip,1," in verdicts
    assert "boom-42" in (results / "report.html").read_text()


def test_the_terminal_shows_the_verdicts_of_the_page(project: Project) -> None:
    shown = project.noiseband("verdicts")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^clip +1 .* (within noise|helps|hurts)", shown.stdout, re.MULTILINE)
    assert re.search(r"^boom +0 .* not enough runs", shown.stdout, re.MULTILINE)
    log = (project.folder / "results/logs/report.log").read_text()
    assert shown.stdout.splitlines()[0] in log and "boom" in log


def test_prompts_without_room_are_told_before_anything_trains(project: Project) -> None:
    with (
        project.edited("config/config.yaml", "template: short", "template: alpaca"),
        project.edited("config/config.yaml", "context: 96", "context: 40"),
    ):
        found = project.snakemake("--config", "results=early")
    shutil.rmtree(project.folder / "early/runs", ignore_errors=True)
    said = found.stdout + found.stderr
    assert found.returncode == 1
    assert "leave no room for an answer in the context of 40 tokens of baseline-42" in said
    assert "Training baseline" not in said


def test_jobs_are_forks_and_end_with_their_snakemake(project: Project) -> None:
    starts = [f"forked/init/v2048-c96-w16-h2-l1-keyed-{seed}.safetensors" for seed in (22, 42)]
    words = "--cores", "2", "--config", "results=forked", "--", *starts
    snakemake = project.background("snakemake", *words)
    seen: dict[psutil.Process, str] = {}
    while snakemake.poll() is None:
        with suppress(psutil.Error):
            for one in psutil.Process(snakemake.pid).children(recursive=True):
                seen[one] = one.name()
    assert snakemake.returncode == 0, snakemake.communicate()
    assert sum(name.startswith("job-") for name in seen.values()) == len(starts)
    assert not psutil.wait_procs(seen, timeout=10)[1]


def test_the_repeat_is_identical_to_the_bit(project: Project) -> None:
    found = json.loads((project.folder / "results/verify/baseline-again.json").read_text())
    assert (found["identical"], found["divergence"]) == (True, None)
    manifest = json.loads((project.folder / "results/manifest.json").read_text())["artefacts"]
    for name in ("model.safetensors", "trace.parquet", "samples.jsonl"):
        assert manifest[f"runs/baseline-again/{name}"] == manifest[f"runs/baseline-42/{name}"]
        assert manifest[f"runs/baseline-22/{name}"] != manifest[f"runs/baseline-42/{name}"]


def test_a_run_goes_on_from_anothers_final_weights(project: Project) -> None:
    results = project.folder / "results"
    card = json.loads((results / "runs/extended/recipe.json").read_text())
    assert card["difference"] == {"continues": [None, "baseline-42"], "data.start_token": [0, 9216]}
    assert card["intervention"] == "continued"
    start = json.loads((results / "runs/baseline-42/recipe.json").read_text())
    assert card["recipe"]["continues"] == start["digest"]
    losses = {
        run: read_trace(results / "runs" / run / "trace.parquet").loss
        for run in ("baseline-42", "extended")
    }
    # It begins at the loss where the other run ended, not at that of random weights.
    assert losses["extended"][0] < losses["baseline-42"][0] - 0.5
    table = (results / "tables" / "init.csv").read_text()
    assert "\nextended,run:baseline-42,,,,,,,,,,\n" in table
    verdicts = (results / "tables" / "verdicts.csv").read_text()
    assert "\ncontinued,1," in verdicts
    target = ["fresh/runs/extended/model.safetensors", "--config", "results=fresh"]
    assert project.planned(*target)["train"] == {"baseline-42", "extended"}
    commands = project.snakemake("-n", "-p", *target).stdout
    assert re.findall(r"--init (\S+)", commands) == [
        "fresh/init/v2048-c96-w16-h2-l1-keyed-42.safetensors",
        "fresh/runs/baseline-42/model.safetensors",
    ]


def test_a_second_execution_gives_the_same_files(project: Project) -> None:
    """From the text to the judge, for the judged runs; test_slurm.py does it for a whole study.

    The jobs of the first execution were forks, and these are processes of their own.
    """
    targets = "again/judge/one-epoch/round-1.jsonl", "again/verify/baseline-again.json"
    words = "--config", "results=again", "--", *targets
    done = project.snakemake(*words, NOISEBAND_FORKS="off")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((project.folder / "results/manifest.json").read_text())["artefacts"]
    again = project.folder / "again"
    compared = {name for name in found if (again / name).exists()}
    for name in compared:
        assert artefact_digest(again / name) == found[name], name
    stages = {name.partition("/")[0] for name in compared}
    assert stages == {"corpus", "tokens", "init", "runs", "judge", "verify"}
    assert {name.split("/")[1] for name in compared if name.startswith("runs/")} == {
        "baseline-42", "baseline-again", "boom-42", "clip-42",
    }  # fmt: skip
    assert sum("/ift/" in name for name in compared) >= 2 * 3


def test_nothing_is_left_to_do(project: Project) -> None:
    assert project.planned() == {}


def test_any_run_can_be_trained_a_second_time(project: Project) -> None:
    done = project.snakemake("results/verify/clip-42.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((project.folder / "results/verify/clip-42.json").read_text())
    assert (found["identical"], found["run"], found["original"]) == (True, "clip-42", "clip-42")
    assert (project.folder / "results/reruns/clip-42/trace.parquet").exists()
    assert not (project.folder / "results/reruns/both-42").exists()
    none = project.snakemake("-n", "results/verify/clap-42.json")
    assert "No rule to produce results/verify/clap-42.json" in none.stdout


def test_weights_that_are_not_the_references_stop_the_study_before_any_training(
    project: Project,
) -> None:
    text = (project.folder / "config" / "config.yaml").read_text()
    text = text.replace("results: results", "results: results/reference")
    text = text.replace("kind: bpe, vocabulary: 2048", "kind: bpe, vocabulary: 512")
    text = text.replace(
        "model: {vocabulary: 2048, context: 96, width: 16, heads: 2, layers: 1}",
        "init: reference\n  model: {vocabulary: 512, context: 64, width: 48, heads: 4, layers: 3}",
    )
    (project.folder / "config" / "reference.yaml").write_text(text)
    config = "--configfile", "config/reference.yaml"
    start = project.folder / "results/reference/init/v512-c64-w48-h4-l3-reference-42.json"
    made = project.snakemake(*config, "--", str(start.relative_to(project.folder)))
    assert made.returncode == 0, made.stderr
    digests = json.loads(start.read_text())
    digests["tensors"]["trf_blocks.1.norm2.scale"]["sha256"] = "0" * 64
    write_json(start, digests)
    run = "results/reference/runs/baseline-42/model.safetensors"
    stopped = project.snakemake(*config, "--", run)
    assert stopped.returncode == 1
    log = (project.folder / "results/reference/logs/verify_init.log").read_text()
    assert "1 of 44 tensors differ from the reference's, first trf_blocks.1.norm2.scale" in log
    assert not list((project.folder / "results/reference/work").glob("baseline-42-*"))


def test_snakemakes_own_report_shows_the_outputs(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "snakemake.zip"
    done = project.snakemake("--report", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(out) as archive:
        texts = [
            archive.read(n).decode() for n in archive.namelist() if n.endswith((".html", ".js"))
        ]
    whole = "\n".join(texts)
    for words in ("Answers", "Figures", "Tables", "Bits", "a verdict for every change"):
        assert words in whole


def test_a_judge_over_the_network_is_asked_once_and_its_key_is_nowhere(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-workflow-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    shutil.copytree(project.folder / "results", project.folder / "judged")
    shutil.rmtree(project.folder / "judged" / "judge")
    rounds = [f"judged/judge/one-epoch/round-{number}.jsonl" for number in (1, 2)]
    config = "--config", "results=judged"
    with running() as endpoint:
        judge = f"judge: {{kind: openai, base_url: '{endpoint.base_url}', model: m, rounds: 2}}"
        with project.edited("config/config.yaml", "checkpoints:", f"{judge}\ncheckpoints:"):
            done = project.snakemake(*rounds, "judged/manifest.json", *config)
            assert done.returncode == 0, done.stdout + done.stderr
            asked = len(endpoint.bodies)
            assert asked == 2 * 4  # one request for each question, with both models at once
            assert set(endpoint.keys) == {f"Bearer {key}"}
            before = [(project.folder / file).read_bytes() for file in rounds]
            for file in rounds:
                (project.folder / file).unlink()
            monkeypatch.delenv("OPENAI_API_KEY")
            again = project.snakemake(*rounds, *config)
            assert again.returncode == 0, again.stdout + again.stderr
    assert [(project.folder / file).read_bytes() for file in rounds] == before
    assert len(endpoint.bodies) == asked
    manifest = json.loads((project.folder / "judged/manifest.json").read_text())
    assert set(manifest["judged"]) == {
        "judge/one-epoch/round-1.jsonl",
        "judge/one-epoch/round-2.jsonl",
        "tables/finetuning.csv",
        "tables/finetuning-noise.csv",
        "tables/twins.csv",
        "tables/answers.parquet",
        "figures/finetuning.svg",
    }
    assert manifest["artefacts"].keys().isdisjoint(manifest["judged"])
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert [path for path in files if key.encode() in path.read_bytes()] == []
    shutil.rmtree(project.folder / "judged")


def test_a_study_is_exported_as_an_ro_crate(project: Project, tmp_path: Path) -> None:
    crate = tmp_path / "crate"
    done = project.noiseband("crate", "--out", str(crate))
    assert done.returncode == 0, done.stderr
    assert complaints(crate, tmp_path) == []
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    trained = entities["#train-clip-42"]
    assert {"@id": "runs/clip-42/trace.parquet"} in trained["result"]
    assert {"@id": "tokens/pocket/card.json"} in trained["object"]
    for name, entity in entities.items():
        if "sha256" in entity and not name.endswith(".safetensors"):
            assert hashlib.sha256((crate / name).read_bytes()).hexdigest() == entity["sha256"]
    assert {f"#train-{run}" for run in RUNS} < entities.keys()
    # The validator can fail: it complains if the workflow's type is missing.
    broken = json.loads((crate / "ro-crate-metadata.json").read_text())
    for entity in broken["@graph"]:
        if entity["@id"] == "Snakefile":
            entity["@type"] = "File"
    (crate / "ro-crate-metadata.json").write_text(json.dumps(broken))
    assert complaints(crate, tmp_path)
    again = project.noiseband("crate", "--out", str(crate))
    assert (again.returncode, "exists already" in again.stderr) == (2, True)


def test_an_export_and_provenance_name_no_place_and_no_person(
    project: Project, tmp_path: Path
) -> None:
    archive = tmp_path / "crate.zip"
    assert project.noiseband("crate", "--out", str(archive)).returncode == 0
    secrets = [str(project.folder), str(Path.home()) + "/", str(tmp_path), socket.gethostname()]
    with zipfile.ZipFile(archive) as files:
        names = files.namelist()
        for name in names:
            data = files.read(name)
            assert not [text for text in secrets if len(text) > 4 and text.encode() in data], name
    assert "runs/clip-42/provenance.json" in names
    assert "runs/clip-42/model.safetensors" not in names
    found = json.loads((project.folder / "results/runs/clip-42/provenance.json").read_text())
    digests = json.loads((project.folder / "results/runs/clip-42/model.json").read_text())
    assert found["outputs"]["model.safetensors"] == digests["sha256"]
    assert found["params"]["recipe"]["optimizer"]["clip_norm"] == 0.1
    assert found["software"]["torch"].startswith("2.13.0")
    manifest = json.loads((project.folder / "results/manifest.json").read_text())["artefacts"]
    assert found["inputs"]["tokens"] == manifest["tokens/pocket/train.safetensors"]
    assert not [path for path in manifest if "provenance" in path]


def test_pretrained_models_join_a_finished_study(project: Project, tmp_path: Path) -> None:
    saved_gpt2(
        project.folder / "theirs", SMALL.model_copy(update={"vocabulary": 2048, "context": 96})
    )
    shape = "vocabulary: 2048, context: 96, width: 16, heads: 4, layers: 2, qkv_bias: true"
    row = f"pretrained:\n  theirs: {{path: theirs, model: {{{shape}, tied: true}}}}\n"
    with project.edited("config/config.yaml", "baseline: ", f"{row}baseline: "):
        assert project.planned().keys() == {
            "pretrained", "evaluate", "tables", "figures", "manifest", "report",
        }  # fmt: skip
        done = project.snakemake("results/manifest.json")
        assert done.returncode == 0, done.stdout + done.stderr
        archive = tmp_path / "crate.zip"
        assert project.noiseband("crate", "--out", str(archive)).returncode == 0
    manifest = json.loads((project.folder / "results/manifest.json").read_text())["artefacts"]
    assert "runs/theirs/model.safetensors" in manifest
    assert (project.folder / "results/tables/pretrained.csv").read_text().count("\ntheirs,") == 1
    with zipfile.ZipFile(archive) as files:
        names = set(files.namelist())
    assert {"runs/theirs/pretrained.json", "runs/theirs/test_loss.json"} <= names
