"""The progress of a running study, and its traces in TensorBoard or trackio."""
