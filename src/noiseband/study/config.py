"""The shape of a study's config file. `noiseband schema` writes it as JSON schema for editors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from noiseband.study.corpora import AnyCorpus
from noiseband.study.instructions import Instructions, Lora, TemplateChoice
from noiseband.study.judges import Judge, ReferenceJudge
from noiseband.study.pretrained import Pretrained
from noiseband.study.recipe import BaselineRecipe, Fraction, Positive, Section, Seed
from noiseband.study.seeds import SeedPair, Seeds

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Share = Annotated[float, Field(gt=0, le=1)]


def _results(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("not the name of a folder; write one")
    if "{" in value or "}" in value:
        raise ValueError("Snakemake reads braces as a wildcard; choose another name")
    return value


class Evaluation(Section):
    """Test loss: token-weighted cross-entropy over a fixed window of held-out tokens."""

    corpus: str | None = None
    """Corpus whose tokens every run is measured on; null takes the one that a run reads."""
    split: Literal["test", "validation", "train"] = "test"
    """Split of the corpus that the window is cut from; of `train`, tokens that no run
    trains on."""
    start_token: Annotated[int, Field(ge=0)] = 0
    """First token of the split to use."""
    tokens: Positive | None = None
    """Tokens to use, rounded down to whole batches; null takes the whole split."""
    batch: Positive = 16
    """Sequences in a forward pass; part of the protocol, since other shapes give other bits."""
    precision: Literal["float32", "float16-amp", "bfloat16-amp"] = "float32"
    """Arithmetic of the forward pass."""


class Samples(Section):
    """Text drawn from a model while it trains, to show how coherence grows."""

    prompt: Annotated[str, Field(min_length=1)] = "Every effort moves you"
    """Start of every sample."""
    new_tokens: Positive = 20
    """Tokens to draw."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """0 is greedy."""
    top_k: Positive | None = 25
    """Draw from the k likeliest tokens only; null takes all."""
    top_p: Share | None = None
    """Draw from the fewest likeliest tokens with this much probability together; null takes all."""
    seed: Seed = 42
    """Seed of the draws; the step is mixed in."""


class Checkpoints(Section):
    """When a training run is saved. None of it changes the weights."""

    every: Positive = 617
    """Steps between checkpoints and samples; the first and last step are always included."""
    last: Positive = 2
    """Newest checkpoints kept in the work folder."""
    keep: list[Annotated[int, Field(ge=0)]] | Literal["all"] = []
    """Steps whose checkpoints are kept besides, and made if `every` would not; or `all` that are
    made, so that `noiseband diverge` need not train more than `every` steps anew."""

    def due(self, step: int) -> bool:
        """Whether a checkpoint is made after that step."""
        return step % self.every == 0 or (self.keep != "all" and step in self.keep)

    def keeps(self, step: int) -> bool:
        """Whether the checkpoint after that step, if one is made, is never removed."""
        return self.keep == "all" or step in self.keep


class Answers(Section):
    """How a fine-tuned model answers the test questions: greedily, unless told otherwise."""

    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0 is greedy."""
    top_k: Positive | None = None
    """Draw from the k likeliest tokens only; null takes all."""
    top_p: Share | None = None
    """Draw from the fewest likeliest tokens with this much probability together; null takes all."""
    seed: Seed = 42
    """Seed of the draws; the row's number is mixed in."""
    rows: Annotated[int, Field(gt=0, multiple_of=8)] = 16
    """Questions answered at a time; part of the protocol, since other shapes give other bits. A
    multiple of 8, so that an answer's bits do not depend on its row. For the same reason a model
    whose heads' width is no multiple of 4 answers one question at a time, whatever this says."""


class Protocol(Section):
    """One way to fine-tune on instructions."""

    instructions: str
    """Name of an entry of `finetuning.instructions`."""
    epochs: Positive
    """Most passes over the rows."""
    patience: Positive | None
    """Stop after this many epochs without a lower validation loss and go back to the best one;
    null runs all epochs and keeps the last."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    """Constant learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Decoupled weight decay on every parameter that is trained."""
    batch: Positive = 8
    """Rows in an optimiser step."""
    dropout: Fraction
    """Dropout in fine-tuning, whatever the run was trained with; 0 is off."""
    method: Literal["full", "lora"] = "full"
    """Train every weight, or low-rank adapters that are merged into the weights at the end."""
    lora: Lora | None = None
    """The adapters; with `method: lora` only."""
    template: TemplateChoice = "alpaca"
    """Prompt around the instruction: Alpaca's, a `short` one (`Q: ... A:`) for short contexts, or
    one's own `{instruction: ..., input: ..., answer: ...}`."""
    loss_on: Literal["text", "answer"] = "text"
    """Whether the prompt's tokens count in the loss."""
    seeds: Annotated[list[Seed], Field(min_length=1)] = [42]
    """One fine-tuned model for each seed (shuffling, dropout, adapters)."""
    max_new_tokens: Positive = 256
    """Longest answer in tokens."""
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
            raise ValueError(f"seeds={self.seeds}: one is there twice; remove it")
        return self


class Finetuning(Section):
    """Instruction fine-tuning of chosen runs."""

    instructions: dict[Name, Instructions]
    """Named sets of rows."""
    protocols: dict[Name, Protocol]
    """Named ways to fine-tune."""
    runs: list[str] | Literal["all"] = "all"
    """Runs and pretrained models to fine-tune (repeats are left out of `all`)."""


