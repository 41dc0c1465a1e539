"""What all of reading uses: the one failure, `Unsupported`, and the type of constants."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


class Unsupported(Exception):  # noqa: N818 - an answer about a network, not a failure
    """An op of the source that has no counterpart here: the reason, and what to do about it."""
