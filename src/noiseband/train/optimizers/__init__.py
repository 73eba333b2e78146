"""Optimisers by PyTorch's own functions, each for a group of the parameters."""
