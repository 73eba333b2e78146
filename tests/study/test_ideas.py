"""Plugins in a config: their names, the recipes that their digests are in, and every mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from noiseband.study import StudyError, parse_study
from noiseband.study.architecture import Model
from noiseband.study.evaluation_params import EvaluationParams
from noiseband.study.hub_classes import beyond_hub
from noiseband.study.params import EvaluateParams, InitParams
from noiseband.study.plugins import code_sha256
from noiseband.study.recipe import Recipe
from tests.ideas import GOOD, HEAD, write_plugin

Data = dict[str, Any]
IDEA = {"model.feed_forward.kind": "ideas.square"}


@pytest.fixture
def data(tmp_path: Path, study_data: Data, monkeypatch: pytest.MonkeyPatch) -> Data:
    """The study with a plugin and an intervention that uses it."""
    monkeypatch.chdir(tmp_path)
    write_plugin(tmp_path / "ideas.py", GOOD)
    study_data["plugins"] = ["ideas.py"]
    study_data["interventions"]["mine"] = dict(IDEA)
    return study_data


def problems(data: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        parse_study(data)
    return {problem.key: str(problem) for problem in raised.value.problems}


def digests(data: Data) -> dict[str, str]:
    return {name: run.built_in.digest for name, run in parse_study(data).runs.items()}


def test_only_the_recipes_that_use_an_idea_have_its_code(data: Data, study_data: Data) -> None:
    before = digests({**data, "plugins": [], "interventions": without_mine(data)})
    found = digests(data)
    assert {name: found[name] for name in before} == before
    file = Path("ideas.py")
    file.write_text(file.read_text() + "\n\nCONSTANT = 1\n")
    after = digests(data)
    assert {name for name in found if found[name] != after[name]} == {"mine-42"}


def without_mine(data: Data) -> Data:
    return {name: one for name, one in data["interventions"].items() if name != "mine"}


def test_comments_docstrings_and_formatting_are_no_code(data: Data) -> None:
    before = digests(data)
    file = Path("ideas.py")
    text = file.read_text().replace(
        "def triangle(step, steps):", "def triangle(step,  steps):\n    'x'"
    )
    file.write_text("# a comment\n" + text)
    assert digests(data) == before


def test_the_code_travels_to_every_stage(data: Data) -> None:
    study = parse_study(data)
    run = study.runs["mine-42"]
    plugins = run.built_in.model.plugins
    assert list(plugins) == ["ideas.py"] and run.built_in.plugins == {}
    assert InitParams.of(run.built_in).model.plugins == plugins
    assert EvaluateParams.of(study, run).model.plugins == plugins
    assert Recipe.model_validate_json(run.built_in.text) == run.built_in
    assert run.built_in.model.architecture != study.runs["baseline-42"].model.architecture
    assert run.difference == {"model.feed_forward.kind": ["gelu-tanh", "ideas.square"]}


def test_initial_weights_do_not_depend_on_what_is_outside_the_model(data: Data) -> None:
    data["interventions"]["mine"] = {"optimizer.kind": "ideas.lion", "loss.kind": "ideas.focal"}
    study = parse_study(data)
    run = study.runs["mine-42"]
    assert run.start == study.runs["baseline-42"].start
    assert list(run.built_in.plugins) == ["ideas.py"] and run.model.plugins == {}


def test_options_are_keys_of_interventions(data: Data) -> None:
    data["interventions"]["mine"] |= {"model.feed_forward.options.scale": 0.5}
    run = parse_study(data).runs["mine-42"]
    assert run.model.feed_forward.options == {"scale": 0.5}
    assert run.difference["model.feed_forward.options.scale"] == [None, 0.5]


def test_a_metric_has_its_code_in_the_params_of_its_evaluation(data: Data) -> None:
    data["evaluations"] = {"own": {"loss": {"metrics": ["ideas.top5"]}}, "usual": {"loss": {}}}
    study = parse_study(data)
    assert list(EvaluationParams.of(study, "baseline-42", "own").plugins) == ["ideas.py"]
    assert EvaluationParams.of(study, "baseline-42", "usual").plugins == {}


def test_no_class_of_the_hub_computes_an_idea() -> None:
    shape: Data = {"vocabulary": 64, "context": 8, "width": 8, "heads": 2, "layers": 1}
    for part in ("feed_forward", "norm", "positions", "attention"):
        model = Model.model_validate({**shape, part: {"kind": "ideas.mine"}})
        assert beyond_hub(model) == f"model.{part}.kind: ideas.mine"


def test_reading_a_config_neither_runs_the_plugin_nor_imports_torch(data: Data) -> None:
    file = Path("ideas.py")
    file.write_text(file.read_text() + '\nraise SystemExit("ran")\n')
    program = (
        "import json, sys; from noiseband.study import parse_study; "
        "parse_study(json.loads(sys.argv[1])); print('torch' in sys.modules)"
    )
    import json

    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(data)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


MINE = '@noiseband.feed_forward("mine")\ndef mine(config):\n    return config\n'
FILES = {
    "def broken(:\n": "line 7: invalid syntax",
    MINE + MINE: "line 10: feed_forward 'mine' is on line 7 already; rename one of them",
    "x = 1\n": "has no idea; write a function under a decorator",
    '@noiseband.feedforward("mine")\ndef mine(config): ...\n': "has no decorator feedforward",
    "@noiseband.norm(NAME)\ndef mine(width, config): ...\n": "line 7: give the idea a name",
    '@noiseband.norm("a.b")\ndef mine(width, config): ...\n': "'a.b' should consist of letters",
    '@noiseband.norm("mine")\ndef mine(width): ...\n': "mine has too few arguments",
    '@noiseband.norm("_mine")\ndef mine(width, config): ...\n': "begin with a letter or a digit",
    "import folder_beside\n" + MINE: "line 7: folder_beside is a file next to the plugin",
    "import beside\n" + MINE: "line 7: beside is a file next to the plugin",
    "from . import other\n" + MINE: "line 7: a plugin is one file",
}


@pytest.mark.parametrize(("text", "said"), FILES.items(), ids=range(len(FILES)))
def test_a_mistake_in_a_plugin_is_a_line(data: Data, text: str, said: str) -> None:
    Path("beside.py").write_text("")
    for name in ("folder_beside", "numpy"):  # the package numpy is installed, and comes first
        Path(name).mkdir()
    Path("ideas.py").write_text(HEAD + text)
    found = problems(data)
    assert list(found) == ["plugins.0"]
    assert found["plugins.0"].startswith('plugins.0: "ideas.py": ') and said in found["plugins.0"]


def test_the_file_has_to_be_there_and_a_python_file(data: Data) -> None:
    data["plugins"] = ["nothing.py", "ideas.txt", "ideas.py", "other/ideas.py"]
    Path("other").mkdir()
    write_plugin(Path("other/ideas.py"), GOOD)
    found = problems(data)
    assert "No such file" in found["plugins.0"] and "should be a Python file" in found["plugins.1"]
    assert "ideas.py has the same name" in found["plugins.3"] and "plugins.2" not in found


KEY = "interventions.mine.model.feed_forward"
USES: dict[str, tuple[Data, str, str]] = {
    "misspelt": ({"kind": "ideas.squar"}, "kind", "no such idea; did you mean ideas.square?"),
    "another part": ({"kind": "ideas.scaled"}, "kind", "is for norm; did you mean ideas.square?"),
    "another file": ({"kind": "other.square"}, "kind", "no such idea; did you mean ideas.square?"),
    "no such kind": ({"kind": "swigl"}, "kind", "should be 'gelu-tanh', 'gelu', 'relu2', "),
    "its own name alone": ({"kind": "sqare"}, "kind", "or 'geglu', or the idea ideas.square"),
    "an option": (
        {"kind": "ideas.square", "options.scal": 1}, "options.scal",
        "ideas.square has no such option; did you mean scale?",
    ),
    "options of none": ({"kind": "gelu", "options.scale": 1}, "options", "belong to an idea"),
}  # fmt: skip


@pytest.mark.parametrize("case", USES)
def test_a_use_that_does_not_fit_is_a_line(data: Data, case: str) -> None:
    changes, key, said = USES[case]
    data["interventions"]["mine"] = {f"model.feed_forward.{k}": v for k, v in changes.items()}
    found = problems(data)
    assert said in found[f"{KEY}.{key}"], found
    assert len(found) == 1


def test_mistakes_of_the_baseline_are_reported_once(data: Data) -> None:
    data["recipe"]["schedule"] = {"kind": "ideas.triangl"}
    assert list(problems(data)) == ["recipe.schedule.kind"]


def test_an_option_without_a_default_is_needed(data: Data) -> None:
    needy = '@noiseband.norm("needy")\ndef needy(width, config, share): ...\n'
    Path("ideas.py").write_text(GOOD + needy)
    data["interventions"]["mine"] = {"model.norm.kind": "ideas.needy"}
    (found,) = problems(data).values()
    assert found == "interventions.mine.model.norm.options.share: missing; ideas.needy needs it"


def test_what_excludes_an_idea_is_told(data: Data) -> None:
    data["recipe"]["attention"] = "sdpa"
    data["interventions"]["mine"] = {"model.attention.kind": "ideas.sigmoid"}
    assert "write attention: explicit" in "".join(problems(data).values())
    data["recipe"]["attention"] = "explicit"
    data["interventions"]["mine"] = {"loss.kind": "ideas.focal", "loss.z_loss": 0.1}
    assert "z_loss is a term of kind: cross-entropy" in "".join(problems(data).values())


def test_digests_are_not_written_by_hand(data: Data) -> None:
    data["recipe"]["plugins"] = {"ideas.py": "0" * 64}
    assert "noiseband fills this in" in problems(data)["recipe.plugins"]


def test_a_metric_is_an_idea_of_its_kind(data: Data) -> None:
    data["evaluations"] = {"own": {"loss": {"metrics": ["ideas.focal"]}}}
    found = problems(data)["evaluations.own.loss.metrics.0"]
    assert "is for loss; did you mean ideas.top5?" in found or "valid: ideas.top5" in found


def test_two_metrics_of_an_evaluation_have_two_names(data: Data) -> None:
    write_plugin(Path("more.py"), GOOD)
    data["plugins"].append("more.py")
    metrics = ["ideas.top5", "more.top5", "ideas.top5"]
    data["evaluations"] = {"own": {"loss": {"metrics": metrics}}}
    found = problems(data)
    key = "evaluations.own.loss.metrics"
    assert found[f"{key}.1"].endswith(
        "a metric top5 of this evaluation already; rename one of the ideas"
    )
    assert found[f"{key}.2"].endswith("already; remove it") and len(found) == 2


def test_a_path_is_the_same_however_it_is_written(data: Data) -> None:
    before = digests(data)
    data["plugins"] = ["./ideas.py"]
    assert digests(data) == before
    data["plugins"] = ["./ideas.py", "ideas.py"]
    assert "is here twice; remove it" in problems(data)["plugins.1"]


def test_a_byte_order_mark_is_no_code(data: Data) -> None:
    before = digests(data)
    Path("ideas.py").write_text(GOOD, encoding="utf-8-sig")
    assert digests(data) == before


ERROR = """
class RelativeError:
    def __init__(self, kind): ...
