"""The one exception that the command line shows without a traceback."""


class UserError(Exception):
    """A mistake that its reader can mend: names the key or file, the value and the remedy."""
