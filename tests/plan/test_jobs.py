"""The resources that training jobs request from a cluster."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.plan.jobs import (
    MARGIN_SCALED,
    START_MINUTES,
    command_resources,
    gpu_resource,
    launcher,
    nodes_of,
    training_resources,
)
from noiseband.study import Study, parse_study
from noiseband.study.machines import Machine, load_machines

POCKET = {"vocabulary": 512, "context": 16, "width": 16, "heads": 2, "layers": 2}
RATE = {"model": "small", "precision": "float32", "dropout": True, "tokens_per_second": 0.1}
RUN = SimpleNamespace(run="baseline-42")


def machine(**fields: Any) -> dict[str, Any]:
    return {"devices": 4, "memory_gib": 8, "source": "made up", "rates": [RATE], **fields}


def table(folder: Path, **fields: Any) -> Path:
    path = folder / "machines.yaml"
    models = {"small": {**POCKET, "dropout": 0.1}}
    path.write_text(yaml.safe_dump({"models": models, "machines": {"m": machine(**fields)}}))
    return path


def study(data: dict[str, Any], processes: int) -> Study:
    data["recipe"]["model"]["dropout"] = 0.1
    data["seeds"], data["interventions"] = {"default": [42]}, {}
    return parse_study({**data, "machine": "m", "processes": processes})


def asked(made: Study, file: Path, elsewhere: bool = True) -> dict[str, Any]:
    found = training_resources(made, file, lambda: elsewhere)
    return {name: value for name in found if (value := found[name](RUN)) is not None}


@pytest.mark.parametrize(("processes", "nodes"), [(1, 1), (4, 1), (8, 2), (16, 4), (32, 4)])
def test_a_run_takes_as_few_nodes_as_hold_its_processes(processes: int, nodes: int) -> None:
    assert nodes_of(Machine.model_validate(machine(devices=16, nodes=4)), processes) == nodes


def test_srun_starts_the_processes_of_several_nodes_alone() -> None:
    one = Machine.model_validate(machine(devices=16, nodes=2, gpu=True))
    assert launcher(one, 8, threads=3) == ""
    words = launcher(one, 16, threads=3).split()
    assert words[0] == "srun"
    assert {"--nodes=2", "--ntasks=16", "--cpus-per-task=3", "--gpus=16"} <= set(words)


def test_one_node_is_asked_for_time_and_memory(study_data: dict[str, Any], tmp_path: Path) -> None:
    made = study(study_data, processes=2)
    steps = made.runs["baseline-42"].built_in
    found = asked(made, table(tmp_path, partition="long", base_gib=1))
    # Two of four devices take twice the time; one and a half times that is requested, plus ten
    # minutes.
    seconds = steps.steps * steps.tokens_per_step / 0.1
    assert found["runtime"] == pytest.approx(10 + 1.5 * 2 * seconds / 60, abs=1)
    assert found["slurm_partition"] == "long"
    assert found["nodes"] == 1
    assert found["launcher"] == ""
    assert found["mem_mb"] == pytest.approx(1024 + 2 * 1074, abs=5)
    assert not {"mpi", "tasks", "cpus_per_task"} & found.keys()


def test_several_nodes_are_one_allocation(study_data: dict[str, Any], tmp_path: Path) -> None:
    made = study(study_data, processes=4)
    found = asked(made, table(tmp_path, nodes=2, gpu=True))
    assert (found["nodes"], found["tasks"], found["mpi"]) == (2, 4, "srun")
    assert found["tasks_per_gpu"] == 0
    assert found["mem_mb"] == pytest.approx(1024 + 2 * 4096, abs=5)  # of each node
    assert "slurm_partition" not in found


def test_where_nobody_measured_no_time_is_asked_for(
    study_data: dict[str, Any], tmp_path: Path
) -> None:
    assert asked(study(study_data, 1), table(tmp_path, rates=[]))["runtime"] == 0


def test_one_machine_is_asked_for_nothing(study_data: dict[str, Any], tmp_path: Path) -> None:
    absent = tmp_path / "absent.yaml"  # the table is not read either
    found = asked(study(study_data, 4), absent, elsewhere=False)
    assert found == {"launcher": "", "runtime": 0, "mem_mb": 0}


@pytest.mark.parametrize(
    ("gpu", "elsewhere", "expected"), [(True, True, 2), (False, True, None), (False, False, 2)]
)
@pytest.mark.parametrize("model", ["baseline-42", "gpt2-small"])
def test_machines_without_gpus_are_asked_for_none(
    study_data: dict[str, Any],
    tmp_path: Path,
    model: str,
    gpu: bool,
    elsewhere: bool,
    expected: int | None,
) -> None:
    file = table(tmp_path, gpu=gpu)
    found = gpu_resource(study(study_data, 1), file, lambda: elsewhere, lambda _: 2)
    assert found(SimpleNamespace(run=model)) == expected


def test_devices_are_spread_evenly(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nodes=3 does not divide devices=4"):
        load_machines(table(tmp_path, nodes=3))


def test_where_no_job_can_be_sent_away_nothing_is_asked_for(
    study_data: dict[str, Any], tmp_path: Path
) -> None:
    """As where none is sent, but without a function to call for each job."""
    made, file = study(study_data, processes=2), table(tmp_path)
    assert training_resources(made, file, None) == asked(made, file, elsewhere=False)
    assert gpu_resource(made, file, None, lambda run: 2)(RUN) == 2


def test_a_command_is_asked_for_the_time_of_finished_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = parse_study(
        {
            "study": "mine",
            "trainer": {"command": "python t.py {recipe} {out}", "seeds": ["train_seed"]},
            "metrics": {"loss": {"better": "lower"}},
            "recipe": {"depth": 2},
            "seeds": {"baseline": [41, 42]},
            "baseline": "baseline-42",
            "machine": "m",
        }
    )
    file = table(tmp_path, partition="long")

    def resources(elsewhere: bool) -> dict[str, Any]:
        found = command_resources(made, file, lambda: elsewhere)
        return {key: value(RUN) if callable(value) else value for key, value in found.items()}

    assert resources(True) == {"runtime": 0, "mem_mb": 0, "slurm_partition": "long"}
    folder = made.paths.run("baseline-41")
    write_json(folder / "recipe.json", {"digest": made.runs["baseline-41"].recipe.digest})
    write_json(folder / "result.json", {})
    write_json(folder / "timing.json", {"seconds": 600.0, "resumed": False})
    assert resources(True)["runtime"] == START_MINUTES + 10 * MARGIN_SCALED
    assert resources(False) == {"runtime": 0, "mem_mb": 0, "slurm_partition": None}
    write_json(folder / "timing.json", {"seconds": 600.0, "resumed": True})
    assert resources(True)["runtime"] == 0
