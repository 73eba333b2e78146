"""Python source as its syntax tree, without the parts that only people read."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Module:
    """The parts of a module's source that can change a result."""

    sha256: str
    """Digest of the module's syntax tree."""
    imports: list[str]
    """Full names of the modules and objects that it imports."""


def read_module(source: str, strict: bool = False) -> Module:
    """Parse the source of a module.

    Args:
        source: its text.
        strict: whether to leave out no more than docstrings and the words of `raise` statements, as
            for code whose author knows no other rule.
    """
    text = _Text(strict)
    text.add(ast.parse(source))
    sha256 = hashlib.sha256("".join(text.parts).encode("utf-8", "surrogatepass")).hexdigest()
    return Module(sha256, text.imports)


class _Text:
    """A syntax tree as text, and the imports in it.

    Positions are left out. Fields that are None or empty are left out too, because newer versions
    of Python add fields, which are empty in code that older versions can run.
    """

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.parts: list[str] = []
        self.imports: list[str] = []

    def add(self, value: object, wordless: bool = False) -> None:
        """Add a node, a list of nodes or a plain value; `wordless` leaves out all strings."""
        if isinstance(value, list):
            self.parts.append("[")
            for one in value:
                self.add(one, wordless)
            self.parts.append("]")
        elif not isinstance(value, ast.AST):
            self.parts.append(f"{value!r},")
        elif isinstance(value, ast.Expr) and _is_string(value.value):
            return  # the docstring of a module, a class, a function or an attribute
        elif (
            not self.strict
            and isinstance(value, ast.If)
            and _last_name(value.test) == "TYPE_CHECKING"
        ):
            self.add(value.orelse)
        elif not (wordless and (_is_string(value) or isinstance(value, ast.JoinedStr))):
            self._add_node(value, wordless)

    def _add_node(self, node: ast.AST, wordless: bool) -> None:
        if isinstance(node, ast.ImportFrom):
            self.imports.append(str(node.module))
            self.imports += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            self.imports += [alias.name for alias in node.names]
        elif self.strict:
            wordless = wordless or isinstance(node, ast.Raise)
        elif isinstance(node, ast.Call) and _last_name(node.func).endswith("Error"):
            # Only for errors: the text of `judge.reading.Unusable` becomes the reason of a score.
            wordless = True
        self.parts.append(f"{type(node).__name__}(")
        for name in node._fields:
            inner = getattr(node, name, None)
            if inner is not None and inner != []:
                self.parts.append(f"{name}=")
                self.add(inner, wordless)
        self.parts.append(")")


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _last_name(node: ast.AST) -> str:
    """`c` for the expression `a.b.c`; an empty string for other expressions."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
