"""Two runs, or two tensor files, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from noiseband.errors import UserError
from noiseband.files import write_json
from noiseband.repro.digest import BITS, file_digests
from noiseband.trace import read_rows


def first_difference(a: Path, b: Path) -> dict[str, Any] | None:
    """The first tensor by name in which two safetensors files differ, or None.

    Equal means equal bits: a NaN equals itself, and 0.0 differs from -0.0.

    Raises:
        UserError: where a file cannot be read as safetensors.
    """
    try:
        with safe_open(a, framework="pt") as left, safe_open(b, framework="pt") as right:
            names_a, names_b = set(left.keys()), set(right.keys())
            for name in sorted(names_a | names_b):
                if name not in names_b or name not in names_a:
                    return {"tensor": name, "reason": f"only in {a if name in names_a else b}"}
                found = _compare(left.get_tensor(name), right.get_tensor(name))
                if found is not None:
                    return {"tensor": name, **found}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{a}, {b}: not two readable safetensors files ({error})") from error
    return None


def _compare(a: Tensor, b: Tensor) -> dict[str, Any] | None:
    if a.dtype != b.dtype or a.shape != b.shape:
        kinds = [f"{str(t.dtype).removeprefix('torch.')} {list(t.shape)}" for t in (a, b)]
        return {"reason": f"{kinds[0]} against {kinds[1]}"}
    bits = BITS[a.element_size()]
    bits_a, bits_b = (t.contiguous().reshape(-1).view(bits) for t in (a, b))
    differing = (bits_a != bits_b).nonzero().reshape(-1)
    if len(differing) == 0:
        return None
    flat = int(differing[0])
    mask = (1 << 8 * a.element_size()) - 1
    values = [t.reshape(-1)[flat].item() for t in (a, b)]
    gaps = (a.reshape(-1)[differing].double() - b.reshape(-1)[differing].double()).abs()
    return {
        "reason": "different values",
        "flat_index": flat,
        "index": [int(i) for i in torch.unravel_index(differing[0], a.shape)],
        # repr, because JSON has no NaN or infinity
        "values": [repr(value) for value in values],
        "bits": [f"0x{int(t[flat]) & mask:0{2 * a.element_size()}x}" for t in (bits_a, bits_b)],
        "elements_differing": len(differing),
        "largest_difference": repr(float(gaps.max())),
    }


def first_different_step(a: Path, b: Path) -> int | None:
    """The first step at which two traces hold other weights, or None; a missing step differs."""
    checksums = [[row.weights_checksum for row in read_rows(path)] for path in (a, b)]
    for step, (left, right) in enumerate(zip(*checksums, strict=False)):
        if left != right:
            return step
    shorter, longer = sorted(map(len, checksums))
    return shorter if shorter != longer else None


def verify_rerun(original: Path, rerun: Path, out: Path) -> bool:
    """Compare two run folders and write the finding; True where they are identical."""
    files = [folder / "model.safetensors" for folder in (original, rerun)]
    traces = [folder / "trace.parquet" for folder in (original, rerun)]
    weights, step = first_difference(*files), first_different_step(*traces)
    finding = {
        "run": rerun.name,
        "original": original.name,
        "identical": weights is None and step is None,
        "sha256": {
            folder.name: file_digests(f)["sha256"]
            for folder, f in zip((original, rerun), files, strict=True)
        },
        "steps": len(read_rows(traces[0])),
        "first_different_step": step,
        "first_difference": weights,
    }
    write_json(out, finding)
    return bool(finding["identical"])


def tensor_file(path: Path) -> Path:
    """A tensor file itself, or the weights of a run folder. Raises UserError if there are none."""
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{path}: neither a tensor file nor a folder with a model.safetensors")
    return file