class RunEntry(Section):
    """One explicit run, beside those that `seeds` and `noise` make. Where one has nothing but a
    seed that these ask of the baseline, it is that run, by another name."""

    name: Name
    """The run's name, unique in the study."""
    interventions: list[str] = []
    """Interventions or stacks applied to the baseline."""
    seed: SeedPair | None = None
    """Seed for both, or `[init_seed, train_seed]`; not with `repeat_of`. With `continues`, null
    takes the other run's."""
    microbatch: Positive | None = None
    """Another microbatch than the baseline's makes the run a twin."""
    repeat_of: str | None = None
    """Train another run's recipe afresh, to be compared to the bit."""
    continues: str | None = None
    """Run whose final weights this one starts from."""
    start_token: Annotated[int, Field(ge=0)] | None = None
    """With `continues`: first token to read; null takes the one at which the other run stopped
    (or the recipe's, if it reads another corpus)."""
    train_tokens: Positive | None = None
    """With `continues`: tokens to train on; null takes the recipe's."""
    approximate: bool = False
    """The recipe stands in for one that is not known in full: the run is shown, fine-tuned and
    judged, and no verdict, noise or stack rests on it."""

    @property
    def plain(self) -> bool:
        """Whether it is the baseline's recipe on seeds of its own, but perhaps for microbatch."""
        return self.repeat_of is None and self.continues is None and not self.interventions

    @model_validator(mode="after")
    def _keys_go_together(self) -> RunEntry:
        if self.repeat_of is not None:
            whole = RunEntry.model_construct(name=self.name, repeat_of=self.repeat_of)
            if self != whole:
                raise ValueError("repeat_of takes the whole recipe: remove the other keys")
        elif self.continues is None:
            for key in ("start_token", "train_tokens"):
                if getattr(self, key) is not None:
                    raise ValueError(
                        f"{key} belongs to `continues`; name the run to go on from, or remove it"
                    )
            if self.seed is None:
                raise ValueError("a run needs a seed (or repeat_of, or continues)")
        return self


class Noise(Section):
    """Baseline runs that measure noise, by the source of randomness they vary."""

    init_and_train: list[SeedPair] = []
    """Both seeds vary together."""
    train_only: list[SeedPair] = []
    """One init_seed, several train_seeds."""
    init_only: list[SeedPair] = []
    """One train_seed, several init_seeds."""


class Place(Section):
    """Where a run is trained, if not where the study is. Changes no bits."""

    machine: str | None = None
    """Entry of `config/machines.yaml`; null takes the study's."""
    processes: Positive | None = None
    """Training processes; null takes as many as the study."""


class Design(Section):
    """A factorial design: runs that switch interventions on and off together."""

    factors: Annotated[list[str], Field(min_length=2, max_length=15)]
    """Single interventions. Their runs come from the design, and from `seeds` where it names them;
    `seeds.default` adds none."""
    fraction: Annotated[int, Field(ge=0)] = 0
    """p of a 2^(k-p) design of k factors: 0 runs every set of them, 1 half of the sets, and so on.
    Generators are chosen so that what cannot be told apart hurts least (minimum aberration)."""
    seeds: Annotated[list[SeedPair], Field(min_length=1)] = [42]
    """The whole design runs once on each seed, or `[init_seed, train_seed]`."""


Changes = dict[str, Any]


class StudyConfig(Section):
    """A whole study: corpus, baseline recipe, interventions, runs, seeds, protocols."""

    study: Name
    """The study's name."""
    title: str = ""
    """A sentence for the report's head."""
    results: Annotated[str, AfterValidator(_results)] = "results"
    """Folder for everything the study makes; no two studies may share one."""
    corpora: dict[Name, AnyCorpus]
    """Named corpora."""
    recipe: BaselineRecipe
    """The baseline recipe."""
    interventions: dict[Name, Changes | list[str]] = {}
    """Name to changed recipe keys (dotted), or to a list of interventions: a stack."""
    seeds: dict[str, Seeds] = {"default": [42]}
    """Seeds of every intervention (`default`), and of those that get others by name."""
    noise: Noise = Noise()
    """The noise study."""
    design: Design | None = None
    """A full or fractional factorial design over some of the interventions."""
    runs: list[RunEntry] = []
    """Further runs, named one by one."""
    pretrained: dict[Name, Pretrained] = {}
    """Models that others trained, by the names of their rows."""
    baseline: str
    """Run that improvements are counted from."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Family-wise error rate of the verdicts."""
    published: bool = False
    """Whether the report shows the published series beside this study."""
    on_mismatch: Literal["stop", "warn"] = "stop"
    """What to do where `init: reference` weights are not the reference implementation's."""
    evaluation: Evaluation = Evaluation()
    """How the test loss is measured."""
    samples: Samples = Samples()
    """Text drawn during training."""
    checkpoints: Checkpoints = Checkpoints()
    """When training is saved."""
    machine: str = "laptop"
    """Entry of `config/machines.yaml` that hours and costs are counted on; changes no bits."""
    processes: Positive = 1
    """Training processes of one run; changes no bits. A power of two that divides the slots of
    every run."""
    placement: dict[str, Place] = {}
    """Runs by name that have another machine, or other processes."""
    finetuning: Finetuning | None = None
    """Instruction fine-tuning; without it a study ends at the test loss."""
    judge: Judge = ReferenceJudge()
    """Who scores the answers."""
