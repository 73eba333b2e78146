"""Readers of text that installed packages carry: a module for each, found by its name."""
