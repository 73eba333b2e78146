"""The mean of an evaluation over snapshots is that of evaluations of each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_weights

from noiseband.errors import UserError
from noiseband.evaluate.choice import choose_file
from noiseband.evaluate.documents import DocumentLoss, clustered_error
from noiseband.evaluate.further_loss import further_loss
from noiseband.evaluate.journal import Journal
from noiseband.evaluate.mean import average_files
from noiseband.evaluate.outcome import Outcome, write_outcome
from noiseband.io.files import read_json
from noiseband.io.metrics import Measured, read_metrics
from noiseband.model.init import initial_weights
from noiseband.study.architecture import Model
from tests.evaluate.further import choice_rows, params, write_fields, write_rows

SEEDS = (1, 2, 3)


@pytest.fixture
def snapshots(tmp_path: Path, config: Model) -> list[Path]:
    """Three models; a run's snapshots would differ less."""
    files = [tmp_path / f"{seed}.safetensors" for seed in SEEDS]
    for seed, file in zip(SEEDS, files, strict=True):
        save_weights(initial_weights(config, "keyed", seed), file)
    return files


def averaged(folder: Path, kind: str, outcomes: Sequence[Outcome]) -> tuple[Path, Path]:
    """The files of the mean of some outcomes."""
    files = [(folder / f"{n}.json", folder / f"{n}.parquet") for n in range(len(outcomes))]
    for outcome, (metrics, items) in zip(outcomes, files, strict=True):
        write_outcome("mine", kind, outcome, metrics, items)
    average_files(
        [one for one, _ in files],
        [one for _, one in files],
        folder / "mean.json",
        folder / "mean.parquet",
    )
    return folder / "mean.json", folder / "mean.parquet"


def table(file: Path) -> dict[str, list[Any]]:
    return dict(pq.read_table(file).to_pydict())


def test_the_mean_of_choices(
    tmp_path: Path, config: Model, snapshots: list[Path], vocabulary: Path
) -> None:
    rows = write_rows(tmp_path / "items.jsonl", choice_rows(20))
    given = params(config, choice={"file": str(rows)})
    each = [
        choose_file(given, model, vocabulary, Journal(tmp_path / model.stem, "key"))
        for model in snapshots
    ]
    metrics, items = averaged(tmp_path, "choice", each)
    found, columns = read_metrics(metrics), table(items)
    assert columns.pop("item") == each[0].items
    assert found.keys() == each[0].metrics.keys() == columns.keys()
    for name, column in columns.items():
        values = np.array([one.values[name] for one in each], np.float64)
        assert column == pytest.approx(values.mean(axis=0))
        mean = np.mean([one.metrics[name].value for one in each])
        assert found[name].value == pytest.approx(mean) == pytest.approx(np.mean(column))
        # Over the 20 items, and not over 60 results.
        assert found[name].n == 20
        assert found[name].standard_error == pytest.approx(np.std(column, ddof=1) / math.sqrt(20))
    assert {1 / 3, 2 / 3} & set(columns["accuracy"])
    about = read_json(metrics)
    assert (about["kind"], about["averaged_over"], about["items"]) == ("choice", 3, 20)


def test_the_mean_of_losses(
    tmp_path: Path, config: Model, snapshots: list[Path], vocabulary: Path,
    tokens: NDArray[np.uint16],
) -> None:  # fmt: skip
    split = tmp_path / "test.safetensors"
    save_file({"tokens": tokens}, split)
    fields = write_fields(tmp_path / "fields.parquet", ["0", "1"] * 50)
    given = params(config, loss={"batch": 2, "by": {"language": ["1", "0"]}})
    each = [further_loss(given, model, split, vocabulary, fields) for model in snapshots]
    metrics, items = averaged(tmp_path, "loss", each)
    found, columns = read_metrics(metrics), table(items)
    assert columns["tokens"] == each[0].values["tokens"]
    assert columns["slice"] == each[0].slices
    for name in ("loss", "bits_per_byte", "loss.0", "loss.1"):
        assert found[name].value == pytest.approx(
            np.mean([one.metrics[name].value for one in each])
        )
    losses = [
        DocumentLoss(int(item), int(count), loss * count)
        for item, count, loss in zip(
            columns["item"], columns["tokens"], columns["loss"], strict=True
        )
    ]
    for value in ("0", "1"):
        own = [one for one, its in zip(losses, columns["slice"], strict=True) if its == value]
        error = clustered_error(own)
        assert error is not None and len(own) == found[f"loss.{value}"].n
        assert found[f"loss.{value}"].standard_error == pytest.approx(error)
    error = clustered_error(losses)
    assert error is not None and found["loss"].standard_error == pytest.approx(error)
    bits = found["bits_per_byte"]
    assert bits.standard_error == pytest.approx(error * bits.value / found["loss"].value)
    # One snapshot that diverged leaves no mean.
    broken = initial_weights(config, "keyed", 1)
    broken["out_head.weight"].fill_(torch.nan)
    save_weights(broken, snapshots[1])
    each[1] = further_loss(given, snapshots[1], split, vocabulary, fields)
    metrics, items = averaged(tmp_path, "loss", each)
    assert math.isnan(read_metrics(metrics)["loss"].value)
    assert read_metrics(metrics)["loss"].standard_error is None
    assert math.isnan(read_metrics(metrics)["loss.1"].value)
    assert table(items)["item"] == []


def test_a_metric_that_is_no_mean_over_items(tmp_path: Path) -> None:
    """Its standard error is the mean of those of the snapshots, which is at most too large."""
    each = [
        Outcome(
            {"perplexity": Measured(value, error, 2), "seconds": Measured(value)},
            {},
            ["a", "b"],
            {"perplexity": [-3.0, -4.0], "rare": [None, 1.0]},
        )
        for value, error in ((20.0, 1.0), (30.0, 2.0))
    ]
    metrics, items = averaged(tmp_path, "harness", each)
    found = read_metrics(metrics)
    assert found == {"perplexity": Measured(25.0, 1.5, 2), "seconds": Measured(25.0)}
    assert table(items)["rare"] == [None, 1.0]


def test_the_mean_of_a_metric_that_some_items_lack(tmp_path: Path) -> None:
    """Its standard error is over the items that have it."""
    each = [
        Outcome(
            {"rare": Measured((low + 1) / 2, 0.1, 2)},
            {"items": 3},
            ["a", "b", "c"],
            {"rare": [low, None, 1.0]},
        )
        for low in (0.0, 0.5)
    ]
    metrics, items = averaged(tmp_path, "command", each)
    assert table(items)["rare"] == [0.25, None, 1.0]
    found = read_metrics(metrics)["rare"]
    assert (found.value, found.n) == (0.625, 2)
    assert found.standard_error == pytest.approx(0.375)
    assert read_json(metrics)["items"] == 3


def test_a_command_may_have_no_items(tmp_path: Path) -> None:
    files = [tmp_path / f"{value}.json" for value in (1, 2)]
    for value, file in zip((1.0, 2.0), files, strict=True):
        write_outcome("mine", "command", Outcome({"score": Measured(value)}), file, None)
    average_files(files, [], tmp_path / "mean.json", None)
    assert read_metrics(tmp_path / "mean.json") == {"score": Measured(1.5)}


def test_snapshots_with_other_metrics_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for name, file in zip(("score", "other"), files, strict=True):
        write_outcome("mine", "command", Outcome({name: Measured(1.0)}), file, None)
    with pytest.raises(UserError, match=r"two.json: has other metrics or items than .*one.json"):
        average_files(files, [], tmp_path / "mean.json", None)
