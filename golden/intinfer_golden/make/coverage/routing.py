"""Ops that only move: over all frames no two of the elements they move carry the same sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intinfer.graph import Node, Value
from intinfer.types import IntArray

from .group import Axis, Bools, Covergroup, Values, grid
from .sequences import Sequences


def told_apart(
    node: Node, operands: Sequence[Value], moved: IntArray, constants: tuple[int, ...], sentence: str
) -> Covergroup:
    """The group whose bins are the elements `moved`, counted through all operands; `constants` are moved as well."""

    def prints(values: Values) -> IntArray:
        rows = len(values[operands[0].name])
        elements = np.concatenate([values[x.name].reshape(rows, -1) for x in operands], axis=1)[:, moved]
        return np.concatenate(
            [elements, np.broadcast_to(np.array(constants, np.int64), (rows, len(constants)))], axis=1
        )

    sequences = Sequences(prints, np.zeros(len(moved) + len(constants), dtype=np.int64))

    def see(values: Values) -> Bools:
        return sequences(values)[: len(moved)]

    shapes = [x.shape if len(x.shape) == 3 else (*x.shape, 1, 1) for x in operands]
    places = [np.concatenate([np.full((len(g), 1), i), g], axis=1) for i, g in enumerate(grid(*s) for s in shapes)]
    axes = (Axis("input", tuple(x.name for x in operands)), Axis("channel"), Axis("row"), Axis("column"))
    group = Covergroup(
        node.name, "elements told apart", sentence, axes, np.concatenate(places)[moved], see, history=True
    )
    still = np.concatenate([np.full(x.size, x.type.lo == x.type.hi) for x in operands])[moved]
    lowest = np.concatenate([np.full(x.size, x.type.lo) for x in operands])[moved]
    fixed = np.concatenate([still, np.ones(len(constants), dtype=bool)])
    labels = np.concatenate([np.where(still, lowest, np.arange(len(moved))), np.array(constants, dtype=np.int64)])
    twins = sequences.twins(np.stack([fixed.astype(np.int64), labels], axis=1))[: len(moved)]
    group.exclude(twins, "inputs of one value cannot be told apart")
    return group
