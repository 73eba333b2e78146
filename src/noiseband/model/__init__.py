"""The architecture, its initial weights and text generation."""
