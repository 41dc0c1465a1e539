"""Which parallel sequences of numbers differ from each other, by fingerprints: never a false "they differ"."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from intinfer.types import IntArray

from .group import Bools, Values


class Sequences:
    """Tells apart sequences of one family over all frames seen so far.

    A fingerprint is a sum of numbers times fixed odd random factors modulo 2^64: equal sequences have equal ones, so
    different fingerprints prove different sequences.

    Args:
        prints: a number for each image and sequence, (N, S), which is a function of what the sequence reads there.
        family: (S,), only sequences of one family are compared.
    """

    def __init__(self, prints: Callable[[Values], IntArray], family: IntArray) -> None:
        self._prints, self._family = prints, family
        self._sums = np.zeros(len(family), dtype=np.int64)
        self._rng = np.random.default_rng(1)

    def __call__(self, values: Values) -> Bools:
        prints = self._prints(values)
        factors = 2 * self._rng.integers(0, 2**62, len(prints)) + 1
        self._sums = self._sums + factors @ prints
        return ~self.twins(self._sums[:, None])

    def twins(self, rows: IntArray) -> Bools:
        """Sequences that equal another one of their family. Args: rows: (S, any)."""
        keys = np.concatenate([self._family[:, None], rows], axis=1)
        _, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        twins: Bools = counts[inverse.reshape(-1)] > 1
        return twins
