"""What a study needs of a corpus and of instruction rows: the params of `check_data`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from noiseband.study.config import Evaluation
from noiseband.study.evaluation_params import digest_of
from noiseband.study.evaluations import Choice, FurtherLoss, loss_windows
from noiseband.study.instructions import TemplateChoice
from noiseband.study.runs import Study
from noiseband.study.section import ADDED, Section
from noiseband.study.vocabularies import tokenizer_of

AnyWindow = TypeVar("AnyWindow", bound=Evaluation)


class Reading(Section):
    """How far a run reads in the training split."""

    run: str
    last_token: int
    """One past the last token."""
    packed: Annotated[int | None, ADDED] = None
    """The context for which the tokens are packed; None if they are contiguous."""


class TestWindow(Section):
    """A test window, which depends on the context."""

    model: str
    """The first model that is tested on it."""
    context: int


class Prompts(Section):
    """A protocol's prompts, which must fit into the smallest context of the models it tunes."""

    protocol: str
    rows: str
    """Name of the set of instruction rows."""
    template: TemplateChoice
    method: Literal["full", "lora"]
    model: str
    """The first fine-tuned model with that context."""
    context: int | None
    """None if only the exported model knows it."""


class FurtherWindow(Section):
    """The test window of a further loss, for the first model with each context."""

    key: str
    """Key of the window in the config."""
    evaluation: FurtherLoss
    """The window without its precision and corpus."""
    windows: list[TestWindow]


class Choices(Section):
    """A file of items whose choices must fit into the smallest context of the models."""

    key: str
    """Key of the evaluation in the config."""
    choice: Choice
    files: str | None
    """Digest of the file."""
    context: int


class OwnIds(Section):
    """What a run expects of a tokenizer that is on the Hub, and so is not read with the config."""

    run: str
    """The first run that expects it."""
    vocabulary: int
    """The model's number of token ids."""
    end_of_text: int | None
    """The id that ends documents for the model; None if it does not need to know."""


class DataNeeds(Section):
    """Params of `check_data`."""

    corpus: str
    reading: list[Reading]
    """Runs that read the corpus, the first of those that read equally far."""
    evaluation: Evaluation
    """The evaluation without its precision and corpus, which do not move the window."""
    windows: list[TestWindow]
    prompts: list[Prompts]
    further: Annotated[list[FurtherWindow], ADDED] = []
    choices: Annotated[list[Choices], ADDED] = []
    ids: Annotated[list[OwnIds], ADDED] = []

    @property
    def rows(self) -> list[str]:
        """Names of the sets of instruction rows, sorted."""
        return sorted({one.rows for one in self.prompts})

    @property
    def packed(self) -> list[int]:
        """The contexts for which tokens that runs read are packed, sorted."""
        return sorted({one.packed for one in self.reading if one.packed is not None})

    @property
    def sliced(self) -> dict[str, list[str]]:
        """The fields by which further losses are sliced, by split, both sorted."""
        pairs = {(one.evaluation.split, one.evaluation.field) for one in self.further}
        found: dict[str, list[str]] = {}
        for split, field in sorted(pairs):
            if field:
                found.setdefault(split, []).append(field)
        return found

    @classmethod
    def of(cls, study: Study, corpus: str) -> DataNeeds:
        farthest: dict[tuple[int, int], str] = {}
        for run in study.runs.values():
            if run.built_in.data.corpus == corpus:
                reading = (run.built_in.packed or 0, run.built_in.last_token)
                farthest.setdefault(reading, run.name)
        contexts: dict[int, str] = {}
        for name, model in study.models.items():
            if study.measured_on(model) == corpus:
                contexts.setdefault(model.model.context, name)
        return cls(
            corpus=corpus,
            reading=[
                Reading(run=run, last_token=last, packed=packed or None)
                for (packed, last), run in sorted(farthest.items())
            ],
            evaluation=_place(study.config.evaluation),
            windows=[TestWindow(model=name, context=c) for c, name in sorted(contexts.items())],
            prompts=_prompts(study, corpus),
            further=_further(study, corpus),
            choices=_choices(study, corpus),
            ids=_ids(study, corpus),
        )


class ExportNeeds(Section):
    """Params of `check_export`: what fine-tuning needs of the model that a command exported."""

    prompts: list[Prompts]

    @property
    def rows(self) -> list[str]:
        """Names of the sets of instruction rows, sorted."""
        return sorted({one.rows for one in self.prompts})

    @classmethod
    def of(cls, study: Study, run: str) -> ExportNeeds:
        return cls(prompts=_prompts_of(study, run, None))


def _ids(study: Study, corpus: str) -> list[OwnIds]:
    """What runs expect of the corpus's tokenizer, if it is on the Hub."""
    if tokenizer_of(study.config.corpora, corpus).facts is not None:
        return []
    found: dict[tuple[int, int | None], str] = {}
    for run in study.runs.values():
        if run.built_in.data.corpus == corpus:
            end = run.model.end_of_text if run.model.attention.documents else None
            found.setdefault((run.model.vocabulary, end), run.name)
    return [
        OwnIds(run=run, vocabulary=vocabulary, end_of_text=end)
        for (vocabulary, end), run in found.items()
    ]


def _prompts(study: Study, corpus: str) -> list[Prompts]:
    tuned = [model for model in study.finetuned if study.measured_on(model) == corpus]
    if not tuned:
        return []
    smallest = min(tuned, key=lambda model: model.model.context)
    return _prompts_of(study, smallest.name, smallest.model.context)


def _prompts_of(study: Study, model: str, context: int | None) -> list[Prompts]:
    """Every protocol's prompts, which must fit into a model's context."""
    protocols = {} if study.config.finetuning is None else study.config.finetuning.protocols
    return [
        Prompts(
            protocol=name,
            rows=protocol.instructions,
            template=protocol.template,
            method=protocol.method,
            model=model,
            context=context,
        )
        for name, protocol in protocols.items()
    ]


def _further(study: Study, corpus: str) -> list[FurtherWindow]:
    found = []
    for key, window in loss_windows(study.config.evaluations):
        contexts: dict[int, str] = {}
        for name, model in study.models.items():
            if (window.corpus or model.corpus) == corpus:
                contexts.setdefault(model.model.context, name)
        windows = [TestWindow(model=name, context=c) for c, name in sorted(contexts.items())]
        if windows:
            found.append(FurtherWindow(key=key, evaluation=_place(window), windows=windows))
    return found


def _choices(study: Study, corpus: str) -> list[Choices]:
    models = [one for one in study.models.values() if study.measured_on(one) == corpus]
    if not models:
        return []
    return [
        Choices(
            key=f"evaluations.{name}.choice",
            choice=one.choice,
            files=digest_of(f"evaluations.{name}", one.paths),
            context=min(model.model.context for model in models),
        )
        for name, one in study.config.evaluations.items()
        if one.choice is not None
    ]


def _place(evaluation: AnyWindow) -> AnyWindow:
    """The evaluation without its precision and corpus, which do not move the window."""
    return evaluation.model_copy(update={"precision": "float32", "corpus": None})
