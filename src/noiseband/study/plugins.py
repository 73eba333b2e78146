"""Plugins: Python files of the user with ideas, read from their syntax trees without running them.

An idea is a function or a class under one of noiseband's decorators, such as
`@noiseband.feed_forward("mine")`. In a config it is called by its file's name and its own, such as
`ideas.mine`, so that it can never have the name of a kind that noiseband has or will have.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from os.path import normpath
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from noiseband.io.syntax import read_module
from noiseband.study.problems import Problem

PARTS: Mapping[str, int] = {
    "feed_forward": 1,
    "norm": 2,
    "positions": 1,
    "attention": 1,
    "optimizer": 6,
    "schedule": 2,
    "loss": 2,
    "metric": 2,
}
"""The decorators, each with the number of arguments that noiseband gives the decorated function;
further arguments are options."""

STEM = r"[A-Za-z_][A-Za-z0-9_]*"
OWN = r"[A-Za-z0-9][A-Za-z0-9_-]*"
IdeaName = Annotated[str, Field(pattern=rf"^{STEM}\.{OWN}$")]
"""The name of an idea in a config: that of its file without `.py`, a dot, and its own."""
IDEA = Annotated[IdeaName, Tag("idea")]
BUILT_IN = Tag("built-in")
EITHER = Discriminator(lambda kind: "idea" if is_idea(kind) else "built-in")
"""Tells apart the kinds that noiseband has and ideas, so that an error is about one of them."""


def is_idea(kind: object) -> bool:
    """Whether a kind is an idea in a plugin, and not one that noiseband has."""
    return isinstance(kind, str) and "." in kind


@dataclass(frozen=True)
class Idea:
    """One idea, as its file declares it."""

    part: str
    """What it is: a key of `PARTS`."""
    name: str
    line: int
    options: frozenset[str] | None
    """Names of its options; None if it takes any."""
    needed: tuple[str, ...]
    """The options that have no default."""


@dataclass(frozen=True)
class Plugin:
    """A file of ideas."""

    path: str
    """Relative to the folder in which Snakemake runs."""
    sha256: str
    """Digest of its code, without comments, docstrings and formatting."""
    ideas: tuple[Idea, ...]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    def find(self, name: str) -> list[Idea]:
        """The ideas of this name, at most one for each part."""
        return [idea for idea in self.ideas if f"{self.stem}.{idea.name}" == name]


class PluginError(Exception):
    """A mistake in a plugin. The message begins with the line, if there is one."""


def code_sha256(source: str) -> str:
    """The digest of a plugin's code. Raises SyntaxError."""
    return read_module(source, strict=True).sha256


def read_plugins(paths: Iterable[str]) -> tuple[dict[str, Plugin], list[Problem]]:
    """The plugins of a config by the names that stand before the dot, and the mistakes in them."""
    found: dict[str, Plugin] = {}
    problems = []
    for position, path in enumerate(paths):
        key = f"plugins.{position}"
        try:
            plugin = read_plugin(path)
            other = found.get(plugin.stem)
            if other is not None and other.path == plugin.path:
                raise PluginError("is here twice; remove it")
            if other is not None:
                raise PluginError(f"{other.path} has the same name; rename one of the files")
            found[plugin.stem] = plugin
        except PluginError as error:
            problems.append(Problem(key, path, str(error)))
    return found, problems


def read_plugin(path: str) -> Plugin:
    """Read the names of a plugin's ideas. Raises PluginError."""
    path = normpath(path)  # `./ideas.py` is `ideas.py`
    file = Path(path)
    if file.suffix != ".py" or not re.fullmatch(STEM, file.stem):
        raise PluginError("should be a Python file with a name such as ideas.py")
    try:
        status = file.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise PluginError(
            f"{error.strerror}; give a path relative to the folder in which snakemake runs"
        ) from None


