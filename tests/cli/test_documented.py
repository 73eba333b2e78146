"""Every documented command is executed, in a folder with a blank and a quote in its name.

A command that is new on a page or in a help text is executed without further ado, and must exit
with 0. Those that start a workflow are planned in tests/workflow/test_documented.py.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.finished import Finished
from tests.documented import Documented, documented
from tests.hub.upload import TOKEN, serve_writable

ALL = [one for one in documented() if not one.is_a_name and not one.starts_a_workflow]
PUSH = "noiseband publish baseline-1 me/pocket --push --config config/config.yaml"
TARGETS = "results/tables/verdicts.csv results/tables/init.csv results/verify/my-idea-1.json"
MADE_BEFORE = (
    f"snakemake --cores 2 --quiet all -- {TARGETS}",
    "noiseband report --config config/config.yaml --out /tmp/report.html",
    "cp /tmp/report.html results",
    "cp config/config.yaml my-study.yaml",
    "cp -r results again",
    "noiseband train --run my-idea-1 --out again",
    "noiseband train --run baseline-1 --out b",
    PUSH,
)
"""Commands that make what others read, so that each can be executed alone."""
NEGATIVE = {
    "noiseband verify results/runs/baseline-1 results/runs/baseline-1-1-2": 1,
    "noiseband import me/pocket --run baseline-1": 2,
}
"""The exit status of commands that answer no, or refuse: the study has that run already."""
ELSEWHERE = {
    "noiseband check ideas.py": (
        "tests/workflow/test_ideas.py::test_the_commands_lead_to_a_verdict"
    ),
    "noiseband fit --config config/config.yaml --memory 8GB": (
        "tests/cli/test_fit.py::test_the_verdict_names_both_recipes"
    ),
    "noiseband plan --config config/factorial.yaml --machine 1xRTX3090": (
        "tests/cli/test_plan.py::test_a_machine_given_by_hand_counts"
    ),
    "noiseband plan --config config/replication.yaml": (
        "tests/cli/test_plan.py::test_each_run_is_planned_on_its_own_machine"
    ),
    "noiseband publish baseline-1 me/pocket": (
        "tests/cli/test_hub.py::test_publish_says_first_and_sends_on_demand"
    ),
    "noiseband published": "tests/cli/test_published.py::test_all_tables_in_plain_text_when_piped",
    "noiseband published --table mistakes": ("tests/cli/test_published.py::test_one_table_and_csv"),
    "noiseband report --watch": (
        "tests/report/test_partial.py::test_watching_ends_with_the_last_run"
    ),
    "noiseband report --partial": (
        "tests/cli/test_documented.py::test_a_study_without_all_results_names_two_commands"
    ),
}
"""Commands that take long, and the tests that execute the same with another config."""
IN_THE_STUDY = ("noiseband", "head", "cat")
"""Programs whose commands are executed here, with their pipes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("documented")
    with serve_writable() as hub:
        variables = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": TOKEN,
        }
        made = Finished(folder / "it's mine", variables)
        with made.forking():
            for command in MADE_BEFORE:
                done = made.shell(in_the_folder(command))
                assert done.returncode == 0, command + done.stdout + done.stderr
                made.said[command] = done.stdout
            commit = hub.head["me/pocket"]
            for name, content in hub.contents("me/pocket", commit).items():
                hub.add("me/pocket-baseline", name, content, commit)
            hub.head["me/pocket-baseline"] = commit
            yield made


def in_the_folder(command: str) -> str:
    """The command with the paths of runs and of new files outside the study's results inside."""
    command = command.replace("/tmp/baseline-1", "b" if "results/runs" in command else "c")
    return command.replace("/tmp/", "temporary/")


def of(*programs: str) -> list[Documented]:
    return [one for one in ALL if one.program in programs and not one.has_a_gap]


TYPED = {
    in_the_folder(one.filled_in): NEGATIVE.get(one.text, 0)
    for one in of(*IN_THE_STUDY)
    if one.text not in {*ELSEWHERE, *MADE_BEFORE}
}
"""The commands as they are typed here, with their exit status."""


@pytest.mark.parametrize("command", TYPED)
def test_a_documented_command_works(place: Finished, command: str) -> None:
    done = place.shell(command)
    assert done.returncode == TYPED[command], done.stdout + done.stderr
    assert "Traceback" not in done.stderr


CONFIG = "--config \"my 'own' study.yaml\""
OWN = "Bob's results"


