"""Measurements of speed, each side by side in one run: python -m benchmarks.<name> --help."""
