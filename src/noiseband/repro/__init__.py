"""Bits: digests of tensors, comparison of runs, the manifest."""