@pytest.fixture(scope="module")
def own(place: Finished) -> Finished:
    """The same place, with another config and its results, whose names have blanks and quotes."""
    text = (place.folder / "config/config.yaml").read_text()
    study = text.replace("results: results", f"results: {OWN}")
    (place.folder / "my 'own' study.yaml").write_text(study)
    shutil.copytree(place.folder / "results", place.folder / OWN)
    return place


def words(place: Finished, command: str) -> list[str]:
    """The words of a printed command, as a shell reads them."""
    done = place.shell(f"noiseband() {{ printf '%s\\n' \"$@\"; }}; {command}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def again(file: str) -> list[str]:
    """The words that make a file again; tests/cli/test_run.py types such a command."""
    return ["run", f"{OWN}/{file}", "--config", "my 'own' study.yaml"]


def test_a_damaged_and_a_missing_file_are_made_by_the_printed_command(own: Finished) -> None:
    name = "runs/baseline-2/model.safetensors"
    file = own.folder / OWN / name
    file.write_bytes(file.read_bytes()[:-1])
    said = own.shell(f"noiseband export baseline-2 exported {CONFIG}").stderr
    assert words(own, said.partition("; make it again: ")[2]) == again(name)
    assert not file.exists()
    said = own.shell(f"noiseband export baseline-2 exported {CONFIG}").stderr
    assert words(own, said.partition("; make it: ")[2]) == again(name)


def test_a_table_of_another_version_is_made_again_by_the_printed_command(own: Finished) -> None:
    table = own.folder / OWN / "tables/runs.csv"
    table.write_text("run\n")
    shutil.rmtree(table.parent / ".checksums")
    said = own.shell(f"noiseband publish baseline-1 me/pocket {CONFIG}").stderr
    command = said.partition("; make it again: ")[2]
    assert words(own, command) == [*again("tables/runs.csv"), "--", "-f"]


def test_the_printed_command_finds_the_tensor(own: Finished) -> None:
    runs = f'"{OWN}/runs/'
    found = own.shell(f'noiseband verify {runs}baseline-1" {runs}baseline-1-1-2"')
    command = re.search("`(noiseband diverge .*)` finds the tensor", found.stdout)
    assert command is not None, found.stdout + found.stderr
    done = own.shell(command[1])
    assert done.returncode == 1 and "step 0" in done.stdout, done.stdout + done.stderr


def test_the_printed_commands_show_the_tracked_runs(own: Finished) -> None:
    done = own.shell(f"noiseband track {CONFIG}")
    shown = own.shell(f'tensorboard() {{ ls "$2"; }}; {done.stdout}').stdout.split()
    assert any(name.startswith("baseline-1-") for name in shown), done.stderr
    done = own.shell(f"noiseband track --to trackio {CONFIG}")
    shown = own.shell(f'trackio() {{ ls "$TRACKIO_DIR"; }}; {done.stdout}').stdout.split()
    assert "documented.db" in shown, done.stderr


def test_the_printed_command_removes_a_run_before_it_is_imported(own: Finished) -> None:
    command = f"noiseband import me/pocket --run baseline-1 {CONFIG}"
    removal = own.shell(command).stderr.partition("; remove it first: ")[2]
    assert own.shell(removal).returncode == 0
    done = own.shell(command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_study_without_all_results_names_two_commands(own: Finished) -> None:
    for file in (own.folder / OWN / "runs").glob("baseline-*/test_loss.json"):
        file.unlink()
    said = own.shell(f"noiseband report {CONFIG}").stderr
    make, _, partly = said.partition("; make it: ")[2].partition("; or see the results so far: ")
    assert words(own, make)[0] == "run" and words(own, make)[-2:] == again("")[-2:]
    done = own.shell(partly)
    assert done.returncode == 0, said + done.stderr
    assert (own.folder / OWN / "partial.html").exists()


def test_the_printed_command_imports_what_was_published(place: Finished) -> None:
    done = place.shell(place.said[PUSH].splitlines()[-1])
    assert done.returncode == 0 and "pretrained:" in done.stdout, done.stderr


def test_the_commands_of_a_model_card_work(place: Finished) -> None:
    folder = place.folder / "results/work/publish/baseline-1"
    shutil.copytree(folder / "noiseband", place.folder / "published", dirs_exist_ok=True)
    (block,) = re.findall("```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    make, verify = block.splitlines()
    _, file, *option = words(place, make)
    done = place.shell(f"noiseband runs {shlex.join(option)}")
    assert f"\n{Path(file).parent.name} " in f"\n{done.stdout}", done.stderr
    done = place.shell(verify)
    assert done.returncode == 0 and "identical" in done.stdout, done.stderr
