"""Ideas of the user's own: the decorators for them, and the files that have them."""
