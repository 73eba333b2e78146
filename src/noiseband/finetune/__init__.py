"""Instruction fine-tuning of a trained model, and its answers to questions."""
