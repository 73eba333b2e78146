"""The jobs that count seen questions: one for each pair of a set of rows and training tokens."""

from __future__ import annotations

from collections.abc import Iterator

from noiseband.study.contamination import Segment, joined, merged
from noiseband.study.pretrained import PretrainedModel
from noiseband.study.runs import Run, Study, trained_on
from noiseband.study.section import Section


class SeenQuestionsParams(Section):
    """Params of `seen_questions`: a set of instruction rows, and everything that the models that
    are fine-tuned on it were trained on before."""

    instructions: str
    """Name of the set."""
    training: list[Segment]
    """Sorted training segments; segments of one corpus that touch are merged. Empty for models
    that others or a command trained, on text that is not known."""

    @property
    def name(self) -> str:
        """File name of the result. Names of test windows have a number in their first part, so they
        are never equal to it."""
        return joined("questions", self.instructions, *(one.name for one in self.training))

    @classmethod
    def of(
        cls, study: Study, instructions: str, model: Run | PretrainedModel
    ) -> SeenQuestionsParams:
        known = isinstance(model, Run) and study.config.trainer is None
        seen = trained_on(model, study.runs) if isinstance(model, Run) and known else ()
        read = [Segment.of(run.built_in) for run in seen]
        return cls(instructions=instructions, training=merged(read))


def seen_questions(study: Study) -> dict[str, SeenQuestionsParams]:
    """The params of every job by name, in the order of the protocols and runs."""
    return {params.name: params for _, params in _each(study)}


def questioned_models(study: Study) -> dict[str, list[str]]:
    """Job name to the names of the runs and pretrained models that the job is about."""
    found: dict[str, dict[str, None]] = {}
    for model, params in _each(study):
        found.setdefault(params.name, {})[model] = None
    return {name: list(models) for name, models in found.items()}


def _each(study: Study) -> Iterator[tuple[str, SeenQuestionsParams]]:
    """The name of every fine-tuned run or pretrained model with its params, for each protocol."""
    if study.config.finetuning is None:
        return
    for protocol in study.config.finetuning.protocols.values():
        for model in study.finetuned:
            yield model.name, SeenQuestionsParams.of(study, protocol.instructions, model)
