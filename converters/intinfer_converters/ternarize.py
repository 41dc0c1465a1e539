"""Float weights to the integers that are stored: BTQ and sign. No framework takes part in the decision."""

from __future__ import annotations

import numpy as np

from intinfer.types import IntArray

from .evaluator import FloatArray


def ternary_weights(proxies: FloatArray, step: FloatArray) -> IntArray:
    """q = clip(rnd(w / s), -1, 1): the quotient rounded once to the proxies' dtype, then half to even (BTQ).

    Args:
        proxies: weights of any shape, finite.
        step: s > 0, a scalar of the same dtype.
    """
    quantised: IntArray = np.clip(np.rint(proxies / step), -1, 1).astype(np.int64)
    return quantised


def binary_weights(proxies: FloatArray) -> IntArray:
    """+1 where w >= 0, else -1; both zeros give +1, whatever the framework's sign function says of them."""
    return np.where(proxies >= 0, np.int64(1), np.int64(-1))
