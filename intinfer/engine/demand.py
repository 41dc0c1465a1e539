"""Demand: which channels of a node's inputs are read to compute given channels of its output.

A static property of each op's channel map. `Session` runs it backward from the multiplexers: what no live channel
reads is not computed. Masks are bool arrays (C,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Node, Value

Mask = npt.NDArray[np.bool_]


def input_demand(node: Node, inputs: tuple[Value, ...], out: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
    """For each input of `node` the channels that the output channels in `out` read.

    Args:
        select: the select bits of a mux where they are known; without them both branches are demanded.
    """
    if node.op.kind == "mux" and select is not None:
        return out, out & select, out & ~select
    return _RULES.get(node.op.kind, _same)(node, inputs, out)


def _same(node: Node, inputs: tuple[Value, ...], out: Mask) -> tuple[Mask, ...]:
    """Channel c reads channel c."""
    return (out,) * len(inputs)


def _all(node: Node, inputs: tuple[Value, ...], out: Mask) -> tuple[Mask, ...]:
    """Any channel reads all of them."""
    return tuple(np.full(x.shape[0], bool(out.any())) for x in inputs)


def _groups(node: Node, inputs: tuple[Value, ...], out: Mask) -> tuple[Mask, ...]:
    """A live output channel reads its whole group."""
    op: Any = node.op
    live = np.asarray(out.reshape(op.groups, -1).any(axis=1))
    return (np.repeat(live, inputs[0].shape[0] // op.groups),)


def _concat(node: Node, inputs: tuple[Value, ...], out: Mask) -> tuple[Mask, ...]:
    ends = np.cumsum([x.shape[0] for x in inputs])[:-1]
    return tuple(np.split(out, ends))


def _select(node: Node, inputs: tuple[Value, ...], out: Mask) -> tuple[Mask, ...]:
    op: Any = node.op
    demand = np.zeros(inputs[0].shape[0], dtype=bool)
    demand[op.indices.values[out]] = True
    return (demand,)


def _flatten(node: Node, inputs: tuple[Value, ...], out: Mask) -> tuple[Mask, ...]:
    live = np.asarray(out.reshape(inputs[0].shape[0], -1).any(axis=1))
    return (live,)


def _gather(node: Node, inputs: tuple[Value, ...], out: Mask) -> tuple[Mask, ...]:
    op: Any = node.op
    (x,) = inputs
    places = op.index.values.reshape(out.size, -1)[out]
    demand = np.zeros(x.shape[0], dtype=bool)
    demand[places[places >= 0] // (x.size // x.shape[0])] = True
    return (demand,)


_RULES: dict[str, Callable[[Node, tuple[Value, ...], Mask], tuple[Mask, ...]]] = {
    "conv2d": _groups,
    "dense": _all,
    "argmax": _all,
    "concat": _concat,
    "channel_select": _select,
    "flatten": _flatten,
    "gather": _gather,
}
"""Ops that are not listed work channel by channel."""
