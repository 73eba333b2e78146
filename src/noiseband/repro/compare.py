"""Compare two sets of tensors bit by bit: a NaN equals itself, and 0.0 does not equal -0.0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from noiseband.io.tensor_files import Entry, TensorFile
from noiseband.repro.order import in_forward_order

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Difference:
    """How one tensor differs. The fields after `reason` are None if no values were compared."""

    tensor: str
    reason: str
    flat_index: int | None = None
    """The index of the first element that differs, in row-major order."""
    index: list[int] | None = None
    """The index of the same element, in the tensor's dimensions."""
    values: tuple[str, str] | None = None
    """The two values of that element in decimal, exact to the last bit."""
    bits: tuple[str, str] | None = None
    """The bits of the two values in hexadecimal; or the SHA-256 of the two tensors."""
    differing: int | None = None
    """The number of elements that differ."""
    elements: int | None = None
    largest_difference: str | None = None
    """The largest absolute difference, in decimal, over all pairs of values without a NaN."""
    nan_pairs: int | None = None
    """The number of differing elements with at least one value that is not a number."""

    def as_dict(self) -> dict[str, Any]:
        """The known fields, for JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Comparison:
    """The comparison of all tensors of two sets."""

    tensors: int
    """The number of names in either set."""
    differences: list[Difference]
    """One entry for each tensor that differs, in forward order."""

    @property
    def identical(self) -> bool:
        return not self.differences

    @property
    def first(self) -> Difference | None:
        return self.differences[0] if self.differences else None


def compare_files(a: Path, b: Path) -> Comparison:
    """Compare two safetensors files in chunks. Raises UserError if one cannot be read."""
    one, other = TensorFile(a), TensorFile(b)
    names = in_forward_order(one.entries.keys() | other.entries.keys())
    found = (_of_files(name, one, other) for name in names)
    return Comparison(len(names), [difference for difference in found if difference])


def compare_digests(a: dict[str, Any], b: dict[str, Any]) -> Comparison:
    """Compare the contents of two digest files: which tensors differ, but not where."""
    one, other = a["tensors"], b["tensors"]
    names = in_forward_order(one.keys() | other.keys())
    found = (_of_digests(name, one.get(name), other.get(name)) for name in names)
    return Comparison(len(names), [difference for difference in found if difference])


def _of_digests(name: str, a: dict[str, Any] | None, b: dict[str, Any] | None) -> Difference | None:
    if a == b:
        return None
    if a is None or b is None:
        return _missing(name, a is not None)
    if (a["dtype"], a["shape"]) != (b["dtype"], b["shape"]):
        kinds = [f"{one['dtype']} {one['shape']}" for one in (a, b)]
        return Difference(name, f"{kinds[0]} against {kinds[1]}")
    return Difference(name, "different values", bits=(a["sha256"], b["sha256"]))


def _missing(name: str, in_first: bool) -> Difference:
    return Difference(name, f"only in the {'first' if in_first else 'second'}")


def _of_files(name: str, a: TensorFile, b: TensorFile) -> Difference | None:
    one, other = a.entries.get(name), b.entries.get(name)
    if one is None or other is None:
        return _missing(name, one is not None)
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        kinds = [f"{e.dtype} {list(e.shape)}" for e in (one, other)]
        return Difference(name, f"{kinds[0]} against {kinds[1]}")
    return _Elements(one).compared(name, _pairs(name, a, b))


def _pairs(name: str, a: TensorFile, b: TensorFile) -> Iterator[tuple[Bytes, Bytes]]:
    for left, right in zip(a.chunks(name), b.chunks(name), strict=True):
        yield np.frombuffer(left, "u1"), np.frombuffer(right, "u1")


Bytes = NDArray[np.uint8]


class _Elements:
    """The comparison of one tensor's elements, chunk by chunk."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.size = entry.itemsize
        self.first: tuple[int, tuple[str, str], tuple[str, str]] | None = None
        self.differing = 0
        self.nan_pairs = 0
        self.largest: float | int | None = None

    def compared(self, name: str, pairs: Iterator[tuple[Bytes, Bytes]]) -> Difference | None:
        begin = 0
        for a, b in pairs:
            if not np.array_equal(a, b):
                self._look_at(begin, a, b)
            begin += len(a) // self.size
        if self.first is None:
            return None
        flat, values, bits = self.first
        shape = self.entry.shape
        return Difference(
            tensor=name,
            reason="different values",
            flat_index=flat,
            index=[int(i) for i in np.unravel_index(flat, shape)] if shape else [],
            values=values,
            bits=bits,
            differing=self.differing,
            elements=begin,
            largest_difference=None if self.largest is None else repr(self.largest),
            nan_pairs=self.nan_pairs or None,
        )

    def _look_at(self, begin: int, a: Bytes, b: Bytes) -> None:
        """Count and measure the differences; `begin` is the number of elements before the chunk."""
        where = (a.reshape(-1, self.size) != b.reshape(-1, self.size)).any(axis=1).nonzero()[0]
        self.differing += len(where)
        values = [self._values(one, where) for one in (a, b)]
        if self.first is None:
            bits = [one.reshape(-1, self.size)[where[0]][::-1].tobytes().hex() for one in (a, b)]
            # Values are stored as text, because JSON has no NaN or infinity.
            texts = [repr(one[0].item()) for one in values]
            index = begin + int(where[0])
            self.first = index, (texts[0], texts[1]), (f"0x{bits[0]}", f"0x{bits[1]}")
        largest = self._largest_gap(*values)
        if largest is not None and (self.largest is None or largest > self.largest):
            self.largest = largest

    def _values(self, data: Bytes, where: NDArray[np.int64]) -> Tensor:
        """The elements at `where`."""
        import torch  # only if something differs

        chosen = np.ascontiguousarray(data.reshape(-1, self.size)[where])
        return torch.from_numpy(chosen).view(-1).view(getattr(torch, self.entry.dtype))

    def _largest_gap(self, a: Tensor, b: Tensor) -> float | int | None:
        import torch

        if a.dtype.is_complex or a.dtype.is_floating_point:
            wide = torch.complex128 if a.dtype.is_complex else torch.float64
            gaps = (a.to(wide) - b.to(wide)).abs()
            # Equal infinities would give NaN, but their bits are equal, so they never get here.
            known = gaps[~gaps.isnan()]
            self.nan_pairs += len(gaps) - len(known)
            return float(known.max()) if len(known) else None
        # The difference of two 64-bit integers fits no type but Python's own.
        return max(abs(int(x) - int(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True))
