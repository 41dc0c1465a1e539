"""Ops that only move: over all frames no two of the elements they move carry the same sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intinfer.graph import Graph, Node, Value
from intinfer.ops import Gather
from intinfer.types import IntArray

from .forms import Prover
from .group import Axis, Bools, Covergroup, Values, grid
from .sequences import Sequences


def covergroups(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """Every element is told from every other one that the op moves."""
    operands = [graph.values[name] for name in dict.fromkeys(node.inputs)]
    sentence = "over all frames the element carries another sequence than any other: no two can be exchanged"
    return [_told_apart(node, operands, np.arange(sum(x.size for x in operands)), (), sentence)]


def gather(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """Every element that is read is told from every other one, and from the constant where it stands in the result."""
    assert isinstance(node.op, Gather)
    read = np.unique(node.op.index.values)
    constants = (node.op.fill,) if read[0] < 0 else ()
    sentence = "over all frames the element carries another sequence than any other that is read, and than the constant"
    return [_told_apart(node, [graph.values[node.inputs[0]]], read[read >= 0], constants, sentence)]


def _told_apart(
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
