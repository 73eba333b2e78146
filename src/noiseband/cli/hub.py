"""Commands that export, publish and import trained models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, Config, find_run
from noiseband.errors import UserError, nearest, study_command
from noiseband.study import Study, load_study
from noiseband.terminal import one_line

if TYPE_CHECKING:
    from noiseband.hub.entry import Import

Repo = Annotated[str, typer.Argument(help="Repository on the Hub, as owner/name.")]


@app.command()
def export(
    run: Annotated[
        str,
        typer.Argument(
            help="A run, averaged weights as run/averages/name, a fine-tuned run as "
            "run/protocol/seed, or a run's folder."
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Write a trained model and its tokenizer as a folder that `transformers` loads.

    Example: `noiseband export baseline-1 /tmp/baseline-1`

    It needs no code of noiseband: load it with AutoModelForCausalLM and AutoTokenizer.
    """
    study = load_study(config)
    from noiseband.hub.export import write_export
    from noiseband.hub.source import find_source

    source = find_source(study, run)
    _say(f"{run}: writing {source.weights.stat().st_size / 1e6:,.0f} MB of weights to {folder}")
    write_export(source.weights, source.model, source.vocabulary, folder)
    print(folder)


@app.command()
def publish(
    run: Annotated[str, typer.Argument(help="A finished run of the study.")],
    repo: Repo,
    config: Config = DEFAULT_CONFIG,
    push: Annotated[
        bool, typer.Option("--push", help="Send the files; without --push, only list them.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public; default: private.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence of the weights, as the Hub names it.")] = (
        "apache-2.0"
    ),
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the files to send; default: work/publish/<run> in the results."
        ),
    ] = None,
) -> None:
    """Publish a run on the Hub: export, recipe, trace, digests and a model card.

    Example: `noiseband publish baseline-1 me/pocket-baseline`, then check its README.md and run
    the same command with `--push`

    The token is read from HF_TOKEN. Files that the Hub already has are not sent again, so after an
    outage the same command continues.
    """
    study = load_study(config)
    if run not in study.runs:
        remedy = nearest(run, study.runs)
        if run in study.pretrained:
            remedy = "it was trained by others; only runs of the study can be published"
        raise UserError(f"{run}: no run of {study.config.study}; {remedy}")
    from noiseband.hub.publish import published_files, write_publication
    from noiseband.hub.upload import upload

    folder = out or study.paths.work / "publish" / run
    _say(f"{run}: writing export and card to {folder}")
    write_publication(study, study.runs[run], repo, licence, folder)
    files = {name: folder / name for name in published_files(folder, study.runs[run])}
    width = max(map(len, files))
    for name, path in files.items():
        print(f"{name:<{width}}  {path.stat().st_size:>13,} bytes")
    visibility = "public" if public else "private"
    if not push:
        print(
            f"\nNothing was sent. These files are in {folder}; read its README.md, then add --push "
            f"to commit them to {repo} ({visibility} if it is new)."
        )
        return
    commit = one_line(upload(repo, files, public=public, message=f"{run} of {study.config.study}"))
    print(f"\n{repo} at {commit}\n{study_command('import', repo, '--revision', commit)}")


@app.command("import")
def import_(
    repo: Repo,
    config: Config = DEFAULT_CONFIG,
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch; default: the newest commit.")
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", help="Use it in place of this run, which has the same recipe."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of its row; default: the repo's name.")
    ] = None,
    file: Annotated[str, typer.Option(help="File with its weights.")] = "model.safetensors",
    heads: Annotated[
        int | None,
        typer.Option(min=1, help="Attention heads, for weights with the reference's names."),
    ] = None,
) -> None:
    """Fetch a published run, check its digests, and print its entry for a study's config.

    Example: `noiseband import me/pocket-baseline --revision main`

    Accepts runs that noiseband published, models of the classes that it exports (GPT-2, Llama,
    Mistral, Qwen2, Qwen3), and weights with the reference's names. The entry is pinned by commit
    and SHA-256. The study then measures, fine-tunes and judges the model in the same way as its own
    runs.

    With `--run baseline-1`, a run with the same recipe, tokens and initial weights replaces the
    study's own `baseline-1`, which is then not trained here.
    """
    study = load_study(config)
    own = None if run is None else find_run(study, run)
    from noiseband.hub.entry import import_model

    _say(f"{repo}: fetching {file}")
    found = import_model(repo, revision, file, heads)
    if own is not None:
        from noiseband.hub.adopt import adopt

        print(adopt(study, own, found))
        return
    name = name or repo.partition("/")[2]
    _check(study, name, found, config)
    import yaml

    entry: dict[str, Any] = {"pretrained": {name: found.entry()}}
    print(yaml.safe_dump(entry, sort_keys=False, width=1000), end="")


def _say(text: str) -> None:
    """Print a progress message if standard error is a terminal."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


def _check(study: Study, name: str, found: Import, config: Path) -> None:
    """Print what is known about the model. Raises UserError if it does not fit the study."""
    from noiseband.hub.entry import complaints

    for complaint in complaints(study, name, found):
        raise UserError(f"{found.source.repo}: {complaint}")
    records = found.records
    if loss := records.get("test_loss.json"):
        text, tokens, split = (loss.get(key) for key in ("test_loss_text", "tokens", "split"))
        said = f"published test loss {text} over {tokens} tokens of the {split} split"
        print(one_line(said), file=sys.stderr)
    recipe = records.get("recipe.json", {}).get("digest")
    for run in study.distinct:
        if run.recipe.digest == recipe:
            said = (
                f"{run.name} of this study has the same recipe; to replace it, use --run {run.name}"
            )
            print(said, file=sys.stderr)
    print(f"the weights match their digest; add this to {config}:", file=sys.stderr)
