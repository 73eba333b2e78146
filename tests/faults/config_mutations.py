# ruff: noqa: E501 (tables of odd values)
"""Mutations of the real config files, like those of careless edits and failing disks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.project import ROOT

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 7, 10**9, 10**12 + 1, 2**63, 2**64, 10**40, -(10**40), 1e308,
    5e-324, float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 0.1, "", " ", "nan", "1e5",
    "1e999", "-", "*", "baseline-1", "all", "no such name", "../../etc/passwd", "/dev/null", "a" * 5000,
    "ünïcödé", "\u202e\u2066", "\x1b[31mred\x1b[0m", "𝕊𝕥𝕦𝕕𝕪", "\x00", "{}", "{0}", "%s", "$(id)", "a;b", "=1+1", [],
    [[]], {}, [None], [1, 2, 3], [42, 42], ["clip"], {"kind": "nothing"}, {"": {}}, {1: 2}, {None: None},
    {"a": {"b": {"c": []}}}, [{"name": "x"}], {"kind": ["reference"]}, {"kind": {}}, [True, 1.5, "x"],
]  # fmt: skip

TEXTS = [
    b"\xef\xbb\xbf", b"\x00", b"\xff\xfe", b"\xc3\x28", b"\r\n", b"\r", b"\t", b"\t- ", b"\xe2\x80\xa8", b"\xc2\x85",
    b": ", b"- ", b"? ", b"&a ", b"*a ", b"<<: *a\n", b"!!python/object/apply:os.system [id]\n",
    b"!!python/name:os.system ", b"!!binary x", b"!!int abc", b"!!float z", b"!!timestamp x", b"!!set {a}",
    b"!!omap [a: 1]", b"!!bool maybe", b"!!null x", b"!x ", b"---\n", b"...\n", b"%YAML 9.9\n---\n", b"%TAG ! x\n",
    b"{", b"}", b"[", b"]", b"'", b'"', b"|\n", b">\n", b"#", b"`", b"@", b"2001-13-45", b"2001-01-01", b"0b", b"0x", b"0o9",
    b"190:20:30", b"1_000", b"_", b".", b".inf", b".nan", b"=", b"~", b"? [a, b]\n: c\n", b"? {a: b}\n: c\n",
    b"? !!python/tuple [a]\n: c\n", b"study: twice\n", b"9" * 5000, b'"\\ud800"', b'"\\x00"', b'"\\U0010ffff"', b"\xf0\x9f\x92\xa5",
    b"<<: 5\n", b"<<: [1]\n", b"? <<\n: x\n",
]  # fmt: skip

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGE_BOMB = "m0: &m0 {a: 1, b: 2}\n" + "".join(
    f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}], k{n}: 1}}\n" for n in range(1, 12)
)

WHOLE: list[bytes] = [
    b"", b"\n", b"#", b"null", b"0", b"[]", b"{}", b"text", b"- a\n- b", b"\x00" * 1000, bytes(range(256)),
    b"PK\x03\x04" + bytes(100), b"\x80\x04\x95" + bytes(50), b"&a [*a]", b"&a {x: *a}", b"study: &a [*a]\n",
    b"[" * 100_000, b"{a: " * 3_000, b"- " * 3_000, b"x:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 900)),
    b"a: " + b"[" * 2000 + b"]" * 2000, BOMB.encode(), b"study: *a11\n" + BOMB.encode(), BOMB.encode() + b"recipe: *a11\n",
    MERGE_BOMB.encode() + b"recipe: *m11\n", b"study: x\n" * 1000, b"a: 1\n" * 3, b"? [a]\n: b", b"? {a: b}\n: c", b"? ? a\n: b",
    "study: ünïcödé".encode("utf-16"), "study: é".encode("latin-1"), b"%YAML 1.2\n---\nstudy: a", b"--- a\n--- b\n",
    b"!!python/object/apply:os.system ['id']", b"study: !!python/object/new:os.system [id]", b"2001-13-45", b"a: 2001-13-45",
    b"9" * 10_000, b"x: " + b"9" * 10_000, b"'", b'"\\x"', b"x: !!int z", b"x: !!float z", b"? !!int z\n: z", b"x: !!timestamp z",
]  # fmt: skip


def bases() -> list[str]:
    """The real configs, and one that uses every section."""
    files = [*sorted((ROOT / "config").glob("*.yaml")), ROOT / "tests/workflow/study.yaml"]
    texts = [file.read_text(encoding="utf-8") for file in files if file.name != "machines.yaml"]
    return [text for text in texts if len(text) < 20_000] + [
        (Path(__file__).parent / name).read_text(encoding="utf-8")
        for name in ("study.yaml", "everything.yaml")
    ]


def cases(number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`number` cases as (mutation, file); the unchanged files come first."""
    draw = random.Random(seed)
    texts = bases()
    parsed = [yaml.safe_load(text) for text in texts]
    for place in range(number):
        if place < len(WHOLE):
            yield "whole file", WHOLE[place]
            continue
        which = draw.randrange(len(texts))
        kind, mutate = draw.choice(MUTATIONS)
        yield kind, mutate(draw, texts[which], parsed[which])


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, one in inner:
        yield from _paths(one, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _dump(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode(
        "utf-8", "surrogatepass"
    )


def _changed(draw: random.Random, data: Any, change: Callable[[Any, Any], None]) -> bytes:
    """The data as a file, with one to three places changed."""
    copy = yaml.safe_load(yaml.safe_dump(data))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        paths = list(_paths(copy))
        if not paths:
            break
        *parents, key = draw.choice(paths)
        change(_at(copy, tuple(parents)), key)
    return _dump(copy)


def _value(draw: random.Random) -> Any:
    """An odd value, as a copy, so that changing it does not affect later cases."""
    return deepcopy(draw.choice(VALUES))


def _replaced(draw: random.Random, _: str, data: Any) -> bytes:
    def change(parent: Any, key: Any) -> None:
        parent[key] = _value(draw)

    return _changed(draw, data, change)


def _removed(draw: random.Random, _: str, data: Any) -> bytes:
    def change(parent: Any, key: Any) -> None:
        del parent[key]

    return _changed(draw, data, change)


def _renamed(draw: random.Random, _: str, data: Any) -> bytes:
    def change(parent: Any, key: Any) -> None:
        if isinstance(parent, list):
            parent.append(_value(draw))
            return
        name = draw.choice(
            [
                f"{key}x",
                str(key)[:-1],
                str(key).upper(),
                "",
                5,
                None,
                True,
                1.5,
                "ключ",
                "a b",
                "a.b",
                "a\nb",
                "../x",
            ]
        )
        parent[name] = parent.pop(key)

    return _changed(draw, data, change)


def _moved(draw: random.Random, _: str, data: Any) -> bytes:
    def change(parent: Any, key: Any) -> None:
        parent[key] = deepcopy(_at(data, draw.choice(list(_paths(data)))))

    return _changed(draw, data, change)


def _scaled(draw: random.Random, _: str, data: Any) -> bytes:
    """Make a number absurd or slightly wrong."""

    def change(parent: Any, key: Any) -> None:
        value = parent[key]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            parent[key] = draw.choice(
                [-value, value * 10**9, value + 1, value * 1.5, 10**18, 0, str(value)]
            )

    return _changed(draw, data, change)


def _text_inserted(draw: random.Random, text: str, _: Any) -> bytes:
    raw = text.encode()
    for _time in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(raw) + 1)
        if draw.random() < 0.5:  # at the beginning of a line
            at = raw.rfind(b"\n", 0, at) + 1
        raw = raw[:at] + draw.choice(TEXTS) + raw[at:]
    return raw


def _text_value(draw: random.Random, text: str, _: Any) -> bytes:
    """Replace the text after a colon."""
    lines = text.encode().split(b"\n")
    at = draw.choice([n for n, line in enumerate(lines) if b": " in line])
    lines[at] = lines[at].split(b": ")[0] + b": " + draw.choice(TEXTS)
    return b"\n".join(lines)


def _bytes_flipped(draw: random.Random, text: str, _: Any) -> bytes:
    raw = bytearray(text.encode())
    for _time in range(draw.choice((1, 1, 4, 40))):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def _cut(draw: random.Random, text: str, _: Any) -> bytes:
    raw = text.encode()
    a, b = sorted((draw.randrange(len(raw)), draw.randrange(len(raw))))
    return draw.choice([raw[:a], raw[b:], raw[:a] + raw[b:]])


def _lines(draw: random.Random, text: str, _: Any) -> bytes:
    """Duplicate, swap, indent or unindent lines."""
    lines = text.split("\n")
    for _time in range(draw.choice((1, 2, 5))):
        a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
        match draw.randrange(4):
            case 0:
                lines.insert(b, lines[a])
            case 1:
                lines[a], lines[b] = lines[b], lines[a]
            case 2:
                lines[a] = "  " + lines[a]
            case 3:
                lines[a] = lines[a].lstrip()
    return draw.choice(["\n", "\n", "\r\n"]).join(lines).encode()


MUTATIONS: list[tuple[str, Callable[[random.Random, str, Any], bytes]]] = [
    ("value replaced", _replaced),
    ("value replaced", _replaced),
    ("key removed", _removed),
    ("key renamed", _renamed),
    ("part moved", _moved),
    ("number scaled", _scaled),
    ("text inserted", _text_inserted),
    ("text in place of a value", _text_value),
    ("bytes changed", _bytes_flipped),
    ("cut", _cut),
    ("lines moved", _lines),
]
