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
        self._twins = np.arange(len(family))
        self._rng = np.random.default_rng(1)

    def __call__(self, values: Values) -> Bools:
        prints = self._prints(values)
        factors = 2 * self._rng.integers(0, 2**62, len(prints)) + 1
        self._sums = self._sums + factors @ prints
        told_apart = np.ones(len(self._sums), dtype=bool)
        keys = np.stack([self._family[self._twins], self._sums[self._twins]], axis=1)
        self._twins = self._twins[_repeated(keys)]  # what was told apart once stays so
        told_apart[self._twins] = False
        return told_apart

    def twins(self, rows: IntArray) -> Bools:
        """Sequences that equal another one of their family. Args: rows: (S, any)."""
        return _repeated(np.concatenate([self._family[:, None], rows], axis=1))


def _repeated(keys: IntArray) -> Bools:
    """Which rows of (S, K) stand there more than once."""
    order = np.lexsort(keys.T)
    keys = keys[order]
    again = np.zeros(len(keys), dtype=bool)
    same = (keys[1:] == keys[:-1]).all(axis=1)
    again[order[1:][same]] = True
    again[order[:-1][same]] = True
    return again
