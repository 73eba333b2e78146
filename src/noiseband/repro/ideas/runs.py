"""Check an idea: what it computes, and whether runs with it end with the same bits when they are
repeated, trained by two processes, or killed and resumed."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tiktoken
import torch
from safetensors.torch import load_file

from noiseband.determinism import make_deterministic
from noiseband.errors import UserError, blamed
from noiseband.io.files import write_text
from noiseband.io.traces import Row
from noiseband.model.init import write_init
from noiseband.repro.ideas.functions import Report, check_function
from noiseband.repro.ideas.subject import BYTES, Subject
from noiseband.study.config import Checkpoints, Samples
from noiseband.study.params import InitParams, TrainParams
from noiseband.train.launch.processes import Processes, joined
from noiseband.train.loop import train
from noiseband.train.trainer import Job
from noiseband.train.watcher import Watcher

EVERY = 2
"""Steps between two checkpoints."""
KILLED_AFTER = 4
"""Steps after which a run is killed: the last one is not in a checkpoint."""

UNSEEDED = (
    "Runs from the same seeds end with different weights, so it has randomness that noiseband does "
    "not seed: numpy, random, a torch.Generator of its own, the time, or the order of a set. Draw "
    "in forward by PyTorch's default generator, which is seeded for each microbatch."
)
OUTSIDE = (
    "A second run in the same process ends with other weights, so it keeps something outside its "
    "parameters from one call to the next: a global, a cache, an attribute. Keep it in an "
    "nn.Parameter, in an optimizer's memory, or compute it from what the function is given."
)
ELASTIC = (
    "Two processes end with other weights than one. Each sees a part of the microbatches, so what "
    "it does depends on those before: a count of calls, a running mean. A microbatch's gradient "
    "has to follow from the weights, the microbatch and its seed alone."
)
RESUMED = (
    "A run that was killed and resumed ends with other weights, so it remembers something that no "
    "checkpoint holds. Checkpoints hold parameters and an optimizer's memory; keep it there, or "
    "compute it from the step."
)
UNCHANGED = (
    "Training leaves every weight as it was, so nothing is learnt. An optimizer has to change the "
    "weight in place, as in weight.sub_(...): an assignment to weight changes only a name in the "
    "function."
)
NOT_FINITE = (
    "After a few steps some weights are infinite or not a number. Look for a division by zero, a "
    "root or a logarithm of what is not positive, or a step that is too long."
)


def check(subject: Subject, report: Report) -> None:
    """Check an idea: what it computes, and whether runs with it end with the same bits.

    Everything is done in processes forked from this one, which itself never runs the plugin.

    Args:
        subject: the idea.
        report: is given each check's name, and in words what the idea breaks, or None.

    Raises:
        UserError: the idea fails.
    """
    with TemporaryDirectory() as folder:
        receiving, sending = get_context("fork").Pipe(duplex=False)
        _apart(Path(folder) / "function", lambda: check_function(subject, _sender(sending)))
        while receiving.poll():
            report(*receiving.recv())
        if subject.trains:
            _check_runs(subject, Path(folder), report)


def _sender(sending: Connection) -> Report:
    return lambda name, finding: sending.send((name, finding))


def _check_runs(subject: Subject, place: Path, report: Report) -> None:
    """Train tiny runs with the idea, and compare their final weights."""
    again = _trained(subject, place / "one") == _trained(subject, place / "again", twice=True)
    report("two equal runs", None if again else UNSEEDED)
    if not again:
        return  # The other comparisons would only say the same.
    one = _weights(place / "one")
    _check_weights(place / "one", report)
    report("one after another", None if _weights(place / "again-2") == one else OUTSIDE)
    report("two processes", None if _in_two(subject, place / "two") == one else ELASTIC)
    resumed = _killed_and_resumed(subject, place / "resumed") == one
    report("killed and resumed", None if resumed else RESUMED)


def _check_weights(run: Path, report: Report) -> None:
    """Check that a run's final weights are numbers, and not the initial ones."""
    before, after = (load_file(run / f"{name}.safetensors") for name in ("init", "model"))
    changed = any(not torch.equal(after[name], before[name]) for name in after)
    report("weights change", None if changed else UNCHANGED)
    finite = all(bool(value.isfinite().all()) for value in after.values())
    report("weights are finite", None if finite else NOT_FINITE)