@cache
def _read(path: str, modified: int, size: int) -> Plugin:
    """The same, once for each content of the file."""
    raw = Path(path).read_bytes()
    try:
        source = raw.decode("utf-8-sig")
        tree = ast.parse(source)
    except SyntaxError as error:
        raise PluginError(f"line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # not UTF-8, or a null character
        raise PluginError(f"no Python source: {error}") from None
    _check_imports(Path(path), tree)
    ideas = tuple(_ideas(tree))
    seen: dict[tuple[str, str], int] = {}
    for idea in ideas:
        first = seen.setdefault((idea.part, idea.name), idea.line)
        if first != idea.line:
            raise PluginError(
                f"line {idea.line}: {idea.part} {idea.name!r} is on line {first} already; "
                "rename one of them"
            )
    if not ideas:
        raise PluginError(
            "has no idea; write a function under a decorator such as "
            '@noiseband.feed_forward("mine")'
        )
    return Plugin(path, code_sha256(source), ideas)


def _check_imports(file: Path, tree: ast.AST) -> None:
    """Raise PluginError for an import of a file that is not part of an installed package, and whose
    code would be in no digest."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [node.module or ""]
            if node.level:
                raise PluginError(f"line {node.lineno}: a plugin is one file; import a package")
        for name in names:
            first = name.partition(".")[0]
            beside = [file.parent / f"{first}.py", file.parent / first / "__init__.py"]
            folder = (file.parent / first).is_dir() and not _installed(first)
            if folder or any(path.exists() for path in beside):
                raise PluginError(
                    f"line {node.lineno}: {first} is a file next to the plugin, and no digest "
                    "would cover its code; copy what you need of it into the plugin"
                )


def _installed(name: str) -> bool:
    """Whether a name is that of a module or package that is installed, which a mere folder of this
    name does not hide."""
    found = find_spec(name)
    return found is not None and found.origin is not None


def _ideas(tree: ast.Module) -> Iterator[Idea]:
    """The ideas at the top level of a module."""
    modules, decorators = _names_of_noiseband(tree)
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        for given in node.decorator_list:
            part = _part(given, modules, decorators)
            if part is not None:
                yield _idea(part, given, node)


def _names_of_noiseband(tree: ast.AST) -> tuple[set[str], dict[str, str]]:
    """The names of the module `noiseband` in a source, and those of its decorators."""
    modules: set[str] = set()
    decorators: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name == "noiseband"}
        elif isinstance(node, ast.ImportFrom) and node.module == "noiseband":
            decorators |= {a.asname or a.name: a.name for a in node.names if a.name in PARTS}
    return modules, decorators


def _part(given: ast.expr, modules: set[str], decorators: dict[str, str]) -> str | None:
    """The part that a decorator is for; None if it is not noiseband's."""
    called = given.func if isinstance(given, ast.Call) else given
    match called:
        case ast.Attribute(value=ast.Name(id=module), attr=name) if module in modules:
            if name not in PARTS:
                raise PluginError(
                    f"line {given.lineno}: noiseband has no decorator {name}; "
                    f"valid: {', '.join(PARTS)}"
                )
            return name
        case ast.Name(id=name):
            return decorators.get(name)
    return None


def _idea(part: str, given: ast.expr, node: ast.FunctionDef | ast.ClassDef) -> Idea:
    """The idea that a decorator declares."""
    name = given.args[0] if isinstance(given, ast.Call) and given.args else None
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        raise PluginError(
            f'line {given.lineno}: give the idea a name in quotes: @noiseband.{part}("mine")'
        )
    if not re.fullmatch(OWN, name.value):
        raise PluginError(
            f"line {given.lineno}: {name.value!r} should consist of letters, digits, '_' and '-', "
            "and begin with a letter or a digit"
        )
    options, needed = _options(part, node)
    return Idea(part, name.value, given.lineno, options, needed)


def _options(
    part: str, node: ast.FunctionDef | ast.ClassDef
) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """The options of an idea, and those without a default: the arguments of the function, or of the
    class's `__init__`, after those that noiseband gives."""
    given = PARTS[part]
    function: ast.FunctionDef | None = node if isinstance(node, ast.FunctionDef) else None
    if isinstance(node, ast.ClassDef):
        own = (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
        function, given = next(own, None), given + 1
    if function is None:
        return None, ()
    arguments = function.args
    placed = [*arguments.posonlyargs, *arguments.args]
    if len(placed) < given and arguments.vararg is None:
        raise PluginError(
            f"line {function.lineno}: {node.name} has too few arguments: noiseband gives "
            f"{part} {given - isinstance(node, ast.ClassDef)}; see docs/ideas.md"
        )
    defaults = len(arguments.defaults)
    without = placed[: len(placed) - defaults] if defaults else placed
    needed = [one.arg for one in without[given:]]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    needed += [one.arg for one, default in pairs if default is None]
    names = frozenset(one.arg for one in [*placed[given:], *arguments.kwonlyargs])
    return (None if arguments.kwarg else names), tuple(needed)
