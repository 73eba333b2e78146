"""Runs with ideas: their bits, the code that they need, and what a mistake in it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from noiseband.errors import UserError
from noiseband.evaluate.own_metrics import own_metrics
from noiseband.model.generate import generate
from noiseband.model.load import load_model
from noiseband.study.evaluation_params import EvaluationParams
from noiseband.study.evaluations import FurtherEvaluation
from noiseband.study.section import Fixed
from noiseband.train.loop import take_step, train
from noiseband.train.trainer import Trainer
from tests.ideas import GOOD, write_plugin

from .conftest import MakeJob, train_command
from .test_loop import artefacts

KINDS = {
    "model.feed_forward": "square",
    "model.norm": "scaled",
    "model.positions": "sine",
    "model.attention": "sigmoid",
    "optimizer": "lion",
    "schedule": "triangle",
    "loss": "focal",
}


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, study_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    study_data["plugins"] = ["ideas.py"]
    return write_plugin(tmp_path / "ideas.py", GOOD)


def changes(section: str) -> dict[str, Any]:
    return {f"{section}.kind": f"ideas.{KINDS[section]}"}


@pytest.mark.parametrize("section", KINDS)
def test_a_run_with_an_idea_repeats_itself_and_is_no_other_run(
    make_job: MakeJob, section: str
) -> None:
    one, other = (make_job(name, **changes(section)) for name in ("one", "other"))
    plain = make_job("plain")
    for job in (one, other, plain):
        train(job)
    assert artefacts(one) == artefacts(other)
    weights, usual = (load_file(job.out / "model.safetensors") for job in (one, plain))
    same = weights.keys() == usual.keys() and all(
        torch.equal(weights[name], usual[name]) for name in weights
    )
    assert not same


def test_a_file_is_run_as_python_runs_it(make_job: MakeJob, plugin: Path) -> None:
    """Annotations are objects, a byte order mark is no code, a number may be numpy's."""
    odd = """
def f(x: int): ...
assert f.__annotations__["x"] is int

@noiseband.schedule("narrow")
def narrow(step, steps):
    return np.float32(0.5)
"""
    plugin.write_text(GOOD + odd, encoding="utf-8-sig")
    job = make_job(**{"schedule.kind": "ideas.narrow"})
    peak = job.params.recipe.optimizer.learning_rate
    assert take_step(Trainer(job)).learning_rate == 0.5 * peak


def test_the_schedule_and_the_loss_are_the_functions(make_job: MakeJob) -> None:
    rows = [take_step(Trainer(make_job(**changes("schedule"))))]
    job = make_job("loss", **changes("loss"), **{"model.dropout": 0.0})
    trainer = Trainer(job)
    rows.append(take_step(trainer))
    plain = take_step(Trainer(make_job("plain", **{"model.dropout": 0.0})))
    assert rows[0].learning_rate == 0.0  # triangle(0, steps)
    assert rows[1].loss == pytest.approx(plain.loss, rel=1e-6)  # the plain cross-entropy
    assert rows[1].gradient_norm != pytest.approx(plain.gradient_norm, rel=1e-3)


def test_an_optimizer_does_what_it_says(make_job: MakeJob) -> None:
    job = make_job(**changes("optimizer"), **{"optimizer.weight_decay": 0.0})
    trainer = Trainer(job)
    before = trainer.flat.weights.clone()
    take_step(trainer)
    moved = (trainer.flat.weights - before).abs()
    rate = job.params.recipe.optimizer.learning_rate
    assert moved.max() == pytest.approx(rate, rel=1e-4)
    assert trainer.update.memory().keys() == {"momentum"}


MOMENTUM = """

@noiseband.optimizer("momentum", memory=["m"])
def momentum(weight, gradient, memory, learning_rate, weight_decay, update):
    MEMORY
    weight.sub_(memory["m"], alpha=learning_rate)
"""


