"""Leave out what a model thinks before it replies, which may have drafts of a verdict.

Only reasoning at the beginning of a text is left out. A tag further on, in a reason or in a quoted
answer, is ordinary text: an answer must not be able to hide a judge's verdict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = r"think|thinking|thought|thoughts|reasoning|analysis|reflection|scratchpad"
_BLOCKS = (
    (
        re.compile(rf"<(?P<name>(?:\w+:)?(?:{_NAMES}))(?:\s[^<>]*)?>", re.IGNORECASE),
        r"</{name}\s*>",
    ),
    (re.compile(r"\[(?P<name>THINK)\]"), r"\[/{name}\]"),
    (re.compile(r"<\|begin_of_(?P<name>thought)\|>"), r"<\|end_of_{name}\|>"),
    (re.compile(r"◁(?P<name>think)▷"), r"◁/{name}▷"),
    (
        re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>(?P<name>analysis)<\|message\|>"),
        r"<\|channel\|>final(?:\s[^<>]*)?<\|message\|>",
    ),
)
"""The beginning of each form of reasoning, and its end. In the last form the reply has a beginning
of its own instead."""

_END = re.compile(
    rf"</(?:\w+:)?(?:{_NAMES})\s*>|\[/THINK\]|<\|end_of_thought\|>|◁/think▷", re.IGNORECASE
)
"""The end of any form of reasoning whose beginning is a part of the prompt."""


MOST = 20
"""The largest number of blocks of reasoning that are left out; more are taken for the reply."""


class Endless(Exception):
    """The text ends within the reasoning."""


def without_reasoning(text: str, data: Sequence[str] = ()) -> str:
    """The text after the reasoning with which it begins.

    Some models' prompts end with the beginning of the reasoning, so that the text has only its end.
    The part before such an end is left out too, unless that part begins as JSON does, or one of
    `data`, the texts that the model saw, has such an end, which it may have quoted.

    Raises Endless if the reasoning does not end.
    """
    rest = text
    for _ in range(MOST):
        after = _block(rest)
        if after is None:
            break
        rest = after
    if rest is not text or text.lstrip().startswith(("{", "[", "```")):
        return rest
    end = _END.search(text)
    if end is None or any(_END.search(one) for one in data):
        return text
    return text[end.end() :]


def _block(text: str) -> str | None:
    """The text after the block of reasoning at its beginning; None if there is none."""
    text = text.lstrip()
    for begin, end in _BLOCKS:
        opened = begin.match(text)
        if opened is None:
            continue
        ends = re.compile(end.replace("{name}", re.escape(opened["name"])), re.IGNORECASE)
        closed = ends.search(text, opened.end())
        if closed is None:
            raise Endless
        return text[closed.end() :]
    return None
