"""Peak speeds of devices, so that a run can show its own speed as a share of them."""

from __future__ import annotations

from dataclasses import dataclass

from noiseband.determinism import ARITHMETIC
from noiseband.study.recipe import Precision


@dataclass(frozen=True)
class Peak:
    """Peak speeds of a device for dense matrices in TFLOP/s; None if it lacks this arithmetic."""

    float32: float
    tf32: float | None
    sixteen: float
    """float16 on tensor cores, accumulated in float32; also bfloat16, if the device has it."""


# Source: NVIDIA's data sheets and architecture papers. GeForce cards run at half their float16 rate
# when they accumulate in float32, as training does, so half is listed here. A key is part of a
# device's name; if several keys fit, the longest one counts.
PEAKS = {
    "B200": Peak(75, 1125, 2250),
    "H200": Peak(66.9, 494.7, 989.4),
    "H100": Peak(66.9, 494.7, 989.4),
    "H100 PCIe": Peak(51.2, 378, 756),
    "A100": Peak(19.5, 156, 312),
    "A40": Peak(37.4, 74.8, 149.7),
    "A10": Peak(31.2, 62.5, 125),
    "L40S": Peak(91.6, 183, 362),
    "L4": Peak(30.3, 60, 121),
    "V100": Peak(15.7, None, 125),
    "T4": Peak(8.1, None, 65),
    "RTX A6000": Peak(38.7, 77.4, 154.8),
    "RTX 3090": Peak(35.6, 35.6, 71),
    "RTX 4090": Peak(82.6, 82.6, 165.2),
    "RTX 5090": Peak(104.8, 104.8, 209.5),
}


def peak_flops(device: str, precision: Precision) -> float | None:
    """Peak speed in FLOP/s of a device, given the name that its driver reports; None if unknown."""
    words = device.replace("-", " ").split()
    named = [name for name in PEAKS if f" {name} " in f" {' '.join(words)} "]
    if not named:
        return None
    peak = PEAKS[max(named, key=len)]
    arithmetic = ARITHMETIC[precision]
    if arithmetic.autocast is not None:
        rate: float | None = peak.sixteen
    else:
        rate = peak.tf32 if arithmetic.tf32 else peak.float32
    return None if rate is None else rate * 1e12
