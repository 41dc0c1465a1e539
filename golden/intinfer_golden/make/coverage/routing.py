"""Elements told apart: over all frames no two that a node could exchange carry the same sequence of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from intinfer.graph import Node, Value
from intinfer.types import IntArray

from .group import Axis, Bools, Covergroup, Values, grid


class Sequences:
    """Tells apart sequences of one family over all frames seen so far; there is never a false "they differ".

    A fingerprint is a sum of numbers times fixed odd random factors modulo 2^64: equal sequences have equal ones, so
    different fingerprints prove different sequences.

    Args:
        prints: a number for each image and sequence, (N, S), which is a function of what the sequence reads there.
        family: (S,), only sequences of one family are compared.
    """

    def __init__(self, prints: Callable[[Values], IntArray], family: IntArray) -> None:
        self._prints, self._family = prints, family
        self._rng = np.random.default_rng(1)
        self._sums = family * self._rng.integers(2**61, 2**62)  # sequences of two families differ from the beginning
        self._twins = np.arange(len(family))

    def __call__(self, values: Values) -> Bools:
        prints = self._prints(values)
        factors = 2 * self._rng.integers(0, 2**62, len(prints)) + 1
        self._sums = self._sums + factors @ prints
        told_apart = np.ones(len(self._sums), dtype=bool)
        self._twins = self._twins[_repeated(self._sums[self._twins, None])]  # what was told apart once stays so
        told_apart[self._twins] = False
        return told_apart

    def twins(self, rows: IntArray) -> Bools:
        """Sequences that equal another one of their family. Args: rows: (S, any)."""
        return _repeated(np.concatenate([self._family[:, None], rows], axis=1))


def _repeated(keys: IntArray) -> Bools:
    """Which rows of (S, K) stand there more than once."""
    order = keys[:, 0].argsort() if keys.shape[1] == 1 else np.lexsort(keys.T)
    keys = keys[order]
    again = np.zeros(len(keys), dtype=bool)
    same = (keys[1:] == keys[:-1]).all(axis=1)
    again[order[1:][same]] = True
    again[order[:-1][same]] = True
    return again


def told_apart(
    node: Node, operands: Sequence[Value], moved: IntArray, constants: tuple[int, ...], sentence: str
) -> Covergroup:
    """The group whose bins are the elements `moved`, counted through all operands; `constants` are moved as well."""

    def prints(values: Values) -> IntArray:
        rows = len(values[operands[0].name])
        elements = np.concatenate([values[x.name].reshape(rows, -1) for x in operands], axis=1)[:, moved]
        return np.concatenate([elements, np.tile(np.array(constants, np.int64), (rows, 1))], axis=1)

    sequences = Sequences(prints, np.zeros(len(moved) + len(constants), dtype=np.int64))
    shapes = [x.shape if len(x.shape) == 3 else (*x.shape, 1, 1) for x in operands]
    places = [np.concatenate([np.full((len(g), 1), i), g], axis=1) for i, g in enumerate(grid(*s) for s in shapes)]
    extents = np.max(shapes, axis=0).tolist()
    axes = (
        Axis("input", tuple(x.name for x in operands)),
        *(Axis(name, extent) for name, extent in zip(("channel", "row", "column"), extents, strict=True)),
    )
    group = Covergroup(
        node.name,
        "elements told apart",
        sentence,
        axes,
        lambda values: sequences(values)[: len(moved)],
        coordinates=np.concatenate(places)[moved],
        history=True,
    )
    still = np.concatenate([np.full(x.size, x.type.lo == x.type.hi) for x in operands])[moved]
    lowest = np.concatenate([np.full(x.size, x.type.lo) for x in operands])[moved]
    fixed = np.concatenate([still, np.ones(len(constants), dtype=bool)])
    labels = np.concatenate([np.where(still, lowest, np.arange(len(moved))), np.array(constants, dtype=np.int64)])
    twins = sequences.twins(np.stack([fixed.astype(np.int64), labels], axis=1))[: len(moved)]
    group.exclude(twins, "inputs of one value cannot be told apart")
    return group
