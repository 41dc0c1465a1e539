"""The one failure of reading: `Unsupported`."""


class Unsupported(Exception):  # noqa: N818 - an answer about a network, not a failure
    """An op of the source that has no counterpart here: the reason, and what to do about it."""
