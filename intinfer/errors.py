"""The failures a user can cause: what was given is malformed, or a value is out of range.

Every message names the file, node or key, says what is wrong with numbers, and what to do; the command line prints it
as one line and exits with 2.
"""

from __future__ import annotations

from collections.abc import Iterable


class IntinferError(ValueError):
    """Base of everything intinfer refuses on purpose. A subclass of it is one of the two kinds below."""


class MalformedError(IntinferError):
    """What was given is not what it has to be, whatever the values in it: a graph, a file, data, an argument."""


class RangeError(IntinferError):
    """A value is out of the range that its definition allows: an input outside its type, a `trap` accumulator."""


class GraphError(MalformedError):
    """A graph is malformed: a shape, an attribute or a type does not fit."""


class ModelFileError(MalformedError):
    """A `model.npz` cannot be read or written."""


class DataError(MalformedError):
    """An image, a data set or a checkpoint does not fit what is asked of it."""


def close_names(name: str, names: Iterable[str]) -> list[str]:
    """Choose what to quote of `names` in a message about one that is not there: up to three that are most like it, or
    else the first three."""
    from difflib import get_close_matches

    known = list(dict.fromkeys(names))
    return get_close_matches(name, known, n=3) or known[:3]
