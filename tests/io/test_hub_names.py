"""Every connection of the Hub's client checks names, by what the client offers to all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from huggingface_hub import close_session, get_session, set_client_factory

from noiseband.io.hub_names import guard


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    """The connections that were before."""
    before = get_session()
    hooks, follow, timeout = before.event_hooks, before.follow_redirects, before.timeout
    yield
    from httpx2 import Client

    set_client_factory(lambda: Client(event_hooks=hooks, follow_redirects=follow, timeout=timeout))


def test_connections_to_come_are_guarded_too_and_once() -> None:
    guard()
    first = get_session()
    guard()
    assert get_session() is first
    close_session()
    assert get_session() is not first
    assert get_session().event_hooks == first.event_hooks
    assert len(first.event_hooks["response"]) == 1


def test_what_the_clients_own_connections_do_is_kept() -> None:
    before = get_session()
    asks, follow, timeout = before.event_hooks["request"], before.follow_redirects, before.timeout
    assert asks, "offline mode is looked at there"
    guard()
    after = get_session()
    assert after.event_hooks["request"] == asks
    assert (after.follow_redirects, after.timeout) == (follow, timeout)
