"""Progress is printed on a terminal, but not to a log file."""

from __future__ import annotations

import io
import re

from noiseband.finetune.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_steps_and_epochs() -> None:
    screen = Terminal()
    console = Console("m  seed 1", 100, screen, interval=0)
    console.step(1, 1, 3, 2.5)
    console.step(1, 2, 3, 2.25)
    console.step(1, 3, 3, 2.0)  # the epoch's own line follows
    console.epoch(1, 2.25, 2.125)
    assert screen.getvalue().splitlines() == [
        "m  seed 1  epoch 1/100  step 1/3  loss 2.5000  0 s left of the epoch",
        "m  seed 1  epoch 1/100  step 2/3  loss 2.2500  0 s left of the epoch",
        "m  seed 1  epoch 1/100  train 2.2500  validation 2.1250  0 s",
    ]


def test_the_time_left_follows_from_this_epoch_s_steps() -> None:
    screen = Terminal()
    console = Console("m", 9, screen)
    console.began = console.epoch_began = console.said = console.said - 50.0
    console.step(1, 1, 3, 1.0)  # 50 s, so 100 more
    assert re.search(r"step 1/3  loss 1\.0000  1 min 40 s left", screen.getvalue())
    console.step(1, 2, 3, 1.0)  # too soon for another line
    assert len(screen.getvalue().splitlines()) == 1


def test_nothing_is_said_elsewhere() -> None:
    file = io.StringIO()
    console = Console("m", 9, file, interval=0)
    console.step(1, 1, 3, 1.0)
    console.epoch(1, 1.0, 1.0)
    assert file.getvalue() == ""
