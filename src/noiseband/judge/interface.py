"""What a judge is: it scores all answers to one question in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Question:
    """What was asked, and the answer that would have been right."""

    instruction: str
    input: str
    reference: str


@dataclass(frozen=True)
class Score:
    """A judge's opinion of one answer."""

    score: float | None
    """0 to 100; None is missing, which is not zero."""
    reason: str


@dataclass(frozen=True)
class Reply:
    """A judge's opinion of all answers to a question."""

    scores: list[Score]
    """In the order in which the answers were given."""
    raw: Any
    """What the judge said, as JSON, before anything was read out of it."""


class Judge(Protocol):
    """Scores answers without knowing whose they are."""

    @property
    def at_once(self) -> int:
        """Most questions to be judged at a time, each in a thread."""
        ...

    @property
    def status(self) -> str:
        """What a progress line says of it."""
        ...

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        """A score for each answer; one that cannot be had is None, not an exception.

        An exception ends the round: the judge cannot go on at all (UserError).
        """
        ...

    def halt(self) -> None:
        """End what is being judged as soon as may be, because the round has ended."""
        ...
