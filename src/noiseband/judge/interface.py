"""The interface of a judge, which scores all answers to a question in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Question:
    """A question, and its reference answer."""

    instruction: str
    input: str
    reference: str


@dataclass(frozen=True)
class Score:
    """A judge's opinion of one answer."""

    score: float | None
    """The score, from 0 to 100; None means missing, which is not zero."""
    reason: str


@dataclass(frozen=True)
class Reply:
    """A judge's opinion of all answers to a question."""

    scores: list[Score]
    """The scores, in the order of the answers."""
    raw: Any
    """The judge's own reply as JSON, from which the scores were read."""


class Postponed(Exception):
    """The judge cannot score these answers now. Ask again after all other questions."""


class Judge(Protocol):
    """Scores answers without knowing which model gave them."""

    @property
    def at_once(self) -> int:
        """The largest number of questions to judge at the same time, each in a thread."""
        ...

    @property
    def status(self) -> str:
        """The judge's text for a progress line."""
        ...

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        """A score for each answer; a missing score is None.

        Raises:
            UserError: the judge cannot continue at all, which ends the round.
            Postponed: the question should be asked again after the others; at most once for each.
        """
        ...

    def halt(self) -> None:
        """Stop as soon as possible, because the round has ended."""
        ...
