"""The shape of a study's config file. `noiseband schema` writes it as JSON schema for editors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from noiseband.errors import UserError
from noiseband.study.averages import Snapshots
from noiseband.study.corpora import AnyCorpus
from noiseband.study.evaluations import Evaluation as Evaluation
from noiseband.study.evaluations import EvaluationName, FurtherEvaluation
from noiseband.study.free_recipe import FreeRecipe
from noiseband.study.instructions import Instructions, Lora, TemplateChoice
from noiseband.study.judges import ChrfJudge, Judge
from noiseband.study.metrics import Metric, MetricName
from noiseband.study.pretrained import Pretrained
from noiseband.study.recipe import BaselineRecipe
from noiseband.study.section import ADDED, Fraction, Positive, Section, Seed
from noiseband.study.seeds import Seeds, WrittenSeeds
from noiseband.study.trainer import Trainer
from noiseband.study.weight_averages import WeightAverage

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Share = Annotated[float, Field(gt=0, le=1)]


def _results(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("not a folder name; write a name without control characters")
    if "{" in value or "}" in value:
        raise ValueError("Snakemake reads braces as a wildcard; choose another name")
    return value


class Samples(Section):
    """Text sampled from a model while it trains, to show how its coherence grows."""

    prompt: Annotated[str, Field(min_length=1)] = "Every effort moves you"
    """Prompt that every sample starts with."""
    new_tokens: Positive = 20
    """Number of tokens to sample."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """Sampling temperature; 0 is greedy decoding."""
    top_k: Positive | None = 25
    """Sample from the k most likely tokens only; null means from all."""
    top_p: Share | None = None
    """Sample from the smallest set of most likely tokens with at least this total probability; null
    means from all."""
    seed: Seed = 42
    """Seed for sampling, combined with the step."""


class Checkpoints(Section):
    """When checkpoints are written. None of this changes the weights."""

    every: Positive = 617
    """Steps between checkpoints and samples; the first and last step are always included."""
    last: Positive = 2
    """How many of the newest checkpoints to keep in the work folder."""
    keep: list[Annotated[int, Field(ge=0)]] | Literal["all"] = []
    """Further steps whose checkpoints are written and kept; or `all`, to keep every checkpoint, so
    that `noiseband diverge` never has to retrain more than `every` steps."""

    def due(self, step: int) -> bool:
        """Whether a checkpoint is written after `step`."""
        return step % self.every == 0 or (self.keep != "all" and step in self.keep)

    def keeps(self, step: int) -> bool:
        """Whether the checkpoint after `step`, if there is one, is never removed."""
        return self.keep == "all" or step in self.keep


class Answers(Section):
    """How a fine-tuned model answers the test questions; the default is greedy decoding."""

    temperature: Annotated[float, Field(ge=0)] = 0.0
    """Sampling temperature; 0 is greedy decoding."""
    top_k: Positive | None = None
    """Sample from the k most likely tokens only; null means from all."""
    top_p: Share | None = None
    """Sample from the smallest set of most likely tokens with at least this total probability; null
    means from all."""
    seed: Seed = 42
    """Seed for sampling, combined with the row's number."""
    rows: Annotated[int, Field(gt=0, multiple_of=8)] = 16
    """Questions in a batch. Part of the protocol, since another shape gives other bits; a multiple
    of 8, so that an answer's bits do not depend on its row in the batch. For the same reason a
    model whose head width is not a multiple of 4 answers one question at a time."""


