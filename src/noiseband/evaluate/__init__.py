"""Test loss of a trained model."""