def test_a_memory_that_is_assigned_is_kept(make_job: MakeJob, plugin: Path) -> None:
    weights = []
    for number, line in enumerate(
        ('memory["m"].mul_(0.9).add_(gradient)', 'memory["m"] = 0.9 * memory["m"] + gradient')
    ):
        plugin.write_text(GOOD + MOMENTUM.replace("MEMORY", line))
        trainer = Trainer(make_job(str(number), **{"optimizer.kind": "ideas.momentum"}))
        for _ in range(3):
            take_step(trainer)
        weights.append(trainer.flat.weights)
    assert torch.equal(weights[0], weights[1])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('memory["m"] = gradient.mean()', r"memory\['m'\] should stay a tensor of the weight's"),
        ('memory["v"] = gradient', r"ideas.momentum: v: its memory has the names .* \(m\)"),
        ("weight.data = weight - gradient", "should change the weight in place"),
        ("return weight - gradient", "should change the weight in place"),
    ],
)
def test_what_an_optimizer_would_lose_is_refused(
    make_job: MakeJob, plugin: Path, line: str, said: str
) -> None:
    plugin.write_text(GOOD + MOMENTUM.replace("MEMORY", line))
    trainer = Trainer(make_job(**{"optimizer.kind": "ideas.momentum"}))
    with pytest.raises(UserError, match=said):
        take_step(trainer)


def test_a_generated_text_is_that_of_the_whole_model(make_job: MakeJob) -> None:
    """Attention and positions of one's own with the cache, token by token."""
    job = make_job(**changes("model.attention"), **changes("model.positions"))
    train(job)
    recipe = job.params.recipe
    file = job.out / "model.safetensors"
    model = load_model(file, recipe.model, recipe.attention, torch.device("cpu"))
    prompt = [5, 77, 120]
    [tokens] = generate(model, [prompt], 8, rows=1)
    so_far = list(prompt)
    for token in tokens:
        assert int(model(torch.tensor([so_far]))[0, -1].argmax()) == token
        so_far.append(token)


CLOBBER = """

@noiseband.metric("clobber")
def clobber(logits, targets):
    logits.zero_()
    targets.zero_()
    return logits[:, 0]
"""


def test_a_metric_is_the_mean_of_its_values(make_job: MakeJob, plugin: Path) -> None:
    job = make_job()
    train(job)
    recipe = job.params.recipe
    plugin.write_text(plugin.read_text() + CLOBBER)
    metrics = ["ideas.clobber", "ideas.top5"]
    one = FurtherEvaluation.model_validate({"loss": {"metrics": metrics, "batch": 2}})
    digest = make_job("b", **changes("loss")).params.recipe.plugins
    params = EvaluationParams(
        model=recipe.model, attention="explicit", run="r", name="own", evaluation=one, files=None,
        plugins=Fixed(digest),
    )  # fmt: skip
    file = job.out / "model.safetensors"
    found = own_metrics(params, file, job.tokens, job.encoding)["top5"]
    model = load_model(file, recipe.model, "explicit", torch.device("cpu"))
    context = recipe.model.context
    rows = (len(job.tokens) - 1) // context // 2 * 2
    tokens = torch.from_numpy(job.tokens[: rows * context + 1].astype("int64"))
    logits = model(tokens[:-1].view(rows, context)).flatten(0, 1)
    hits = (logits.topk(5).indices == tokens[1:, None]).any(dim=1).float()
    assert found.value == pytest.approx(float(hits.mean()))
    assert found.standard_error is not None and found.standard_error > 0


def test_code_that_was_edited_meanwhile_is_refused(make_job: MakeJob, plugin: Path) -> None:
    job = make_job(**changes("model.feed_forward"))
    text = plugin.read_text()
    plugin.write_text("# a comment\n" + text)
    Trainer(job)
    plugin.write_text(text.replace("square()", "abs()"))
    done = subprocess.run(train_command(job), capture_output=True, text=True)
    assert done.returncode == 2
    assert "ideas.py: is not the code of the recipe" in done.stderr


