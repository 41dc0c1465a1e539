"""The failures a user can cause, one class each. Every message names the file, node or key, says what is
wrong with numbers, and what to do; the command line prints it as one line and exits with 2."""


class IntinferError(ValueError):
    """Base of everything intinfer refuses on purpose."""


class GraphError(IntinferError):
    """The graph itself is malformed: wrong shape, attribute or type, whatever the input values are."""


class RangeError(IntinferError):
    """A value left the range its definition allows (an input outside its type, a `trap` accumulator)."""


class ModelFileError(IntinferError):
    """A `model.npz` that cannot be read or written."""


class DataError(IntinferError):
    """An image, a data set or a checkpoint that does not fit what is asked of it."""
