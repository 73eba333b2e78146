"""Fine-tune a trained model on instructions, and generate its answers to questions."""
