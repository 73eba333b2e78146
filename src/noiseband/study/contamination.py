"""Which test windows are looked for in which training tokens: a job for each pair that occurs."""

from __future__ import annotations

import hashlib

from noiseband.study.config import Evaluation
from noiseband.study.recipe import Section
from noiseband.study.runs import Run, Study, trained_on

LONGEST_NAME = 150
"""Of a result, so that every file system takes it with what is put before and after."""


class Segment(Section):
    """Tokens of a training split."""

    corpus: str
    first: int
    stop: int
    """One past the last."""

    @property
    def name(self) -> str:
        return f"{self.corpus}-{self.first}-{self.stop}"


class ContaminationParams(Section):
    """Of `contamination`: the test window of some runs, and all that they were trained on."""

    corpus: str
    """Whose split the window is cut from."""
    context: int
    """Of the runs: a window is cut to whole batches of it."""
    evaluation: Evaluation
    """Without precision, which moves no window."""
    end_of_text: int
    """Id that ends a document."""
    training: list[Segment]
    """In order; segments of one corpus that touch are one."""
    not_compared: list[str]
    """Corpora that were trained on too and have another vocabulary, so that equal ids are not
    equal text."""

    @property
    def name(self) -> str:
        """File name of the result. No corpus has a ~ in its name, so no two are alike;
        and a crate's addresses need not encode it. One that is too long for a file system ends in
        its SHA-256 instead."""
        window = f"{self.corpus}-{self.context}"
        name = "~".join([window, *(segment.name for segment in self.training)])
        if len(name) <= LONGEST_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return f"{name[: LONGEST_NAME - 17]}~{digest}"

    @classmethod
    def of(cls, study: Study, run: Run) -> ContaminationParams:
        corpora, name = study.config.corpora, study.measured_on(run)
        own = corpora[name]
        read: list[Segment] = []
        others: set[str] = set()
        for one in trained_on(run, study.runs):
            data = one.recipe.data
            if corpora[data.corpus].same_ids(own):
                corpus = name if corpora[data.corpus].same_tokens(own) else data.corpus
                stop = one.recipe.last_token
                read.append(Segment(corpus=corpus, first=data.start_token, stop=stop))
            else:
                others.add(data.corpus)
        return cls(
            corpus=name,
            context=run.recipe.model.context,
            evaluation=study.config.evaluation.model_copy(
                update={"precision": "float32", "corpus": None}
            ),
            end_of_text=own.tokenizer.size - 1,
            training=merged(read),
            not_compared=sorted(others),
        )


def merged(segments: list[Segment]) -> list[Segment]:
    """Sorted, those of one corpus that overlap or touch made one."""
    found: list[Segment] = []
    for one in sorted(segments, key=lambda s: (s.corpus, s.first, s.stop)):
        last = found[-1] if found else None
        if last is not None and last.corpus == one.corpus and one.first <= last.stop:
            found[-1] = last.model_copy(update={"stop": max(last.stop, one.stop)})
        else:
            found.append(one)
    return found


def contaminations(study: Study) -> dict[str, ContaminationParams]:
    """Every job by name, in the order of the runs."""
    each = (ContaminationParams.of(study, run) for run in study.runs.values())
    return {params.name: params for params in each}


def contaminated_runs(study: Study) -> dict[str, list[str]]:
    """The runs that each job is about, by its name."""
    found: dict[str, list[str]] = {}
    for run in study.runs.values():
        found.setdefault(ContaminationParams.of(study, run).name, []).append(run.name)
    return found
