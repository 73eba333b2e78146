"""What each stage depends on: a rule's params, and all that its command is told of the study.

A job does what its params say, not what the config file says by the time it starts, and a change
of anything else reruns nothing.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from noiseband.study.config import Answers, Checkpoints, Evaluation, Noise, Protocol, Samples
from noiseband.study.contamination import contaminated_runs
from noiseband.study.judges import Judge
from noiseband.study.pretrained import PretrainedModel
from noiseband.study.recipe import Model, Recipe, Section
from noiseband.study.runs import BASELINE, Run, Study, seed_pair


class InitParams(Section):
    """Of `init`: a starting point."""

    model: Model
    """Without dropout, which initial weights do not depend on."""
    method: Literal["keyed", "reference"]
    seed: int

    @classmethod
    def of(cls, recipe: Recipe) -> InitParams:
        return cls(model=_undropped(recipe.model), method=recipe.init, seed=recipe.init_seed)


class StartParams(Section):
    """Where one run starts."""

    run: str
    start: str
    """Name of its starting point, or `run:<name>` where it starts from another's final weights."""
    compared_with: str | None
    """The baseline run that it should start with: of its init_seed, and of its train_seed where
    there is one."""


class StartsParams(Section):
    """Of `verify_init`: which run starts where."""

    runs: list[StartParams]
    """In the order in which runs are shown."""
    on_mismatch: Literal["stop", "warn"]

    @classmethod
    def of(cls, study: Study) -> StartsParams:
        return cls(
            runs=[
                StartParams(run=run.name, start=run.start, compared_with=_same_seed(study, run))
                for run in study.runs.values()
            ],
            on_mismatch=study.config.on_mismatch,
        )


def _same_seed(study: Study, run: Run) -> str | None:
    """The baseline run to compare a run's start with; its own name if it is one."""
    baselines = [
        other
        for other in study.distinct
        if other.intervention == BASELINE
        and other.continues is None
        and other.seeds[0] == run.seeds[0]
    ]
    best = max(
        baselines,
        key=lambda other: (other.name == run.name, other.seeds == run.seeds),
        default=None,
    )
    return None if best is None else best.name


class TrainParams(Section):
    """Of `train`: the recipe, and what is recorded while it runs."""

    run: str
    intervention: str
    interventions: list[str]
    repeat_of: str | None
    continues: str | None
    difference: dict[str, list[Any]]
    recipe: Recipe
    samples: Samples
    checkpoints: Checkpoints

    @classmethod
    def of(cls, study: Study, run: Run) -> TrainParams:
        return cls(
            run=run.name,
            intervention=run.intervention,
            interventions=list(run.interventions),
            repeat_of=run.repeat_of,
            continues=run.continues,
            difference=run.difference,
            recipe=run.recipe,
            samples=study.config.samples,
            checkpoints=study.config.checkpoints,
        )


class PretrainedParams(Section):
    """Of `pretrained`: where the weights are, and what they should be."""

    repo: str | None
    revision: str | None
    path: str | None
    layout: Literal["gpt2", "reference"] = "gpt2"
    file: str = "model.safetensors"
    sha256: str | None
    weights_sha256: str | None = None
    model: Model
    """Without dropout, as it is in the file."""
    context: int
    """Positions that the study uses."""

    @classmethod
    def of(cls, pretrained: PretrainedModel) -> PretrainedParams:
        source = pretrained.source
        return cls(
            repo=source.repo,
            revision=source.revision,
            path=source.path,
            layout=source.layout,
            file=source.file,
            sha256=source.sha256,
            weights_sha256=source.weights_sha256,
            model=_undropped(source.model),
            context=pretrained.model.context,
        )


class ModelParams(Section):
    """How to load a trained model."""

    model: Model
    """Without dropout: what uses it says its own."""
    attention: Literal["explicit", "sdpa"]


class EvaluateParams(ModelParams):
    """Of `evaluate`."""

    evaluation: Evaluation

    @classmethod
    def of(cls, study: Study, run: Run | PretrainedModel) -> EvaluateParams:
        # Which corpus it is, the files say.
        evaluation = study.config.evaluation.model_copy(update={"corpus": None})
        return cls(**_model(run), evaluation=evaluation)


