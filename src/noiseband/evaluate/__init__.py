"""Evaluation of a trained model: test loss, contamination and seen questions."""
