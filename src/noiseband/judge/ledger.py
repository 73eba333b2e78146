"""What asking has cost, and where it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from noiseband.errors import UserError
from noiseband.judge.store import Entry
from noiseband.study.judges import Budget

MOST_TOKENS = 10**9
"""Of a request or a reply: more than any has."""


class Ledger:
    """Requests and money, counted over everything that a store holds. Safe in threads."""

    def __init__(self, budget: Budget, entries: Iterable[Entry]) -> None:
        self.budget = budget
        self.requests = 0
        self.money = 0.0
        self.retries = 0
        """Of this process."""
        self._lock = threading.Lock()
        for entry in entries:
            self.requests += entry.requests
            for reply in entry.replies:
                self._charge(reply)

    def reserve(self, again: bool) -> None:
        """Count a request that is about to be sent. Raises UserError where the budget has no room
        for it."""
        with self._lock:
            for name, spent in (("requests", self.requests), ("money", self.money)):
                limit = getattr(self.budget, name)
                if limit is not None and spent >= limit:
                    amount = f"{spent:,}" if name == "requests" else f"{spent:.4f}"
                    raise UserError(
                        f"judge.budget.{name}: {limit} is spent ({amount}); raise it and run "
                        "again: what is stored is not asked a second time"
                    )
            self.requests += 1
            self.retries += again

    def charge(self, reply: dict[str, Any]) -> None:
        """Count what a reply cost.

        Raises UserError where the budget is in money and the endpoint does not say.
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
                    "judge.budget.money: the endpoint does not report usage, so what a reply costs "
                    "is not known; set budget.requests instead"
                )
            return
        prices = (self.budget.input_price, self.budget.output_price)
        self.money += sum(t * price for t, price in zip(used, prices, strict=True)) / 1e6

    @property
    def status(self) -> str:
        """For a progress line."""
        with self._lock:
            money = f"  {self.money:.2f} spent" if self.budget.input_price is not None else ""
            return f"{self.requests} requests  {self.retries} retries{money}"


def usage(reply: dict[str, Any]) -> tuple[int, int] | None:
    """Tokens of the prompt and of the reply, as the endpoint reports them; None if it does not, or
    reports what cannot be: a number below zero would pay for others."""
    match reply.get("usage"):
        case {"prompt_tokens": int() as prompt, "completion_tokens": int() as completion}:
            if 0 <= prompt <= MOST_TOKENS and 0 <= completion <= MOST_TOKENS:
                return prompt, completion
    return None