class RespondParams(ModelParams):
    """Of `respond`."""

    protocol: Protocol

    @classmethod
    def of(cls, study: Study, run: Run | PretrainedModel, protocol: str) -> Self:
        assert study.config.finetuning is not None  # no rule asks for it otherwise
        # The seeds are a list of jobs, not part of any one of them.
        chosen = study.config.finetuning.protocols[protocol].model_copy(update={"seeds": [0]})
        return cls(**_model(run), protocol=chosen)


class FinetuneParams(RespondParams):
    """Of `finetune`: answering otherwise must not fine-tune again."""

    @classmethod
    def of(cls, study: Study, run: Run | PretrainedModel, protocol: str) -> Self:
        given = super().of(study, run, protocol)
        answering = {"max_new_tokens": 1, "answers": Answers()}
        return given.model_copy(update={"protocol": given.protocol.model_copy(update=answering)})


class JudgeParams(Section):
    """Of `judge`."""

    judge: Judge

    @classmethod
    def of(cls, study: Study) -> JudgeParams:
        # The number of rounds is a number of jobs, not part of any one of them.
        return cls(judge=study.config.judge.model_copy(update={"rounds": 1}))


class TablesParams(Section):
    """Of `tables`, `figures` and `report`: what the runs are called and how they group."""

    study: str
    title: str
    runs: list[str]
    """Names of all runs, in the order in which they are shown."""
    recipes: list[str] = []
    """First 8 digits of the digest of each run's recipe, by which its files must have been made.
    The whole ones of a thousand runs would be too long for a command line."""
    baseline: str
    alpha: float
    published: bool
    """Whether the page shows the published series too."""
    noise: dict[str, list[list[int]]]
    """Noise component to its seed pairs."""
    pretrained: list[str] = []
    """Names of models that others trained."""
    models: list[str]
    """`<run>/<protocol>/<seed>` of every fine-tuned model."""
    corpora: list[str]
    contamination: dict[str, list[str]]
    """File name of every contamination that was counted, to the runs that it is about."""
    approximate: list[str] = []
    """Runs whose recipes only come near those that are meant."""
    factors: list[str]
    """Of the study's factorial design; empty without one."""
    fraction: int
    """p of its 2^(k-p)."""

    @classmethod
    def of(cls, study: Study) -> TablesParams:
        config = study.config
        return cls(
            study=config.study,
            title=config.title,
            runs=list(study.runs),
            recipes=[run.recipe.digest[:8] for run in study.runs.values()],
            baseline=config.baseline,
            alpha=config.alpha,
            published=config.published,
            noise={
                name: [list(seed_pair(seed)) for seed in getattr(config.noise, name)]
                for name in sorted(Noise.model_fields)
            },
            pretrained=list(study.pretrained),
            models=["/".join(map(str, model)) for model in finetuned_models(study)],
            corpora=sorted(study.corpora),
            contamination=contaminated_runs(study),
            approximate=[run.name for run in study.distinct if run.approximate],
            factors=[] if config.design is None else config.design.factors,
            fraction=0 if config.design is None else config.design.fraction,
        )


class ReportParams(TablesParams):
    """Of `report`: the same, and what costs are counted on."""

    machine: str
    machines: dict[str, str] = {}
    """Run to its machine, where that is another."""

    @classmethod
    def of(cls, study: Study) -> ReportParams:
        tables = TablesParams.of(study).model_dump()
        usual = study.config.machine
        each = {run.name: study.machine(run) for run in study.runs.values()}
        others = {run: machine for run, machine in each.items() if machine != usual}
        return cls(**tables, machine=study.config.machine, machines=others)


def finetuned_models(study: Study) -> list[tuple[str, str, int]]:
    """(run, protocol, seed) of every fine-tuned model."""
    if study.config.finetuning is None:
        return []
    return [
        (run.name, name, seed)
        for name, protocol in study.config.finetuning.protocols.items()
        for run in study.finetuned
        for seed in protocol.seeds
    ]


def _undropped(model: Model) -> Model:
    return model.model_copy(update={"dropout": 0.0})


def _model(run: Run | PretrainedModel) -> dict[str, Any]:
    return {"model": _undropped(run.model), "attention": run.attention}
