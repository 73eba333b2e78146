"""Which runs a factorial design has, and which effects they cannot tell apart.

A factor is an intervention that is off or on. A full design has a run for each of the 2^k sets of
factors; a fractional one has 2^(k-p) of them: the first k - p factors are switched freely, and each
of the other p follows a product of those, its generator. The price is aliases: effects that the
runs cannot tell apart (Box, Hunter and Hunter, Statistics for Experimenters, 2nd ed., chapter 6;
Montgomery, Design and Analysis of Experiments, chapter 8).

Signs. The books write off as -1 and on as +1, and choose generators with plus signs. Here the run
with every factor off is the baseline, with which every effect is compared, so it must be in the
design. For the baseline, a word of n letters is a product of n factors -1. The fraction with the
baseline therefore has I = +word for words of even length and I = -word for words of odd length. In
bits (off 0, on 1) these are the runs in which every word has an even number of factors on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import combinations
from operator import xor

import numpy as np
import numpy.typing as npt

from noiseband.stats.least_squares import BASELINE

LETTERS = "ABCDEFGHJKLMNOP"
"""Letters of the factors in words; I is left out because it stands for the mean."""
MOST_FACTORS = len(LETTERS)

# Partial designs kept in each step of the search; keeping 150 finds no better design of any size.
_KEPT = 20


@dataclass(frozen=True)
class Term:
    """A product of factors: a main effect, an interaction or a word."""

    letters: str
    """Letters of the factors, such as `AB`."""
    factors: tuple[str, ...]
    """The factors' names, in the order of the letters."""
    sign: int = 1
    """+1 or -1, relative to the first term of its equation."""

    def __str__(self) -> str:
        return f"{'−' if self.sign < 0 else ''}{self.letters}"

    @property
    def name(self) -> str:
        """The factors' names as `remove-dropout × qkv-bias`, with a minus sign if `sign` is -1."""
        return f"{'−' if self.sign < 0 else ''}{' × '.join(self.factors)}"


Equal = tuple[Term, ...]
"""Terms with the same column of signs, each up to its own sign; the first has the sign +1."""


@dataclass(frozen=True)
class Design:
    """A full or fractional two-level design that includes the run with every factor off."""

    factors: tuple[str, ...]
    """The k names; their letters are those of `LETTERS`, in this order."""
    fraction: int
    """p; the design has one in 2^p of all sets of factors."""
    runs: tuple[tuple[str, ...], ...]
    """The factors that are on in each of the 2^(k-p) runs, in standard order (the first factor
    changes fastest); no factor is on in the first run."""
    generators: tuple[Equal, ...]
    """How each of the last p factors is switched; `equation` writes one as `E = −ABCD`."""
    defining_relation: Equal
    """The mean I and the 2^p - 1 words that equal it, the shortest first: `I = −ABCDE`."""
    resolution: int | None
    """Length of the shortest word. Resolution V (5) confounds no two-way interactions with each
    other, IV (4) no main effect with one. None for a full design, which confounds nothing."""
    aliases: tuple[Equal, ...]
    """Groups of main effects and two-way interactions that the runs cannot tell apart, main effects
    first; each effect is in one group. Interactions of three or more factors are not listed."""


def equation(terms: Iterable[Term]) -> str:
    """The terms as an equation, such as `AB = CD` or `E = −ABCD`."""
    return " = ".join(map(str, terms))


def label(factors: Iterable[str]) -> str:
    """A set of factors as the intervention of its runs: `a + b`, or `baseline` for none."""
    return " + ".join(factors) or BASELINE


def design(factors: Sequence[str], fraction: int = 0) -> Design:
    """The 2^(k-p) design of k named factors, with generators of minimum aberration.

    Of all designs of one size, these have the fewest words of the shortest length, then of the
    next, and so on (Fries and Hunter 1980). Raises ValueError for fewer than 2 or more than 15
    factors, for a name that occurs twice or is `baseline`, for a negative fraction, and for one
    that leaves fewer than the k + 1 runs that a mean and k main effects need.
    """
    names = tuple(factors)
    size = _checked(names, fraction)
    base = size.bit_length() - 1
    columns = [1 << place for place in range(base)] + list(_generators(len(names), fraction))

    def term(places: Iterable[int], sign: int = 1) -> Term:
        used = sorted(places)
        return Term("".join(LETTERS[p] for p in used), tuple(names[p] for p in used), sign)

    generators = []
    words: list[frozenset[int]] = []
    for place in range(base, len(names)):
        product = [bit for bit in range(base) if columns[place] >> bit & 1]
        generators.append((term([place]), term(product, _sign(len(product) + 1))))
        word = frozenset([*product, place])
        words += [word, *(other ^ word for other in words)]
    relation = sorted((term(w, _sign(len(w))) for w in words), key=_short_first)
    return Design(
        factors=names,
        fraction=fraction,
        runs=tuple(
            tuple(name for name, on in zip(names, columns, strict=True) if _odd(run & on))
            for run in range(size)
        ),
        generators=tuple(generators),
        defining_relation=(Term("I", ()), *relation),
        resolution=min(map(len, words), default=None),
        aliases=tuple(_aliases(columns, term)),
    )


