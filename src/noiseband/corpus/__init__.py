"""The reader of text: sources, splits, vocabulary, tokens."""