class Protocol(Section):
    """One way to fine-tune on instructions."""

    instructions: str
    """Name of an entry of `finetuning.instructions`."""
    epochs: Positive
    """Largest number of passes over the rows."""
    patience: Positive | None
    """Stop after this many epochs without a lower validation loss and return to the best epoch;
    null means to run all epochs and keep the last."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    """Constant learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Decoupled weight decay on every trained parameter."""
    batch: Positive = 8
    """Rows in an optimiser step."""
    dropout: Fraction
    """Dropout during fine-tuning, whatever the run was trained with; 0 turns it off."""
    method: Literal["full", "lora"] = "full"
    """Train every weight (`full`), or low-rank adapters that are merged into the weights at the end
    (`lora`)."""
    lora: Lora | None = None
    """The adapters, only with `method: lora`."""
    template: TemplateChoice = "alpaca"
    """Prompt around the instruction: Alpaca's, a `short` one (`Q: ... A:`) for short contexts, one
    with roles (`chat`: `User: ... Assistant: `), or your own
    `{instruction: ..., input: ..., answer: ...}`. Each question of a conversation has it."""
    loss_on: Literal["text", "answer"] = "text"
    """Tokens that count in the loss: the whole text with the prompt, or the answer alone; of a
    conversation, all answers of the assistant."""
    seeds: Annotated[list[Seed], Field(min_length=1)] = [42]
    """Seeds of shuffling, dropout and adapters; each gives one fine-tuned model."""
    max_new_tokens: Positive = 256
    """Length of the longest answer, in tokens."""
    answers: Answers = Answers()
    """How the test questions are answered."""

    @model_validator(mode="after")
    def _lora_belongs_to_its_method(self) -> Protocol:
        if (self.method == "lora") != (self.lora is not None):
            raise ValueError(
                f"method={self.method}: "
                + (
                    "it needs `lora: {rank, alpha, dropout, targets}`"
                    if self.lora is None
                    else "`lora` belongs to method 'lora'; remove it or change the method"
                )
            )
        return self

    @model_validator(mode="after")
    def _no_seed_twice(self) -> Protocol:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds}: a seed appears twice; remove it")
        return self


class Finetuning(Section):
    """Instruction fine-tuning of chosen runs."""

    instructions: dict[Name, Instructions]
    """Named sets of rows."""
    protocols: dict[Name, Protocol]
    """Named ways to fine-tune."""
    runs: list[str] | Literal["all"] = "all"
    """Runs and pretrained models to fine-tune; `all` does not include repeats."""


class RunEntry(Section):
    """One explicit run, in addition to those from `seeds` and `noise`. A baseline run on a seed
    that those also ask for is trained once, under the name given here."""

    name: Name
    """The run's name, unique in the study."""
    interventions: list[str] = []
    """Interventions or stacks applied to the baseline."""
    seed: WrittenSeeds | None = None
    """One seed for everything, `[init_seed, train_seed]` or `[init_seed, data_seed, train_seed]`;
    not with `repeat_of`. With `continues`, null means the other run's seeds."""
    microbatch: Positive | None = None
    """A microbatch other than the baseline's, which makes the run a twin."""
    repeat_of: str | None = None
    """Run whose recipe is trained again from the start, to compare the results bit for bit."""
    continues: str | None = None
    """Run whose final weights this run starts from."""
    start_token: Annotated[int, Field(ge=0)] | None = None
    """With `continues`: first token to read. Null means the token where the other run stopped, or
    the recipe's start token if the two runs read different corpora."""
    train_tokens: Positive | None = None
    """With `continues`: number of tokens to train on; null means the recipe's."""
    approximate: bool = False
    """Whether the recipe stands in for one that is not fully known. Such a run is shown, fine-tuned
    and judged, but is not used for any verdict, noise estimate or stack."""

    @property
    def plain(self) -> bool:
        """Whether the recipe is the baseline's except for the seeds and perhaps the microbatch."""
        return self.repeat_of is None and self.continues is None and not self.interventions

    @model_validator(mode="after")
    def _keys_go_together(self) -> RunEntry:
        if self.repeat_of is not None:
            whole = RunEntry.model_construct(name=self.name, repeat_of=self.repeat_of)
            if self != whole:
                raise ValueError("repeat_of takes the whole recipe; remove the other keys")
        elif self.continues is None:
            for key in ("start_token", "train_tokens"):
                if getattr(self, key) is not None:
                    raise ValueError(
                        f"{key} needs `continues`; name the run to continue, or remove it"
                    )
            if self.seed is None:
                raise ValueError("a run needs one of the keys seed, repeat_of and continues")
        return self


class Noise(Section):
    """Baseline runs that measure noise, grouped by the seeds that vary. Each entry is one seed for
    everything, `[init_seed, train_seed]`, whose train_seed also orders the data, or `[init_seed,
    data_seed, train_seed]`."""

    init_and_train: list[WrittenSeeds] = []
    """All seeds vary together."""
    train_only: list[WrittenSeeds] = []
    """The train_seed varies (dropout), and the other seeds stay. With shuffled data this takes
    three seeds an entry."""
    data_only: list[WrittenSeeds] = []
    """The data_seed varies, and the other seeds stay. The baseline must have `data.order:
    shuffled`."""
    init_only: list[WrittenSeeds] = []
    """The init_seed varies, and the other seeds stay."""


class Place(Section):
    """Where a run is trained, if it differs from the study's setting. This changes no bits."""

    machine: str | None = None
    """Name of an entry of `config/machines.yaml`; null means the study's machine."""
    processes: Positive | None = None
    """Number of training processes; null means the study's number."""


class Design(Section):
    """A factorial design: runs that switch interventions on and off together."""

    factors: Annotated[list[str], Field(min_length=2, max_length=15)]
    """Single interventions. Their runs come from the design, and from entries of `seeds` that name
    them; `seeds.default` does not apply to them."""
    fraction: Annotated[int, Field(ge=0)] = 0
    """The p of a 2^(k-p) design of k factors: 0 runs every combination, 1 runs half of them, and so
    on. The generators have minimum aberration: they confound as few low-order effects as possible.
    """
    seeds: Annotated[list[WrittenSeeds], Field(min_length=1)] = [42]
    """Seeds, each written as in `noise`; the whole design runs once on each."""


