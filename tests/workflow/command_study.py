"""The smallest study with a trainer of one's own, for places other than this machine."""

from __future__ import annotations

from pathlib import Path

STUDY = """
study: small
results: results
trainer:
  command: python train.py {recipe} {out} {work}
  files: [train.py]
  seeds: [train_seed]
metrics:
  score: {better: higher}
recipe: {level: 10}
interventions:
  up: {level: 12}
seeds: {default: [1]}
noise: {init_and_train: [1, 2]}
baseline: baseline-1
machine: MACHINE
"""

SCRIPT = """
import json, sys, time
from pathlib import Path

recipe, out, work = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), Path(sys.argv[3])
state = work / "state"
done = int(state.read_text()) if state.exists() else 0
print("going on after", done, flush=True)
for step in range(done, 20):
    time.sleep(0.1)
    state.write_text(str(step + 1))
score = recipe["level"] + recipe["train_seed"] / 10
(out / "result.json").write_text(json.dumps({"metrics": {"score": score}}))
"""


def write_command_study(folder: Path, machine: str) -> None:
    """Write the config and the script into a project's folder."""
    (folder / "config" / "config.yaml").write_text(STUDY.replace("MACHINE", machine))
    (folder / "train.py").write_text(SCRIPT)
