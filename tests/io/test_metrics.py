"""Files of metrics: both forms, values that are not finite, and errors with key and remedy."""

import json
import math
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.io.metrics import Measured, metrics_json, read_metrics


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_metric_is_a_number_or_a_value_with_its_error(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"metrics": {"loss": 2, "acc": {"value": 0.5, "standard_error": 0.1, "n": 25}}, "a": 3}',
    )
    assert read_metrics(path) == {"loss": Measured(2.0), "acc": Measured(0.5, 0.1, 25)}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "null", "1e999", "1" + "0" * 400])
def test_a_value_that_is_not_finite_is_kept_as_nan(tmp_path: Path, text: str) -> None:
    found = read_metrics(written(tmp_path, f'{{"metrics": {{"loss": {text}}}}}'))
    assert math.isnan(found["loss"].value)
    assert not found["loss"].finite


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    metrics = {"b": Measured(math.nan), "a": Measured(0.1, 0.02, 7)}
    path = tmp_path / "result.json"
    write_json(path, {"metrics": metrics_json(metrics)})
    assert list(json.loads(path.read_text())["metrics"]) == ["a", "b"]
    found = read_metrics(path)
    assert found["a"] == metrics["a"]
    assert math.isnan(found["b"].value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "write one JSON object"),
        ("{}", "metrics: missing"),
        ('{"metrics": {}}', "metrics: {}"),
        ('{"metrics": 3}', "metrics: 3"),
        ('{"metrics": {"loss": "3"}}', 'metrics.loss: "3": write a number'),
        ('{"metrics": {"loss": true}}', "metrics.loss: true: write a number"),
        ('{"metrics": {"a b": 1}}', 'metrics: "a b": a metric\'s name'),
        ('{"metrics": {"loss": {"n": 3}}}', "metrics.loss.value: missing"),
        ('{"metrics": {"loss": {"value": 3, "se": 1}}}', "metrics.loss.se: unknown key"),
        (
            '{"metrics": {"loss": {"value": 3, "standard_error": -1}}}',
            "metrics.loss.standard_error: -1",
        ),
        ('{"metrics": {"loss": {"value": 3, "n": 0}}}', "metrics.loss.n: 0"),
    ],
)
def test_an_error_names_file_key_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=r"result\.json") as error:
        read_metrics(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