def _checked(names: tuple[str, ...], fraction: int) -> int:
    """The number of runs; raises ValueError as `design` does."""
    k = len(names)
    if not 2 <= k <= MOST_FACTORS:
        raise ValueError(f"a factorial design takes 2 to {MOST_FACTORS} factors, not {k}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if BASELINE in names:
        raise ValueError(f"no factor can be called {BASELINE!r}: that is the run without any")
    if twice:
        raise ValueError(f"factors named more than once: {', '.join(twice)}")
    # The smallest power of two that is more than k.
    most = k - k.bit_length()
    if fraction < 0:
        raise ValueError(f"fraction {fraction}: it is p of a 2^(k-p) design, 0 or more")
    if fraction > most:
        left = f"2^({k}-{fraction}) is too few runs"
        raise ValueError(
            f"fraction {fraction} of {k} factors: {left} to tell {k} main effects apart, which"
            f" takes {k + 1} or more; it can be at most {most}"
        )
    return 1 << k - fraction


def _sign(length: int) -> int:
    return -1 if length % 2 else 1


def _odd(bits: int) -> bool:
    return bits.bit_count() % 2 == 1


def _short_first(term: Term) -> tuple[int, str]:
    return len(term.letters), term.letters


def _aliases(columns: Sequence[int], term: Callable[[Iterable[int], int], Term]) -> list[Equal]:
    """Terms are aliased if the exclusive or of their factors' columns is the same.

    They are then equal up to a sign, which is negative if their numbers of letters differ by an odd
    number.
    """
    places = range(len(columns))
    groups: dict[int, list[tuple[int, ...]]] = {}
    for order in (1, 2):
        for chosen in combinations(places, order):
            column = reduce(xor, (columns[place] for place in chosen))
            groups.setdefault(column, []).append(chosen)
    return [
        tuple(term(chosen, _sign(len(chosen) - len(group[0]))) for chosen in group)
        for group in groups.values()
    ]


@lru_cache(maxsize=64)
def _generators(k: int, p: int) -> tuple[int, ...]:
    """The p generated factors' columns: bit i is set if the i-th of the other k - p factors enters.

    The search adds one factor at a time. A word is an integer with a bit for each letter. A new
    factor multiplies its own word with all existing ones, so words only accumulate, and a good
    design contains good smaller ones. Each step keeps the best few partial designs, one for each
    pattern of word lengths. The tests compare the patterns with the published ones.
    """
    base = k - p
    kept: list[tuple[int, ...]] = [()]
    for added in range(p):
        best: dict[tuple[int, ...], tuple[int, ...]] = {}
        for chosen in kept:
            words = _words(chosen, base)
            free = [c for c in range(1 << base) if c.bit_count() > 1 and c not in chosen]
            letters = np.array(free) | 1 << base + added
            lengths = np.bitwise_count(words[None, :] ^ letters[:, None])
            before = np.bincount(np.bitwise_count(words), minlength=k + 1)
            counts = [(lengths == length).sum(axis=1) for length in range(k + 1)]
            patterns = np.stack(counts, axis=1) + before
            for column, pattern in zip(free, patterns.tolist(), strict=True):
                found = tuple(sorted((*chosen, column)))
                old = best.setdefault(tuple(pattern), found)
                best[tuple(pattern)] = min(old, found)
        kept = [best[pattern] for pattern in sorted(best)[:_KEPT]]
    return kept[0]


def _words(chosen: Sequence[int], base: int) -> npt.NDArray[np.int64]:
    """All products of the generators' words, the empty one first; shape (2^len(chosen),)."""
    words = np.zeros(1, dtype=np.int64)
    for place, column in enumerate(chosen):
        words = np.concatenate([words, words ^ (column | 1 << base + place)])
    return words
