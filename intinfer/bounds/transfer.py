"""Interval transfer through the ops that are not linear, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph import Node, Value
from .forms import Range


def transfer(node: Node, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
    """The range a channel of a node's output, from those of its inputs; never wider than its type."""
    lo, hi = _RULES.get(node.op.kind, _monotone)(node, inputs, ranges)
    type_ = node.output.type
    return np.maximum(lo, type_.lo), np.minimum(hi, type_.hi)


def _monotone(node: Node, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
    """Pixel by pixel and, in each channel, monotone in the same direction for all inputs: the ends tell.

    Threshold, requant, bitshift and clamp; tgap too, whose answer for a map of one level is that for its ends.
    """
    ends = [np.stack(pair)[:, :, None, None] for pair in ranges]
    results = node.op.reference(*ends).reshape(2, -1)
    return results.min(axis=0), results.max(axis=0)


def _same(node: Node, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
    return ranges[0]


def _mux(node: Node, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
    """Both branches, unless the select bit is known."""
    (never, always), (lo1, hi1), (lo0, hi0) = (ranges[0][1] == 0, ranges[0][0] == 1), ranges[1], ranges[2]
    lo = np.where(always, lo1, np.where(never, lo0, np.minimum(lo1, lo0)))
    return lo, np.where(always, hi1, np.where(never, hi0, np.maximum(hi1, hi0)))


def _table(node: Node, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
    """The entries that the range reaches."""
    op: Any = node.op
    lo, hi = ranges[0]
    rows = np.broadcast_to(op.entries.values, (len(lo), op.entries.shape[1]))
    reached = [row[a : b + 1] for row, a, b in zip(rows, lo - op.start, hi - op.start, strict=True)]
    return np.array([part.min() for part in reached]), np.array([part.max() for part in reached])


def _gather(node: Node, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
    """The channels that a channel reads, and the constant where it does."""
    lo, hi = (end.reshape(-1, *(1 for _ in inputs[0].shape[1:])) for end in ranges[0])
    ends = np.stack([np.broadcast_to(end, inputs[0].shape) for end in (lo, hi)])
    low, high = node.op.reference(ends).reshape(2, node.output.shape[0], -1)
    return low.min(axis=1), high.max(axis=1)


def _argmax(node: Node, inputs: Sequence[Value], ranges: Sequence[Range]) -> Range:
    """A channel can win only if it reaches the best that another one is sure of."""
    lo, hi = ranges[0]
    winners = np.flatnonzero(hi >= lo.max())
    return winners[:1], winners[-1:]


_RULES: dict[str, Callable[[Node, Sequence[Value], Sequence[Range]], Range]] = {
    "max_pool": _same,
    "mux": _mux,
    "table": _table,
    "gather": _gather,
    "argmax": _argmax,
}
