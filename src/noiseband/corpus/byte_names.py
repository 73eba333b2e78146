"""How byte-level vocabularies write bytes: a printable character for each."""

from __future__ import annotations


def byte_names() -> list[str]:
    """The printable character that stands for each byte in GPT-2's vocabulary files.

    A byte that is printable in Latin-1 stands for itself. Any other byte, and the soft hyphen,
    gets the next free character from U+0100 on.
    """
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    free = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printed else chr(next(free)) for byte in range(256)]
