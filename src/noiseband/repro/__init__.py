"""Reproducibility to the bit: comparison of tensors and runs, provenance, and the manifest."""
