"""Which channels of every node a run needs, once its multiplexer bits are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from intinfer.graph import Graph
from intinfer.ops.base import Selecting
from intinfer.types import IntArray, Mask


def demand_masks(graph: Graph, values: Mapping[str, IntArray]) -> dict[str, Mask]:
    """For each value of one run a bool array (C,): the channels that reach an output of the graph.

    All channels of the outputs are demanded, a multiplexer demands of each branch the channels it selects from it,
    and demand goes backward through the channel map of each op. A design may leave everything else uncomputed.

    Args:
        values: the run's values without batch axis, by name; only those that select are looked at.
    """
    masks = {name: np.zeros(value.shape[0], dtype=bool) for name, value in graph.values.items()}
    for out in graph.outputs:
        masks[out.value][:] = True
    for node in reversed(graph.nodes):
        operands = graph.operands(node)
        select = values[node.inputs[0]] == 1 if isinstance(node.op, Selecting) else None
        for name, mask in zip(node.inputs, node.op.demand(operands, masks[node.name], select), strict=True):
            masks[name] |= mask
    return masks
