"""The commands of the command line. A command's module is imported only when it is called.

Some modules need a second of imports, for which no other command, nor `noiseband --help`, should
wait. What the list of commands shows is therefore read from their sources.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from noiseband.cli.options import PANEL

MODULES = {
    "rules.corpus": (
        "corpus", "document-fields", "vocabulary", "tokenize", "fetch-tokens", "mix-tokens",
        "pack", "check-data",
    ),
    "rules.instructions": ("instructions", "seen-questions"),
    "rules.model": ("verify-init",),
    "rules.command": ("train-command", "verify-command"),
    "rules.pretrained": ("pretrained",),
    "rules.evaluate": ("evaluate", "contamination"),
    "rules.evaluations": (
        "evaluate-loss", "evaluate-choice", "evaluate-harness", "evaluate-command",
        "average-evaluation", "average-weights",
    ),
    "rules.convert": ("convert-export", "check-export"),
    "rules.finetune": ("finetune", "respond"),
    "rules.judge": ("judge",),
    "rules.repro": ("verify-rerun", "manifest"),
    "rules.report": ("tables", "figures"),
    "verdicts": ("verdicts",),
    "new": ("new",),
    "run": ("run",),
    "init": ("init",),
    "train": ("train",),
    "study": ("schema", "runs"),
    "verify": ("verify", "intact", "diverge"),
    "crate": ("crate",),
    "fit": ("fit",),
    "check": ("check",),
    "hub": ("export", "publish", "import"),
    "plan": ("plan",),
    "published": ("published",),
    "report": ("report",),
    "track": ("track",),
}  # fmt: skip
"""The commands of each module of `noiseband.cli`, in the order in which the help lists them."""


class Commands(TyperGroup):
    """All commands: those of imported modules, and one that stands for each of the others."""

    def __init__(self, *, commands: Any = None, **options: Any) -> None:
        known = dict(commands or {})
        every = {
            name: known.get(name) or Waiting(name, module)
            for module, names in MODULES.items()
            for name in names
        }
        super().__init__(commands=every, **options)

    def format_help(self, *places: Any) -> None:
        """Write the list of commands."""
        for command in self.commands.values():
            if isinstance(command, Waiting):
                command.help = docstrings(command.module)[str(command.name)]
        super().format_help(*places)


class Waiting(TyperCommand):
    """A command whose module is not imported yet."""

    def __init__(self, name: str, module: str) -> None:
        super().__init__(name=name, rich_help_panel=PANEL if module.startswith("rules.") else None)
        self.module = module

    def make_context(self, *words: Any, **options: Any) -> Any:
        """Import the module, and let the command itself read the words of the command line."""
        from noiseband.cli import app

        importlib.import_module(f"noiseband.cli.{self.module}")
        group: Any = typer.main.get_command(app)
        return group.commands[self.name].make_context(*words, **options)


@cache
def docstrings(module: str) -> dict[str, str | None]:
    """The docstrings of a module's functions by the names of their commands, without importing
    it."""
    file = Path(__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    return {
        node.name.strip("_").replace("_", "-"): ast.get_docstring(node)
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
