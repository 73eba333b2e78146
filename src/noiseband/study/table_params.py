"""Params of the rules that make tables, figures and the page."""

from __future__ import annotations

from typing import Annotated

from noiseband.study.contamination import contaminated_runs
from noiseband.study.expand import baseline_seeds
from noiseband.study.metrics import TEST_LOSS, NamedMetric
from noiseband.study.mixtures import parts
from noiseband.study.runs import Run, Study
from noiseband.study.section import ADDED, Section
from noiseband.study.seen_questions import questioned_models


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