def _trained(subject: Subject, folder: Path, twice: bool = False) -> bytes:
    """The final weights of a run, and perhaps of another one after it in the same process."""

    def work() -> None:
        _train(subject, folder)
        if twice:
            _train(subject, folder.with_name(f"{folder.name}-2"))

    _apart(folder, work)
    return _weights(folder)


def _in_two(subject: Subject, folder: Path) -> bytes:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def work(rank: int) -> Callable[[], None]:
        def one() -> None:
            os.environ |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            }  # fmt: skip
            with joined() as group:
                _train(subject, folder, group)

        return one

    _apart(folder, work(0), work(1))
    return _weights(folder)


def _killed_and_resumed(subject: Subject, folder: Path) -> bytes:
    _apart(folder, lambda: _train(subject, folder, watch=_Killer), killed=True)
    return _trained(subject, folder)


class _Quiet(Watcher):
    def say(self, text: str) -> None:
        pass


class _Killer(_Quiet):
    """Kills its own process after a step."""

    def step(self, row: Row) -> None:
        if row.step + 1 == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


def _train(
    subject: Subject,
    folder: Path,
    processes: Processes | None = None,
    watch: type[Watcher] = _Quiet,
) -> None:
    recipe = subject.recipe
    params = TrainParams(
        run="check", intervention="check", interventions=[], repeat_of=None, continues=None,
        difference={}, recipe=recipe, samples=Samples(new_tokens=2),
        checkpoints=Checkpoints(every=EVERY),
    )  # fmt: skip
    make_deterministic(recipe.threads, recipe.precision)
    start = InitParams.of(recipe)
    first = processes is None or processes.first
    own = folder if first else folder.with_name(f"{folder.name}-other")
    init = own / "init.safetensors"
    write_init(start.model, start.method, start.seed, init, own / "init.json")
    generator = np.random.Generator(np.random.PCG64(0))
    ranks = {bytes([byte]): byte for byte in range(BYTES)}
    job = Job(
        params=params,
        tokens=generator.integers(0, BYTES, recipe.last_token, dtype=np.uint16),
        encoding=tiktoken.Encoding("bytes", pat_str=".", mergeable_ranks=ranks, special_tokens={}),
        init=init,
        work=folder / "work",
        out=folder,
    )
    train(job, processes or Processes(0, 1, torch.device("cpu")), watch)


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def _apart(folder: Path, *works: Callable[[], None], killed: bool = False) -> None:
    """Do each work in a process of its own, forked from this one, which has run no plugin.

    Raises UserError with the message of the first that failed.
    """
    context = get_context("fork")
    failed = folder.with_name(f"{folder.name}-failed")
    processes = [context.Process(target=_do, args=(work, failed)) for work in works]
    for process in processes:
        process.start()
    running = list(processes)
    while running:
        wait([process.sentinel for process in running])
        ended = [process for process in running if not process.is_alive()]
        running = [process for process in running if process.is_alive()]
        if any(process.exitcode for process in ended):
            for process in running:
                process.terminate()  # it would wait for the one that failed
    ends = [process.exitcode for process in processes]
    if ends != [-signal.SIGKILL if killed else 0] * len(ends):
        raise UserError(failed.read_text() if failed.exists() else f"a run ended with {ends}")


def _do(work: Callable[[], None], failed: Path) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # two processes may not have two GPUs
    try:
        work()
    except Exception as error:
        message = str(error) if isinstance(error, UserError) else blamed(error)
        if message is None:  # None of the idea's lines failed, but what it returned made others.
            line = next(iter(str(error).strip().splitlines()), "no message")
            message = f"with the idea, noiseband's own code fails: {type(error).__name__}: {line}"
        write_text(failed, message)
        os._exit(2)
