"""The properties of a processor that decide bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from noiseband.processor import processor
from noiseband.products import INSTRUCTIONS, has_products

OF_ONEDNN = {
    torch.bfloat16: "_is_mkldnn_bf16_supported",
    torch.float16: "_is_mkldnn_fp16_supported",
}


@pytest.mark.parametrize("dtype", INSTRUCTIONS)
def test_a_processor_has_products_if_it_can_and_onednn_may(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    ask = has_products.__wrapped__
    for capable in (False, True):
        for may in (False, True):
            known = {"avx2": True, INSTRUCTIONS[dtype][1]: capable}
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known)
            monkeypatch.setattr(torch.ops.mkldnn, OF_ONEDNN[dtype], lambda may=may: may)
            assert ask(dtype) is (capable and may)
    assert ask(torch.float32)


def test_with_capabilities_lowered_to_avx2_no_processor_has_any() -> None:
    program = "import json, torch; from noiseband.processor import processor\n"
    program += "print(json.dumps(processor(torch.device('cpu'))))"
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert (found["bfloat16_products"], found["float16_products"]) == (False, False)


def test_a_run_records_whether_the_processor_has_them() -> None:
    found = processor(torch.device("cpu"))
    assert found["bfloat16_products"] is has_products(torch.bfloat16)
    assert found["float16_products"] is has_products(torch.float16)
