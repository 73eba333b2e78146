"""Scores for the answers of many models to the same questions."""
