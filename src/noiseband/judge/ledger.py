"""Count the requests and the money spent, and stop at the budget."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from noiseband.errors import UserError
from noiseband.judge.store import Entry
from noiseband.study.judges import Budget

MOST_TOKENS = 10**9
"""A number of tokens that no real request or reply exceeds."""


class Ledger:
    """The requests and the money, counted over all entries of a store. Thread-safe."""

    def __init__(self, budget: Budget, entries: Iterable[Entry]) -> None:
        self.budget = budget
        self.requests = 0
        self.money = 0.0
        self.retries = 0
        """The number of retries of this process."""
        self._lock = threading.Lock()
        for entry in entries:
            self.requests += entry.requests
            for reply in entry.replies:
                self._charge(reply)

    def reserve(self, again: bool) -> None:
        """Count a request that is about to be sent.

        Raises UserError if the budget is spent.
        """
        with self._lock:
            for name, spent in (("requests", self.requests), ("money", self.money)):
                limit = getattr(self.budget, name)
                if limit is not None and spent >= limit:
                    amount = f"{spent:,}" if name == "requests" else f"{spent:.4f}"
                    raise UserError(
                        f"judge.budget.{name}: {limit} is spent ({amount}); raise it and run "
                        "again: stored replies are not asked for again"
                    )
            self.requests += 1
            self.retries += again

    def charge(self, reply: dict[str, Any]) -> None:
        """Count the cost of a reply.

        Raises UserError if the budget is in money and the endpoint does not report usage.
        """
        with self._lock:
            self._charge(reply)

    def _charge(self, reply: dict[str, Any]) -> None:
        if self.budget.input_price is None or self.budget.output_price is None:
            return
        used = usage(reply)
        if used is None:
            if self.budget.money is not None:
                raise UserError(
                    "judge.budget.money: the endpoint does not report usage, so the cost of a "
                    "reply is unknown; set budget.requests instead"
                )
            return
        prices = (self.budget.input_price, self.budget.output_price)
        self.money += sum(t * price for t, price in zip(used, prices, strict=True)) / 1e6

    @property
    def status(self) -> str:
        """The text for a progress line."""
        with self._lock:
            money = f"  {self.money:.2f} spent" if self.budget.input_price is not None else ""
            return f"{self.requests} requests  {self.retries} retries{money}"


def usage(reply: dict[str, Any]) -> tuple[int, int] | None:
    """The tokens of the prompt and of the reply, as the endpoint reports them.

    None if it does not report them, or reports impossible numbers: a negative one would lower the
    total cost.
    """
    match reply.get("usage"):
        case {"prompt_tokens": int() as prompt, "completion_tokens": int() as completion}:
            if 0 <= prompt <= MOST_TOKENS and 0 <= completion <= MOST_TOKENS:
                return prompt, completion
    return None
