"""Names of processors, and their properties that decide bits."""

from __future__ import annotations

import platform
from typing import Any

import torch

from noiseband.cpu import cpu_name
from noiseband.products import has_products


def device_name(device: torch.device) -> str:
    """A device's marketing name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def processor(device: torch.device) -> dict[str, Any]:
    """The properties that decide which kernels run, and so the last bits of results."""
    known: dict[str, Any] = {
        "cpu": cpu_name(),
        "architecture": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "bfloat16_products": has_products(torch.bfloat16),
        "float16_products": has_products(torch.float16),
    }
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        known |= {
            "gpu": torch.cuda.get_device_name(device),
            "compute_capability": ".".join(map(str, capability)),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return known
