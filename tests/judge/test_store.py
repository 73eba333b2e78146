"""The store keeps every reply intact, despite kills, threads and two concurrent processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.judge.store import Entry, Store

REQUEST = {"endpoint": "http://x/v1", "round": 1, "body": {"messages": []}}


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    reply = {"text": "odd \ud800 \u2028 ü", "x": [1.5, None, True]}
    store.put(Entry(REQUEST, requests=2, replies=[reply], finished=True))
    with store.entry(dict(reversed(REQUEST.items()))) as entry:
        assert entry == Entry(REQUEST, 2, [reply], True)
    with store.entry({**REQUEST, "round": 2}) as entry:
        assert entry == Entry({**REQUEST, "round": 2})
    assert store.entries() == [Entry(REQUEST, 2, [reply], True)]


def test_a_key_is_the_sha256_of_the_request() -> None:
    # printf '{"body":{"messages":[]},"endpoint":"http://x/v1","round":1}' | sha256sum
    assert Entry(REQUEST).key.startswith("16ac3b6b29e649f595db44a0e0f37b52a35a7ddbd0aa3ef6468db635")


def test_one_thread_at_a_time_holds_an_entry(tmp_path: Path) -> None:
    store, order = Store(tmp_path), []

    def hold(name: str) -> None:
        with store.entry(REQUEST):
            order.append(name)
            time.sleep(0.05)
            order.append(name)

    threads = [threading.Thread(target=hold, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[0::2] == order[1::2]


def test_a_second_process_waits_and_half_a_file_goes(tmp_path: Path) -> None:
    (tmp_path / ".x.json.1.tmp").write_text("half")
    code = (
        "import sys, time; from pathlib import Path; from noiseband.judge.store import Store\n"
        "with Store(Path(sys.argv[1])).locked(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        got = threading.Event()

        def wait() -> None:
            with Store(tmp_path).locked():
                got.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not got.wait(0.3)
    finally:
        holder.kill()  # the lock ends with it
        holder.wait()
    waiter.join(10)
    assert got.is_set()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("text", ["{", "[]", '{"key": 1}'])
def test_a_file_that_is_no_entry_is_named(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.put(Entry(REQUEST))
    (path,) = tmp_path.glob("*.json")
    path.write_text(text)
    with pytest.raises(UserError, match=rf"{path}: not a stored reply .*; remove it"):
        store.entries()
