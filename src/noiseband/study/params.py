"""The params of each rule: exactly the part of the study that the stage depends on.

A rule's command gets its params and nothing else of the study. So a job does what its params say,
even if the config file has changed by the time it starts, and no other change reruns the job.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from noiseband.study.architecture import Model
from noiseband.study.averages import Snapshots
from noiseband.study.config import Answers, Checkpoints, Evaluation, Protocol, Samples
from noiseband.study.contamination import contaminated_runs
from noiseband.study.expand import baseline_seeds
from noiseband.study.judges import Judge
from noiseband.study.metrics import TEST_LOSS, NamedMetric
from noiseband.study.mixtures import parts
from noiseband.study.pretrained import PretrainedLayout, PretrainedModel
from noiseband.study.recipe import Recipe
from noiseband.study.runs import BASELINE, Run, Study
from noiseband.study.section import ADDED, Section
from noiseband.study.seen_questions import questioned_models
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


class TablesParams(Section):
    """Params of `tables`, `figures` and `report`: names of the runs and how they are grouped."""

    study: str
    title: str
    runs: list[str]
    """Names of all runs, in the order in which they are shown."""
    recipes: list[str] = []
    """First 8 digits of the digest of each run's recipe, which must be the recipe of its files.
    Whole digests of a thousand runs would be too long for a command line."""
    baseline: str
    alpha: float
    margin: float | None = None
    """The smallest difference of the test loss that matters, in its unit."""
    metrics: Annotated[list[NamedMetric], ADDED] = []
    """The metrics that verdicts are about, the primary one first; empty if that is the test loss
    alone."""
    command: Annotated[bool, ADDED] = False
    """Whether a command of the user's own made the runs."""
    evaluations: Annotated[list[str], ADDED] = []
    """Names of the further evaluations that are repeatable."""
    volatile_evaluations: Annotated[list[str], ADDED] = []
    """Names of the other further evaluations."""
    averages: Annotated[list[str], ADDED] = []
    """Names of the averages of the runs' weights."""
    shares: Annotated[list[str], ADDED] = []
    """Names of the runs whose tokens come from several corpora, are read several times, or are
    packed: what they read is in a table."""
    published: bool
    """Whether the page also shows the published series."""
    noise: dict[str, list[list[int]]]
    """Noise component to the seeds of its runs, each [init_seed, data_seed, train_seed]."""
    pretrained: list[str] = []
    """Names of the pretrained models."""
    models: list[str]
    """`<run>/<protocol>/<seed>` of every fine-tuned model."""
    corpora: list[str]
    measured_on: Annotated[str | None, ADDED] = None
    """The corpus on which all runs are tested; None if each is tested on its own."""
    contamination: dict[str, list[str]]
    """File name of each contamination count to the runs that it is about."""
    seen_questions: Annotated[dict[str, list[str]], ADDED] = {}
    """File name of each count of seen questions to the fine-tuned models that it is about, each by
    the name of its run or pretrained model."""
    approximate: list[str] = []
    """Names of the runs whose recipes stand in for recipes that are not fully known."""
    factors: list[str]
    """Factors of the study's factorial design; empty if it has no design."""
    fraction: int
    """The p of the 2^(k-p) design; 0 if the study has no design."""

    @property
    def judged(self) -> list[NamedMetric]:
        """The metrics that verdicts are about, the primary one first."""
        return self.metrics or [NamedMetric.test_loss(self.margin)]

    @property
    def unit(self) -> str:
        """The unit of the test loss: `nats`, per token, or `bits per byte`."""
        named = [one.unit for one in self.judged if one.name == TEST_LOSS and not self.command]
        return named[0] if named else "nats"

    @property
    def primary(self) -> NamedMetric:
        """The metric of the first screen."""
        return self.judged[0]

    @classmethod
    def of(cls, study: Study) -> TablesParams:
        config, further = study.config, study.config.evaluations
        usual = [NamedMetric.test_loss(config.margin)]
        return cls(
            study=config.study,
            title=config.title,
            runs=list(study.runs),
            recipes=[run.recipe.digest[:8] for run in study.runs.values()],
            baseline=config.baseline,
            alpha=config.alpha,
            margin=config.margin,
            metrics=[] if study.metrics == usual else study.metrics,
            command=config.trainer is not None,
            evaluations=[name for name, one in further.items() if one.repeatable],
            volatile_evaluations=[name for name, one in further.items() if not one.repeatable],
            averages=list(config.averages),
            shares=[run.name for run in shared_runs(study)],
            published=config.published,
            noise={
                name: [list(baseline_seeds(config.recipe, one)) for one in entries]
                for name, entries in sorted(config.noise)
            },
            pretrained=list(study.pretrained),
            models=["/".join(map(str, model)) for model in finetuned_models(study)],
            corpora=sorted(study.corpora),
            measured_on=config.evaluation.corpus,
            contamination=contaminated_runs(study),
            seen_questions=questioned_models(study),
            approximate=[run.name for run in study.distinct if run.approximate],
            factors=[] if config.design is None else config.design.factors,
            fraction=0 if config.design is None else config.design.fraction,
        )


class ReportParams(TablesParams):
    """Params of `report`: the same, and the machines that costs are computed for."""

    machine: str
    machines: dict[str, str] = {}
    """Run to its machine, for runs on another machine than `machine`."""

    @classmethod
    def of(cls, study: Study, tables: TablesParams | None = None) -> ReportParams:
        """The params of a study, whose `TablesParams` may be given if they are known already."""
        usual = study.config.machine
        each = {run.name: study.machine(run) for run in study.runs.values()}
        others = {run: machine for run, machine in each.items() if machine != usual}
        known = tables or TablesParams.of(study)
        return cls(**known.model_dump(), machine=study.config.machine, machines=others)


def shared_runs(study: Study) -> list[Run]:
    """The runs of a mixture, of several epochs or of packed data, without repeats."""
    if study.config.trainer is not None:
        return []
    return [
        run
        for run in study.distinct
        if run.built_in.packed is not None
        or run.built_in.data.epochs > 1
        or parts(study.config.corpora, run.corpus) != [run.corpus]
    ]


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
