"""Items as tokens: contexts, and the continuations that a model scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noiseband.corpus.vocabulary import Encoding
from noiseband.errors import UserError
from noiseband.evaluate.items import Item, read_items
from noiseband.study.evaluations import Choice


@dataclass(frozen=True)
class Continuation:
    """Tokens that may follow a context."""

    context: list[int]
    tokens: list[int]

    def window(self, context: int) -> list[int]:
        """The tokens that the model reads: the last ones that fit, without the very last."""
        return [*self.context, *self.tokens][-(context + 1) : -1]

    def cut(self, context: int) -> bool:
        """Whether the context does not fit, so that its first tokens are left out."""
        return len(self.context) + len(self.tokens) > context + 1


@dataclass(frozen=True)
class Question:
    """An item, and its choices as tokens."""

    item: Item
    continuations: list[Continuation]

    @property
    def bytes(self) -> list[int]:
        """The bytes of each choice, without the delimiter."""
        return [len(text.encode()) for text in self.item.choices]


def read_questions(choice: Choice, encoding: Encoding, context: int) -> list[Question]:
    """The items of a file, with their choices as tokens.

    Raises UserError if a row is bad, or a choice alone has more tokens than the context.
    """
    file, questions = Path(choice.file), []
    for item in read_items(file):
        texts = [choice.delimiter + text for text in item.choices]
        question = Question(item, [encoded(encoding, item.context, text) for text in texts])
        for number, one in enumerate(question.continuations):
            if len(one.tokens) > context:
                key = "target" if item.last_word else f"choices.{number}"
                raise UserError(
                    f"{file}: row {item.row}: {key}: has {len(one.tokens)} tokens, more than the "
                    f"context of {context}; shorten it, or remove the row"
                )
        questions.append(question)
    return questions


def encoded(encoding: Encoding, context: str, text: str) -> Continuation:
    """The tokens of a context and of the text that follows it.

    Blanks at the end of the context belong to the continuation, and both are encoded together,
    because a vocabulary has a blank and the word after it in one token. If the first tokens are
    then not those of the context alone, both are encoded separately. An empty context is the end
    of a document.
    """
    kept = context.rstrip()
    moved = context[len(kept) :] + text
    if not kept:
        return Continuation([encoding.eot_token], encoding.encode_ordinary(moved))
    before, whole = encoding.encode_ordinary(kept), encoding.encode_ordinary(kept + moved)
    if whole[: len(before)] != before:
        return Continuation(before, encoding.encode_ordinary(moved))
    return Continuation(before, whole[len(before) :])
