"""Speed benchmarks that compare programs within one run: python -m benchmarks.<name> --help."""
