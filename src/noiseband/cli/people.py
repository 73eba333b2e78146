"""Commands that people type, some of which rules call too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from noiseband.cli import app
from noiseband.cli.stages import parse
from noiseband.errors import UserError, snakemake
from noiseband.gpus import announce, reserve
from noiseband.study import Run, Study, StudyConfig, load_study, params
from noiseband.study.problems import nearest
from noiseband.study.recipe import Recipe, written

Config = Annotated[
    Path, typer.Option("--config", help="The study's config file.", show_default=True)
]
DEFAULT_CONFIG = Path("config/config.yaml")
RunName = Annotated[str | None, typer.Option("--run", help="Name of a run of the study.")]
Machines = Annotated[Path, typer.Option("--machines", help="The table of machines.")]
MACHINES = Path("config/machines.yaml")
RuleParams = Annotated[
    str | None, typer.Option("--params", help="Instead of --config and --run: params as JSON.")
]


def find_run(study: Study, name: str | None) -> Run:
    """The run of that name. Raises UserError with the nearest name."""
    if name is None:
        raise UserError("--run is missing: give a name that `noiseband runs` lists")
    if name in study.runs:
        return study.runs[name]
    raise UserError(
        f"--run {name}: no such run in {study.config.study}; {nearest(name, study.runs)}"
    )


def machine_table(given: Path, config: Path) -> Path:
    """The table of machines, beside the config where this folder has none. Raises UserError."""
    for path in (given, *([config.parent / given.name] if given == MACHINES else [])):
        if path.exists():
            return path
    raise UserError(
        f"{given}: no such table of machines; start in the project's folder, or give --machines"
    )


@app.command()
def init(
    config: Config = DEFAULT_CONFIG,
    run: RunName = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for init.safetensors, init.json.")
    ] = None,
    params_text: RuleParams = None,
    weights: Annotated[Path | None, typer.Option(help="With --params: the tensor file.")] = None,
    digests: Annotated[Path | None, typer.Option(help="With --params: the digest file.")] = None,
) -> None:
    """Draw a run's initial weights and their digests.

    Example: `noiseband init --run baseline-42 --out /tmp/start`
    """
    if params_text is not None:
        given = parse(params.InitParams, params_text)
    else:
        study = load_study(config)
        found = find_run(study, run)
        if found.continues is not None:
            raise UserError(
                f"--run {run}: starts from the final weights of {found.continues}, which are (or "
                f"will be) {study.start_file(found)}; there is nothing to draw"
            )
        given = params.InitParams.of(found.recipe)
    if out is not None:
        weights, digests = out / "init.safetensors", out / "init.json"
    if weights is None or digests is None:
        raise UserError("--out is missing: give a folder for init.safetensors and init.json")
    from noiseband.model.init import write_init

    whole = write_init(given.model, given.method, given.seed, weights, digests)
    print(f"{whole}  {weights}")


@app.command()
def train(
    config: Config = DEFAULT_CONFIG,
    run: RunName = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the model and its trace.")] = None,
    params_text: RuleParams = None,
    tokens: Annotated[Path | None, typer.Option(help="Training split, tokenised.")] = None,
    vocabulary: Annotated[Path | None, typer.Option(help="Vocabulary of the tokens.")] = None,
    init: Annotated[Path | None, typer.Option(help="Initial weights.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder for checkpoints.")] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            help="URI of a copy of --work, such as s3://bucket/folder: another machine goes on "
            "from there. Default: under $NOISEBAND_CHECKPOINTS, if that is set."
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes: a power of two that divides the slots.")
    ] = 1,
) -> None:
    """Train one run, going on from its newest checkpoint.

    Example: `noiseband train --run baseline-42 --out /tmp/baseline-42`

    Outside the workflow the study's tokens and initial weights must exist; the message says how to
    make them.
    """
    if out is None:
        raise UserError("--out is missing: give a folder for model.safetensors and the trace")
    if params_text is not None:
        given = parse(params.TrainParams, params_text)
    else:
        study = load_study(config)
        given = params.TrainParams.of(study, find_run(study, run))
        corpus = given.recipe.data.corpus
        tokens = tokens or made(study.paths.split(corpus, "train"), config)
        vocabulary = vocabulary or made(study.paths.vocabulary(corpus), config)
        init = init or made(study.start_file(study.runs[given.run]), config)
        work = work or out / "work"
    if tokens is None or vocabulary is None or init is None or work is None:
        raise UserError("--params needs --tokens, --vocabulary, --init and --work beside it")
    from noiseband.train.launch.processes import PeerLost, check_processes, joined
    from noiseband.train.launch.slurm import find_place
    from noiseband.train.launch.torchrun import PEER_LOST, end, end_with_launcher, launch, launched

    find_place()
    check_processes(processes, given.recipe.batch.slots)
    if launched():
        announce(f"train {given.run}")
        end_with_launcher()
    else:
        reserve(processes, f"train {given.run}")
        if processes > 1:
            sys.exit(launch(processes, sys.argv[1:]))
    from noiseband.repro.provenance import write_provenance
    from noiseband.train.account import Account
    from noiseband.train.loop import Interrupted, train
    from noiseband.train.remote_checkpoints import uri_of
    from noiseband.train.segments import segments_of
    from noiseband.train.trainer import Job

    job = Job.read(given, tokens, vocabulary, init, work, out, checkpoints or uri_of(work))
    try:
        with joined() as group:
            train(job, group, Account)
            if group.first:
                inputs = {"tokens": tokens, "vocabulary": vocabulary, "init": init}
                segments = segments_of(work, given.recipe.steps)
                write_provenance(out, given, inputs, group.device, group.count, segments)
    except Interrupted as stop:
        sys.exit(128 + stop.signal)
    except PeerLost:
        end(PEER_LOST)
    if launched():
        end(0)


def made(path: Path, config: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path} is not there yet; make it: {snakemake(path, config=config)}")
    return path


@app.command()
def schema(
    format: Annotated[
        Literal["json", "markdown"], typer.Option(help="For editors, or for people.")
    ] = "json",
) -> None:
    """Print the schema of config files: JSON for editors, or the config reference.

    Example: `noiseband schema --format markdown | less`
    """
    from noiseband.study.document import config_reference

    if format == "markdown":
        print(config_reference(), end="")
    else:
        print(json.dumps(StudyConfig.model_json_schema(), indent=2))


@app.command()
def runs(config: Config = DEFAULT_CONFIG) -> None:
    """Check a config file and list its runs with what each changes.

    Example: `noiseband runs --config config/config.yaml`
    """
    study = load_study(config)
    width = max(map(len, study.models))
    for run in study.runs.values():
        changes = (
            f"{key}: {written(old)} -> {written(new)}" for key, (old, new) in run.difference.items()
        )
        note = ", ".join(changes) or "the baseline recipe"
        if run.repeat_of is not None:
            note = f"repeat of {run.repeat_of}"
        note = f"approximate: {note}" if run.approximate else note
        print(f"{run.name:<{width}}  {_size(run.recipe)}  {note}")
    for name, one in study.pretrained.items():
        place = one.source.path or f"{one.source.repo} at {one.source.revision}"
        print(f"{name:<{width}}  pretrained  {place}")


def _size(recipe: Recipe) -> str:
    return f"{recipe.steps:,} steps"
