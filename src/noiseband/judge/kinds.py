"""Create the judge that a config asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from noiseband.errors import UserError
from noiseband.judge.chrf import ChrfJudge
from noiseband.judge.interface import Judge
from noiseband.study.judges import Budget, LocalJudge, OpenAIJudge
from noiseband.study.judges import Judge as Config


@contextmanager
def judge_of(config: Config, round: int, store: Path | None) -> Iterator[Judge]:
    """A judge for one round.

    The endpoint of a language model is created, and its key or file checked, only when a question
    must be asked: stored replies can be judged again without them.

    Raises UserError if a language model has no store.
    """
    if not isinstance(config, OpenAIJudge | LocalJudge):
        yield ChrfJudge(numbers=config.score == "chrf-and-numbers")
        return
    if store is None:
        raise UserError("--store is missing: give a folder for requests and replies")
    from noiseband.judge.asking import Asker
    from noiseband.judge.endpoint import Endpoint
    from noiseband.judge.language_model import LanguageModelJudge
    from noiseband.judge.ledger import Ledger
    from noiseband.judge.local import serve
    from noiseband.judge.store import Store

    kept = Store(store)
    with ExitStack() as held:
        held.enter_context(kept.locked())

        def connect() -> Endpoint:
            if isinstance(config, LocalJudge):
                return held.enter_context(serve(config))
            return Endpoint(config.base_url, config.timeout, config.api_key_env)

        budget, longest_wait = Budget(), config.timeout
        if isinstance(config, OpenAIJudge):
            budget, longest_wait = config.budget, config.longest_wait
        ledger = Ledger(budget, kept.entries())
        # A local model's context is not a part of the request, and raising it must help.
        asker = Asker(
            connect,
            kept,
            ledger,
            config.attempts,
            longest_wait,
            keep_refusals=isinstance(config, OpenAIJudge),
        )
        yield LanguageModelJudge(config, round, asker)
