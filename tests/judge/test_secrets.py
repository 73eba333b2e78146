"""The key is sent to the endpoint and nowhere else."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from noiseband.errors import UserError
from tests.judge.conftest import KEY, Judged
from tests.judge.server import Endpoint, echo_key, good, status, text


def files_with(key: str, folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found
    return [path for path in found if key.encode() in path.read_bytes()]


@pytest.mark.parametrize("code", [401, 404, 500])
def test_an_endpoint_that_quotes_the_key_in_an_error(
    endpoint: Endpoint, judged: Judged, tmp_path: Path, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.always = echo_key(code)
    with pytest.raises(UserError) as caught:
        judged(attempts=2)
    shown = "".join(traceback.format_exception(caught.value)) + "".join(capfd.readouterr())
    assert endpoint.keys[0] == f"Bearer {KEY}"
    assert KEY not in shown
    if code != 500:
        assert "Bearer [key]" in str(caught.value)
    assert files_with(KEY, tmp_path) == []


def test_an_endpoint_that_quotes_the_key_in_a_reply(
    endpoint: Endpoint, judged: Judged, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reason = f'{{"model_1": {{"reason": "I know {KEY}", "score": 1}}}}'
    endpoint.always = text(reason, model=KEY, system_fingerprint=KEY)
    (row,) = judged({"a-42/1": ["I say 5."]})
    assert row["scores"]["a-42/1"]["reason"] == "I know [key]"
    endpoint.always = text(f"no {KEY}")
    with pytest.raises(UserError, match="no JSON object") as caught:
        judged({"a-42/1": ["I say 6."]}, attempts=1)
    assert KEY not in str(caught.value)
    assert files_with(KEY, tmp_path) == []
    assert files_with("[key]", tmp_path)
    assert KEY not in "".join(capfd.readouterr())


def test_the_client_s_own_log_does_not_show_it(
    endpoint: Endpoint, judged: Judged, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    endpoint.faults = [status(500), good]
    judged()
    assert "openai" in {record.name.split(".")[0] for record in caplog.records}
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["sk-two words", "sk-line\nbreak", "sk-ü", 'sk-"quoted"'])
def test_what_no_key_is_is_not_sent_or_shown(
    endpoint: Endpoint, judged: Judged, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="OPENAI_API_KEY has characters that no key has") as error:
        judged()
    assert key not in str(error.value)
    assert endpoint.bodies == []


def test_a_key_s_line_end_does_not_count(
    endpoint: Endpoint, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", f"{KEY}\n")
    judged(api_key_env="OTHER_KEY")
    assert set(endpoint.keys) == {f"Bearer {KEY}"}


def test_a_key_that_is_not_there(
    endpoint: Endpoint, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set; export it, or write"):
        judged()
    judged(api_key_env=None)
    assert set(endpoint.keys) == {"Bearer none"}
