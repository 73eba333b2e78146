"""Kernels of a GPU by their purpose: names that a profiler gave on an NVIDIA H200."""

from __future__ import annotations

import pytest

from benchmarks.profile_step import kernel_shares, operator_shares, purpose_of

NAMES = {
    "nvjet_sm90_tst_256x128_64x4_1x2_h_bz_coopA_NNT": "matrix products",
    "void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16>": "matrix products",
    "void cublasLt::splitKreduce_kernel<32, 16, int, float>": "matrix products",
    "void pytorch_flash::flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<64>": "attention",
    "triton_red_fused__log_softmax__to_copy_mm_prepare_softmax_online_18": (
        "softmax over the vocabulary"
    ),
    "_row": "softmax over the vocabulary",
    "void (anonymous namespace)::indexing_backward_kernel<float, 4>": "gradient of the embedding",
    "triton_per_fused__to_copy_add_native_layer_norm_backward_view_12": "layer norm",
    "triton_poi_fused_gelu_gelu_backward_view_9": "GELU",
    "triton_poi_fused_add_clone_permute_select_backward_14": "other compiled kernels",
    "void at::native::multi_tensor_apply_kernel<FusedAdamMathFunctor<float, 4>>": "AdamW",
    "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>": (
        "sums over slots"
    ),
    "Memcpy HtoD (Pageable -> Device)": "copies",
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<long>>": "other kernels",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_has_its_purpose(name: str) -> None:
    assert purpose_of(name) == NAMES[name]


def test_what_no_kernel_fills_is_waiting() -> None:
    found = kernel_shares({"nvjet_a": 30.0, "nvjet_b": 20.0, "Memset (Device)": 10.0}, wall=100.0)
    assert found["milliseconds_per_step"] == 100.0
    assert found["share"]["matrix products"] == 0.5
    assert found["share"]["copies"] == 0.1
    assert found["share"]["waiting"] == 0.4
    assert sum(found["share"].values()) == pytest.approx(1.0)
    assert list(found["largest_operators"]) == ["nvjet_a", "nvjet_b", "Memset (Device)"]


def test_operators_are_divided_by_purpose_and_python_has_the_rest() -> None:
    found = operator_shares({"mm": 30.0, "bmm": 10.0, "copy_": 5.0, "gelu": 2.5}, wall=100.0)
    shares = found["share"]
    assert (shares["matrix products"], shares["GELU"]) == (0.4, 0.025)
    assert shares["small kernels and copies"] == 0.05
    assert shares["Python, autograd and the rest"] == pytest.approx(0.525)
    assert list(found["largest_operators"]) == ["mm", "bmm", "copy_", "gelu"]
