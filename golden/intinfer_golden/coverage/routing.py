"""Ops that only move: over all frames no two of the elements they move carry the same sequence."""

from __future__ import annotations

import numpy as np

from intinfer.graph import Graph, Node
from intinfer.types import IntArray

from .forms import Prover
from .group import Axis, Covergroup, Values, grid
from .sequences import Sequences


def covergroups(graph: Graph, node: Node, prover: Prover) -> list[Covergroup]:
    """One group an input; every element is told from every other one that the op moves."""
    names = list(dict.fromkeys(node.inputs))
    operands = [graph.values[name] for name in names]

    def prints(values: Values) -> IntArray:
        return np.concatenate([values[name].reshape(len(values[name]), -1) for name in names], axis=1)

    sequences = Sequences(prints, np.zeros(sum(v.size for v in operands), dtype=np.int64))
    shapes = [v.shape if len(v.shape) == 3 else (*v.shape, 1, 1) for v in operands]
    places = [np.concatenate([np.full((len(g), 1), i), g], axis=1) for i, g in enumerate(grid(*s) for s in shapes)]
    axes = (Axis("input", tuple(names)), Axis("channel"), Axis("row"), Axis("column"))
    sentence = "over all frames the element carries another sequence than any other: no two can be exchanged"
    group = Covergroup(
        node.name, "elements told apart", sentence, axes, np.concatenate(places), sequences, history=True
    )
    constant = np.concatenate([np.full(v.size, v.type.lo if v.type.lo == v.type.hi else -1) for v in operands])
    fixed = np.concatenate([np.full(v.size, v.type.lo == v.type.hi) for v in operands])
    labels = np.where(fixed, constant, np.arange(len(fixed)))
    twins = sequences.twins(np.stack([fixed.astype(np.int64), labels], axis=1))
    group.exclude(twins, "inputs of one value cannot be told apart")
    return [group]
