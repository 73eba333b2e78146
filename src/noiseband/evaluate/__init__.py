"""Evaluation of a trained model: test loss and contamination."""