def test_a_mistake_is_one_line_and_a_traceback_in_the_log(make_job: MakeJob, plugin: Path) -> None:
    plugin.write_text(plugin.read_text().replace("square() * ", "squared() * "))
    (line,) = (n for n, one in enumerate(plugin.read_text().splitlines(), 1) if "squared" in one)
    job = make_job(**changes("model.feed_forward"))
    done = subprocess.run(train_command(job), capture_output=True, text=True)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"noiseband: ideas.py:{line}: AttributeError: 'Tensor' object has no")
    assert "Traceback" in done.stderr


BUFFER = """
@noiseband.norm("running")
class Running(nn.Module):
    def __init__(self, width, config):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
"""
UNSAID = """
@noiseband.norm("unsaid")
class Unsaid(nn.Module):
    def __init__(self, width, config):
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))
"""
SHARED = """
@noiseband.norm("shared")
def shared(width, config, *, made=[]):
    if not made:
        made.append(Scaled(width, config))
    return made[0]
"""
NO_MODULE = """
@noiseband.norm("none")
def none(width, config):
    return lambda x: x
"""


@pytest.mark.parametrize(
    ("more", "name", "said"),
    [
        (BUFFER, "running", "ideas.running: mean is a tensor that is no parameter"),
        (UNSAID, "unsaid", "scale: Unsaid does not say how its weights begin"),
        (SHARED, "shared", "norm2.scale: is the same parameter as trf_blocks.0.norm1.scale"),
        (NO_MODULE, "none", "ideas.none: should return an nn.Module, not function"),
    ],
)
def test_a_module_that_cannot_be_kept_is_refused(
    make_job: MakeJob, plugin: Path, more: str, name: str, said: str
) -> None:
    plugin.write_text(plugin.read_text() + more)
    with pytest.raises(UserError, match=said):
        make_job(**{"model.norm.kind": f"ideas.{name}"})


def test_a_loss_gives_a_value_for_each_token(make_job: MakeJob, plugin: Path) -> None:
    mean = '@noiseband.loss("mean")\ndef mean(logits, targets):\n    return logits.mean()\n'
    plugin.write_text(plugin.read_text() + mean)
    job = make_job(**{"loss.kind": "ideas.mean"})
    with pytest.raises(UserError, match=r"ideas.mean: should return a value for each of"):
        take_step(Trainer(job))


def test_options_reach_the_idea(make_job: MakeJob) -> None:
    losses = []
    for gamma in (0.0, 2.0):
        one = make_job(f"g{gamma}", **changes("loss"), **{"loss.options": {"gamma": gamma}})
        losses.append(take_step(Trainer(one)).gradient_norm)
    plain = take_step(Trainer(make_job("plain"))).gradient_norm
    assert losses[0] == pytest.approx(plain, rel=1e-5) and losses[1] != losses[0]


def test_muon_moves_matrices_only(make_job: MakeJob) -> None:
    """A parameter of an idea inside the blocks may be no matrix."""
    job = make_job(**changes("model.attention"), **{"optimizer.kind": "muon"})
    trainer = Trainer(job)
    take_step(trainer)
    update = trainer.update
    kinds = [settings.algorithm for settings, _ in update.groups]
    names = dict(zip(kinds, update.names, strict=True))
    assert "trf_blocks.0.att.mix.shift" in names["adamw"]
    assert "trf_blocks.0.ff.layers.0.weight" in names["muon"]


def test_a_cautious_decay_goes_with_an_optimizer_of_ones_own(make_job: MakeJob) -> None:
    own = {**changes("optimizer"), "optimizer.weight_decay": 0.5}
    trainers = [
        Trainer(make_job(str(on), **own, **{"optimizer.cautious": on})) for on in (False, True)
    ]
    for trainer in trainers:
        take_step(trainer)
    assert not torch.equal(trainers[0].flat.weights, trainers[1].flat.weights)


def test_importing_noiseband_in_a_plugin_is_cheap() -> None:
    program = "import sys, noiseband; noiseband.feed_forward, noiseband.Model; "
    program += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
