"""Ask an endpoint until it gives a usable reply: retries, waits, and the storing of replies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import tenacity

from noiseband.errors import UserError
from noiseband.judge.interface import Postponed
from noiseband.judge.ledger import Ledger
from noiseband.judge.reading import Unusable
from noiseband.judge.refusals import NoReply, Refused
from noiseband.judge.store import Entry, Store

LONGEST_BACKOFF = 60.0
"""The longest wait between two attempts in seconds, unless the endpoint asks for more."""


MOST_REFUSED = 5
"""The number of questions that an endpoint may refuse for an unknown reason, or leave without a
reply, without replying to one in between. Then the settings, the account or the endpoint are taken
to be the cause, and judging stops."""

PROBE = [{"role": "user", "content": "Reply with OK."}]
"""The messages of the request that shows whether an endpoint replies at all."""


class Halted(Exception):
    """Asking was stopped from another thread."""


class Completes(Protocol):
    """An object that takes a request's body, such as `judge.endpoint.Endpoint`."""

    def complete(self, body: dict[str, Any]) -> dict[str, Any]: ...


class Asker:
    """Asks an endpoint, unless the store has the reply. Thread-safe."""

    def __init__(
        self,
        connect: Callable[[], Completes],
        store: Store,
        ledger: Ledger,
        attempts: int,
        longest_wait: float,
        keep_refusals: bool = True,
    ) -> None:
        """
        Args:
            connect: creates the endpoint; called once, when a question must be asked.
            attempts: the largest number of replies to ask for; the last may be unusable. If it is
                larger than it was when a question was given up, the question is asked again.
            longest_wait: the longest wait, in seconds, that an endpoint may ask for.
            keep_refusals: whether a refused question is not asked again when judging is repeated.
                False if settings that are not a part of the request decide what is refused.
        """
        self.connect = connect
        self.store = store
        self.ledger = ledger
        self.attempts = attempts
        self.longest_wait = longest_wait
        self.keep_refusals = keep_refusals
        self.halt = threading.Event()
        """Set this to end all waits and to send nothing more."""
        self._cause: UserError | None = None
        self._unsure: dict[str, Entry] = {}
        self._postponed: set[str] = set()
        self._silences = 0
        """The number of questions without a reply since the endpoint last replied to one."""
        self._settling = threading.Lock()
        self._endpoint: Completes | None = None
        self._connecting = threading.Lock()

    def ask(self, request: dict[str, Any], read: Callable[[dict[str, Any]], object]) -> Entry:
        """The finished entry of a request.

        Every reply is stored as soon as it arrives, so the process may be killed at any moment.
        If the endpoint refused the request, `refusal` of the entry is the reason.

        Args:
            request: the request; the key of its entry is computed from it.
            read: raises Unusable if a reply cannot be used.

        Raises:
            UserError: the endpoint gives no replies or refuses every question, or the budget is
                spent. All threads then raise the same error.
            Postponed: no reply arrived in `attempts` attempts, but the endpoint replies to others.
                If the request is asked a second time, it is given up like a refused one.
            Halted: `halt` was set from outside.
        """
        try:
            with self.store.entry(request) as entry:
                stored = len(entry.replies)
                unsure = not self._is_done(entry, read) and self._until_finished(entry, read)
            self._settle(entry, unsure, replied=len(entry.replies) > stored)
            return entry
        except UserError as error:
            # Set before another thread sends a request in vain.
            self._cause = self._cause or error
            self.halt.set()
            raise

    def _is_done(self, entry: Entry, read: Callable[[dict[str, Any]], object]) -> bool:
        """Whether an entry has a usable reply, or was given up after as many attempts as now."""
        if not entry.finished:
            return False
        if entry.refusal is None:
            try:
                read(entry.replies[-1])
                return True
            except Unusable:
                pass
        return self.attempts <= max(entry.attempts, len(entry.replies))

    def _settle(self, entry: Entry, unsure: bool, replied: bool) -> None:
        """Keep refusals for an unknown reason only once the endpoint has replied to something else.

        A request of the same form then succeeds, so the question is the cause.

        Raises UserError if the endpoint has refused `MOST_REFUSED` questions and replied to none in
        between.
        """
        with self._settling:
            if replied:
                self._silences = 0
            if unsure:
                self._unsure[entry.key] = entry
            if not replied:
                if len(self._unsure) >= MOST_REFUSED:
                    raise UserError(f"judge: {entry.refusal}")
                return
            settled, self._unsure = list(self._unsure.values()), {}
        for one in settled:
            with self.store.entry(one.request) as stored:
                if not stored.finished:
                    stored.refusal = one.refusal
                    self._give_up(stored)

    def _give_up(self, entry: Entry) -> None:
        if entry.refusal is None or self.keep_refusals:
            entry.finished, entry.attempts = True, self.attempts
            self.store.put(entry)

    def _until_finished(self, entry: Entry, read: Callable[[dict[str, Any]], object]) -> bool:
        """Ask until there is a usable reply, a refusal, or as many replies as allowed.

        Returns whether the endpoint refused for an unknown reason; see `_settle`.
        """
        again = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(max(1, self.attempts - len(entry.replies))),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type((NoReply, Unusable)),
            sleep=tenacity.sleep_using_event(self.halt),
            reraise=True,
        )
        try:
            again(self._once, entry, read)
        except Unusable:
            self._give_up(entry)
        except Refused as error:
            entry.refusal = str(error)
            if not error.certain:
                return True
            self._give_up(entry)
        except NoReply as error:
            self._without_reply(entry, error)
        return False

    def _without_reply(self, entry: Entry, error: NoReply) -> None:
        """Give up a question that gets no reply, if it was postponed before.

        Raises:
            Postponed: this is the first time.
            UserError: the endpoint asks to wait, or does not reply to a request of one sentence
                either, or has replied to none of `MOST_REFUSED` questions.
        """
        first = entry.key not in self._postponed
        with self._settling:
            self._silences += first
            all_of_them = self._silences >= MOST_REFUSED
        if error.busy or all_of_them or not self._replies(entry.request):
            raise UserError(
                f"judge: no reply within judge.attempts={self.attempts} (last: {error}); run "
                "again to continue, stored replies are not asked for again"
            )
        if first:
            self._postponed.add(entry.key)
            raise Postponed
        entry.refusal = (
            f"no reply within judge.attempts={self.attempts}, twice, although the endpoint replies "
            f"to other requests (last: {error}); take another judge, or raise judge.attempts to "
            "ask again"
        )
        self._give_up(entry)

    def _replies(self, request: dict[str, Any]) -> bool:
        """Whether the endpoint now replies to a short request with the settings of this one."""
        short = {**request, "body": {**request["body"], "messages": PROBE}}
        with self.store.entry(short) as entry:
            try:
                self._once(entry, lambda reply: None)
            except (NoReply, Refused):
                return False
        return True

    def _once(self, entry: Entry, read: Callable[[dict[str, Any]], object]) -> None:
        if self.halt.is_set():
            raise self._cause or Halted
        endpoint = self._connected()
        self.ledger.reserve(again=entry.requests > 0)
        entry.requests += 1
        entry.finished, entry.refusal, entry.attempts = False, None, 0
        self.store.put(entry)
        reply = endpoint.complete(_varied(entry.request["body"], len(entry.replies)))
        entry.replies.append(reply)
        problem = None
        try:
            read(reply)
            entry.finished = True
        except Unusable as error:
            problem = error
        self.store.put(entry)
        self.ledger.charge(reply)
        if problem is not None:
            raise problem

    def _connected(self) -> Completes:
        with self._connecting:
            if self._endpoint is None:
                self._endpoint = self.connect()
            return self._endpoint

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """The seconds to wait before the next attempt.

        This is full jitter under a limit that doubles (AWS Architecture Blog, "Exponential Backoff
        And Jitter", 2015), but at least as long as the endpoint asks for.
        """
        seconds = float(tenacity.wait_random_exponential(multiplier=1, max=LONGEST_BACKOFF)(state))
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "wait", None) or 0.0
        if asked > self.longest_wait:
            raise UserError(
                f"judge: the endpoint asks to wait {asked:,.0f} s, longer than judge.longest_wait "
                f"({self.longest_wait:,.0f} s); run again then, stored replies are not asked for "
                "again"
            )
        return max(seconds, asked)


def _varied(body: dict[str, Any], tried: int) -> dict[str, Any]:
    """The body with a new seed for each unusable reply, because the same seed would repeat it."""
    return body | {"seed": body["seed"] + tried} if "seed" in body else body
