"""The params of each rule: exactly the part of the study that the stage depends on.

A rule's command gets its params and nothing else of the study. So a job does what its params say,
even if the config file has changed by the time it starts, and no other change reruns the job.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from noiseband.study.architecture import Model
from noiseband.study.averages import Snapshots
from noiseband.study.config import Answers, Checkpoints, Evaluation, Protocol, Samples
from noiseband.study.judges import Judge
from noiseband.study.pretrained import PretrainedLayout, PretrainedModel
from noiseband.study.recipe import Recipe
from noiseband.study.runs import BASELINE, Run, Study
from noiseband.study.section import ADDED, Section
from noiseband.study.weight_averages import decays


class InitParams(Section):
    """Params of `init`, which makes initial weights."""

    model: Model
    """The model, with a fixed value for what initial weights do not depend on, such as dropout."""
    method: Literal["keyed", "reference"]
    seed: int

    @classmethod
    def of(cls, recipe: Recipe) -> InitParams:
        return cls(model=recipe.model.initial, method=recipe.init, seed=recipe.init_seed)


class StartParams(Section):
    """The weights that one run starts from."""

    run: str
    start: str
    """Name of the initial weights, or `run:<name>` if the run starts from another's final weights.
    """
    compared_with: str | None
    """A baseline run that should start from the same weights: one with the same init_seed and, if
    there is one, the same other seeds. None if no baseline run has that init_seed."""


class StartsParams(Section):
    """Params of `verify_init`, which checks the weights that runs start from."""

    runs: list[StartParams]
    """The starts of all runs, in the order in which runs are shown."""
    on_mismatch: Literal["stop", "warn"]

    @classmethod
    def of(cls, study: Study) -> StartsParams:
        with_init_seed: dict[int, list[Run]] = {}
        for run in study.distinct:
            if run.intervention == BASELINE and run.continues is None:
                with_init_seed.setdefault(run.seeds[0], []).append(run)
        return cls(
            runs=[
                StartParams(
                    run=run.name,
                    start=run.start,
                    compared_with=_same_seed(run, with_init_seed.get(run.seeds[0], [])),
                )
                for run in study.runs.values()
            ],
            on_mismatch=study.config.on_mismatch,
        )


def _same_seed(run: Run, baselines: list[Run]) -> str | None:
    """Name of the run to compare a run's start with, out of the baseline runs with its init_seed:
    its own if it is a baseline run, and None if there are none."""
    best = max(
        baselines,
        key=lambda other: (other.name == run.name, other.seeds == run.seeds),
        default=None,
    )
    return None if best is None else best.name


class TrainParams(Section):
    """Params of `train`: the recipe, and what is recorded while the run trains."""

    run: str
    intervention: str
    interventions: list[str]
    repeat_of: str | None
    continues: str | None
    difference: dict[str, list[Any]]
    recipe: Recipe
    samples: Samples
    checkpoints: Checkpoints
    snapshots: Annotated[Snapshots | None, ADDED] = None
    averages: Annotated[dict[str, float], ADDED] = {}
    """Exponential moving averages of the weights by name, with their decays."""

    @classmethod
    def of(cls, study: Study, run: Run) -> TrainParams:
        return cls(
            run=run.name,
            intervention=run.intervention,
            interventions=list(run.interventions),
            repeat_of=run.repeat_of,
            continues=run.continues,
            difference=run.difference,
            recipe=run.built_in,
            samples=study.config.samples,
            checkpoints=study.config.checkpoints,
            snapshots=study.config.snapshots,
            averages=decays(study.config.averages),
        )


class PretrainedParams(Section):
    """Params of `pretrained`: the location of the weights and what is expected of them."""

    repo: str | None
    revision: str | None
    path: str | None
    layout: PretrainedLayout = "gpt2"
    file: str = "model.safetensors"
    sha256: str | None
    weights_sha256: str | None = None
    model: Model
    """The model in the file, with its dropout set to 0."""
    context: int
    """Number of positions that the study uses."""

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
    """The params that are needed to load a trained model."""

    model: Model
    """The model with its dropout set to 0; fine-tuning has a dropout of its own."""
    attention: Literal["explicit", "sdpa"]


class EvaluateParams(ModelParams):
    """Params of `evaluate`."""

    evaluation: Evaluation

    @classmethod
    def of(cls, study: Study, run: Run | PretrainedModel) -> EvaluateParams:
        # The corpus is left out because the input files determine it.
        evaluation = study.config.evaluation.model_copy(update={"corpus": None})
        return cls(**_model(run), evaluation=evaluation)


class RespondParams(Section):
    """Params of `respond`."""

    model: Annotated[Model | None, ADDED] = None
    """The model with its dropout set to 0; None for a run of a command, whose shape is in a file.
    """
    attention: Literal["explicit", "sdpa"] = "explicit"
    protocol: Protocol

    @classmethod
    def of(cls, study: Study, run: Run | PretrainedModel, protocol: str) -> Self:
        assert study.config.finetuning is not None  # Rules ask only in studies that fine-tune.
        # Each seed is a job of its own, so another seed in the list must not rerun this one.
        chosen = study.config.finetuning.protocols[protocol].model_copy(update={"seeds": [0]})
        by_command = study.config.trainer is not None
        return cls(**({} if by_command else _model(run)), protocol=chosen)


class FinetuneParams(RespondParams):
    """Params of `finetune`, without the settings of the answers, which must not retrain a model."""

    @classmethod
    def of(cls, study: Study, run: Run | PretrainedModel, protocol: str) -> Self:
        given = super().of(study, run, protocol)
        answering = {"max_new_tokens": 1, "answers": Answers()}
        return given.model_copy(update={"protocol": given.protocol.model_copy(update=answering)})


class JudgeParams(Section):
    """Params of `judge`."""

    judge: Judge

    @classmethod
    def of(cls, study: Study) -> JudgeParams:
        # Each round is a job of its own, so another round must not rerun this one.
        return cls(judge=study.config.judge.model_copy(update={"rounds": 1}))


def _undropped(model: Model) -> Model:
    return model.model_copy(update={"dropout": 0.0})


def _model(run: Run | PretrainedModel) -> dict[str, Any]:
    return {"model": _undropped(run.model), "attention": run.attention}