Changes = dict[str, Any]


def _built_in_unless_there_is_a_trainer(schema: dict[str, Any]) -> None:
    """Have editors check the keys of the built-in trainer's recipe."""
    built_in = dict(schema["properties"]["recipe"]["anyOf"][0])
    schema["if"] = {"not": {"required": ["trainer"]}}
    schema["then"] = {"properties": {"recipe": built_in}, "required": ["corpora"]}


class StudyConfig(Section):
    """A whole study: corpus, baseline recipe, interventions, runs, seeds, protocols."""

    model_config = ConfigDict(json_schema_extra=_built_in_unless_there_is_a_trainer)

    study: Name
    """The study's name."""
    title: str = ""
    """A sentence for the top of the report."""
    results: Annotated[str, AfterValidator(_results)] = "results"
    """Folder for everything the study writes; no two studies may share one."""
    corpora: dict[Name, AnyCorpus] = {}
    """Corpora by name. Required, except with `trainer`."""
    trainer: Annotated[Trainer | None, ADDED] = None
    """The command that makes the runs; null means the built-in trainer."""
    plugins: Annotated[list[Annotated[str, Field(min_length=1)]], ADDED] = []
    """Python files with ideas of your own ([ideas](ideas.md)), whose names, such as `ideas.mine`,
    are then values of the keys `kind` of a recipe."""
    recipe: BaselineRecipe | FreeRecipe
    """The baseline recipe. With `trainer`, these are keys of your own, which may be nested."""
    interventions: dict[Name, Changes | list[str]] = {}
    """Interventions by name: the recipe keys to change, written with dots, or a list of other
    interventions (a stack)."""
    seeds: dict[str, Seeds] = {"default": [42]}
    """Seeds by intervention; `default` is for those that are not named here."""
    noise: Noise = Noise()
    """The baseline runs that measure noise."""
    design: Design | None = None
    """A full or fractional factorial design over some of the interventions."""
    runs: list[RunEntry] = []
    """Further runs, each with its own name."""
    pretrained: dict[Name, Pretrained] = {}
    """Models trained elsewhere, by the name that the report gives them."""
    baseline: str
    """Run that the others are compared with."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Family-wise error rate of the verdicts."""
    margin: Annotated[float, Field(gt=0)] | None = None
    """The smallest difference of the test loss that matters, in its unit (nats, unless
    `evaluation.unit` says otherwise). An intervention whose whole interval is closer to zero than
    that makes no difference that matters, which is the question about a change for speed. Without a
    margin, no verdict says so."""
    metrics: dict[MetricName, Metric] = {}
    """Further metrics by name, each with its own verdicts. Of runs that noiseband trains, these are
    `seconds`, `tokens_per_second` and `peak_memory_bytes`, which are volatile."""
    primary: MetricName | None = None
    """The metric of the report's first screen; null means the test loss."""
    published: bool = False
    """Whether the report also shows the published series."""
    on_mismatch: Literal["stop", "warn"] = "stop"
    """What to do if the weights of `init: reference` differ from the reference implementation's."""
    evaluation: Evaluation = Evaluation()
    """How the test loss is measured."""
    evaluations: dict[EvaluationName, FurtherEvaluation] = {}
    """Further evaluations of every run and pretrained model, by name. The metrics of an evaluation
    are called `<name>.<metric>`, such as `code.loss`."""
    samples: Samples = Samples()
    """Text sampled during training."""
    checkpoints: Checkpoints = Checkpoints()
    """When checkpoints are written."""
    snapshots: Annotated[Snapshots | None, ADDED] = None
    """Weights from before the end of every run, over which evaluations can be averaged."""
    averages: Annotated[dict[EvaluationName, WeightAverage], ADDED] = {}
    """Averages of every run's weights by name, each evaluated as a variant of the run, without a
    second training. The metrics of an average are called `<name>.<metric>`, such as `ema.test_loss`
    and `ema.cloze.accuracy`."""
    machine: str = "laptop"
    """Name of an entry of `config/machines.yaml`, used to estimate hours and costs. It changes no
    bits."""
    processes: Positive = 1
    """Number of training processes of one run: a power of two that divides the slots of every run.
    It changes no bits."""
    placement: dict[str, Place] = {}
    """Runs by name that are trained on another machine or with another number of processes."""
    finetuning: Finetuning | None = None
    """Instruction fine-tuning; without it a study ends at the test loss."""
    judge: Judge = ChrfJudge()
    """The judge that scores the answers."""

    @property
    def built_in(self) -> BaselineRecipe:
        """The recipe of the built-in trainer. Raises UserError if the study has a command."""
        if isinstance(self.recipe, FreeRecipe):
            raise UserError(
                "trainer: a command makes this study's runs, and this needs the built-in trainer's"
            )
        return self.recipe
