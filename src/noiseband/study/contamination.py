"""The contamination jobs: one for each pair of a test window and training tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any

from noiseband.study.config import Evaluation
from noiseband.study.recipe import Recipe
from noiseband.study.runs import Run, Study, trained_on
from noiseband.study.section import ADDED, Section
from noiseband.study.tokenizers import Tokenizer
from noiseband.study.vocabularies import same_ids, same_tokens, tokenizer_of

LONGEST_NAME = 150
"""Most characters in a result's name, so that every file system accepts it with its suffixes."""


class Segment(Section):
    """A segment of the tokens of a training split, or of its packed sequences."""

    corpus: str
    first: int
    stop: int
    """One past the last token."""
    packed: Annotated[int | None, ADDED] = None
    """The context for which the tokens are packed; None if they are contiguous."""

    @classmethod
    def of(cls, recipe: Recipe) -> Segment:
        """What a run reads."""
        return cls(
            corpus=recipe.data.corpus,
            first=recipe.data.start_token,
            stop=recipe.last_token,
            packed=recipe.packed,
        )

    @property
    def name(self) -> str:
        how = "" if self.packed is None else f"-packed-{self.packed}"
        return f"{self.corpus}{how}-{self.first}-{self.stop}"

    @property
    def row(self) -> int | None:
        """Tokens of a packed sequence in its file; None if the tokens are contiguous."""
        return None if self.packed is None else self.packed + 1

    @property
    def places(self) -> tuple[int, int]:
        """The first token in its file, and one past the last. Packed sequences have a token in the
        file, their last target, that does not count."""
        if self.packed is None:
            return self.first, self.stop
        first, stop = self.first // self.packed, self.stop // self.packed
        return first * (self.packed + 1), stop * (self.packed + 1)


class ContaminationParams(Section):
    """Params of `contamination`: a test window, and everything its runs were trained on."""

    corpus: str
    """Name of the corpus that contains the window."""
    context: int
    """Context of the runs; the window consists of whole batches of this length."""
    evaluation: Evaluation
    """The evaluation without its precision, which does not move the window."""
    end_of_text: int | None
    """Token id that ends a document; None if only the file of the vocabulary says it."""
    training: list[Segment]
    """Sorted training segments; segments of one corpus that touch are merged."""
    not_compared: list[str]
    """Further training corpora with another vocabulary, in which equal ids are not equal text."""

    @property
    def name(self) -> str:
        """File name of the result."""
        return joined(f"{self.corpus}-{self.context}", *(one.name for one in self.training))

    @classmethod
    def of(cls, study: Study, run: Run) -> ContaminationParams:
        corpora, name = study.config.corpora, study.measured_on(run)
        own = tokenizer_of(corpora, name)
        read: list[Segment] = []
        others: set[str] = set()
        for one in trained_on(run, study.runs):
            data = one.built_in.data
            if same_ids(corpora, data.corpus, name):
                corpus = name if same_tokens(corpora, data.corpus, name) else data.corpus
                if one.built_in.packed is not None:
                    corpus = data.corpus  # Only corpora that runs read are packed.
                read.append(Segment.of(one.built_in).model_copy(update={"corpus": corpus}))
            else:
                others.add(data.corpus)
        return cls(
            corpus=name,
            context=run.built_in.model.context,
            evaluation=study.config.evaluation.model_copy(
                update={"precision": "float32", "corpus": None}
            ),
            end_of_text=own.facts.end_of_text if isinstance(own, Tokenizer) else None,
            training=merged(read),
            not_compared=sorted(others),
        )


def joined(*parts: str) -> str:
    """File name of a result about these parts, joined with `~`.

    No name in a config contains `~`, so names are unique, and the URLs in a crate do not have to
    encode it. A name that is too long for a file system ends in its SHA-256 instead.
    """
    name = "~".join(parts)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - 17]}~{digest}"


def merged(segments: list[Segment]) -> list[Segment]:
    """The segments, sorted, with those of one corpus merged if they overlap or touch."""
    found: list[Segment] = []
    for one in sorted(segments, key=lambda s: (s.corpus, s.packed or 0, s.first, s.stop)):
        last = found[-1] if found else None
        alike = last is not None and (last.corpus, last.packed) == (one.corpus, one.packed)
        if last is not None and alike and one.first <= last.stop:
            found[-1] = last.model_copy(update={"stop": max(last.stop, one.stop)})
        else:
            found.append(one)
    return found


def contaminations(study: Study) -> dict[str, ContaminationParams]:
    """The params of every job by name, in the order of the runs."""
    return {params.name: params for _, params in _each(study)}


def contaminated_runs(study: Study) -> dict[str, list[str]]:
    """Job name to the names of the runs that the job is about."""
    found: dict[str, list[str]] = {}
    for run, params in _each(study):
        found.setdefault(params.name, []).append(run.name)
    return found


def _each(study: Study) -> Iterator[tuple[Run, ContaminationParams]]:
    """Every run with its params, which are computed once for all runs that read the same tokens."""
    if study.config.trainer is not None:
        return
    known: dict[tuple[Any, ...], ContaminationParams] = {}
    for run in study.runs.values():
        recipes = [one.built_in for one in trained_on(run, study.runs)]
        read = map(Segment.of, recipes)
        key = (run.built_in.model.context, *read)
        if key not in known:
            known[key] = ContaminationParams.of(study, run)
        yield run, known[key]
