"""Integer matrix products through float64 BLAS, where the bound proves every partial sum exact.

This is the one declared use of floating point under the reference: float64 holds every integer up to 2^53, so
when sum |a|*|b| over the inner axis stays below that, no addition order can round.
"""

from __future__ import annotations

import numpy as np

from .types import IntArray

FLOAT64_EXACT = 2**53


def integer_matmul(a: IntArray, b: IntArray, bound: int) -> IntArray:
    """a @ b in exact integers, batched like numpy.matmul.

    Args:
        a, b: int64, (..., n, k) and (..., k, m).
        bound: a proven upper bound of the sum of |a[i, k] * b[k, j]| over k. Below 2^53 the product runs in
            float64 (about 40 times faster than NumPy's int64 loop), otherwise in int64, whose wrap-around the
            type rules exclude.
    """
    if bound < FLOAT64_EXACT:
        return np.asarray(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    return a @ b