f = RelativeError("l1")
if Mode.TYPE_CHECKING:
    x = 1
def g():
    raise ValueError("words")
"""


def test_words_are_code_where_a_result_can_depend_on_them() -> None:
    digest = code_sha256(ERROR)
    assert code_sha256(ERROR.replace("l1", "l2")) != digest
    assert code_sha256(ERROR.replace("x = 1", "x = 2")) != digest
    assert code_sha256(ERROR.replace("words", "other words")) == digest


def test_a_study_of_a_command_has_no_plugins(data: Data) -> None:
    Path("train.py").write_text("")
    own: Data = {
        "study": "own", "plugins": ["ideas.py"], "baseline": "baseline-1", "recipe": {"rate": 1},
        "trainer": {"command": "python train.py {recipe} {out}", "seeds": ["train_seed"]},
        "seeds": {"default": [1]}, "noise": {"init_and_train": [1]},
        "metrics": {"x": {"better": "lower"}},
    }  # fmt: skip
    assert "only the built-in trainer uses it" in problems(own)["plugins"]


def test_another_kind_leaves_the_options_of_the_old_one(data: Data) -> None:
    data["recipe"]["model"]["feed_forward"] = {"kind": "ideas.square", "options": {"scale": 2.0}}
    data["interventions"]["mine"] = {"model.feed_forward.kind": "gelu"}
    run = parse_study(data).runs["mine-42"]
    assert run.model.feed_forward.options == {} and run.model.plugins == {}
    data["interventions"]["mine"] = {
        "model.feed_forward.options.scale": 0.5, "model.feed_forward.bias": False,
    }  # fmt: skip
    run = parse_study(data).runs["mine-42"]
    assert run.model.feed_forward.options == {"scale": 0.5}


def test_options_are_named_one_by_one(data: Data) -> None:
    data["interventions"]["mine"] |= {"model.feed_forward.options": {"scale": 1}}
    (found,) = problems(data).values()
    assert "name an option in it, as in model.feed_forward.options.share" in found
