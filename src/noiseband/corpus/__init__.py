"""Corpora: sources of text, splits, vocabularies and tokens."""
