"""Ranges of partial sums: what a sequential accumulator holds on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..accumulator import Accumulator
from ..graph import Graph, Node
from ..ops.linear import Box
from ..ops.mac import Accumulating, Taps
from ..types import IntArray, Range
from .forms import LinearSums, pull_back

MAX_WORK = 2**30
"""Coefficients that partial sums may touch when their chain is composed; beyond, elements count as independent."""


def partial_range(
    graph: Graph, ends: set[str], ranges: Mapping[str, Range], node: Node, rule: Accumulator, y: int, x: int
) -> Range:
    """Lowest and highest of the partial sums of each output channel at pixel (y, x) of a conv2d or dense node.

    Partial sums are taken after every `rule.fold` products in `rule.order`, and after the last. Exact as the ranges
    of sums are, except where a chain is too large to be composed product by product: proven too, and wider.
    """
    source = graph.values[node.inputs[0]]
    outputs = node.output.shape[0]
    lows, highs = np.empty(outputs, dtype=np.int64), np.empty(outputs, dtype=np.int64)
    assert isinstance(node.op, Accumulating)
    for taps in node.op.taps(source, rule.order, y, x):
        inside = taps.elements[:, 1] >= 0
        lo, hi = (np.where(inside, end[taps.elements[:, 0]], taps.padding) for end in ranges[source.name])
        found = _independent(taps.weights, lo, hi, rule.fold or 1)
        if source.name not in ends and source.type.lo != source.type.hi:
            forms = _forms(graph, ends, ranges, source.name, taps)
            if np.count_nonzero(forms.coefficients) * len(taps.weights) <= MAX_WORK:
                found = _composed(taps.weights, forms, rule.fold or 1)
        lows[taps.outputs], highs[taps.outputs] = found
    return lows, highs


def _independent(weights: IntArray, low: IntArray, high: IntArray, fold: int) -> Range:
    """Products of elements that vary independently: the ends add up."""
    positive: IntArray = np.maximum(weights, 0)
    negative: IntArray = np.minimum(weights, 0)
    lo = _folded(positive * low + negative * high, fold).cumsum(axis=1)
    hi = _folded(positive * high + negative * low, fold).cumsum(axis=1)
    return lo.min(axis=1), hi.max(axis=1)


def _folded(products: IntArray, fold: int) -> IntArray:
    """(O, T) or (T, M): the sum of each `fold` consecutive products along axis T, the last as it is."""
    sums: IntArray = np.add.reduceat(products, np.arange(0, products.shape[-1], fold), axis=-1)
    return sums


@dataclass(frozen=True, eq=False)
class _Forms:
    """T linear forms: constants (T,), coefficients (T, M), and the ranges (M,) of what these are on."""

    constant: IntArray
    coefficients: IntArray
    lo: IntArray
    hi: IntArray


def _composed(weights: IntArray, forms: _Forms, fold: int) -> Range:
    """Products of elements that are linear forms of common values: the forms add up.

    The highest value of sum c * v is sum c * lo + sum max(c, 0) * (hi - lo), the lowest sum c * hi less the latter.
    """
    outputs, taps = weights.shape
    total = np.zeros((outputs, forms.coefficients.shape[1]), dtype=np.int64)
    spread = np.zeros(outputs, dtype=np.int64)
    width = forms.hi - forms.lo
    starts = range(0, taps, fold)
    spreads = np.empty((outputs, len(starts)), dtype=np.int64)
    for k, start in enumerate(starts):
        part = slice(start, start + fold)
        touched = np.flatnonzero(forms.coefficients[part].any(axis=0))
        if touched.size:
            near = slice(int(touched[0]), int(touched[-1]) + 1)
            before = np.maximum(total[:, near], 0)
            total[:, near] += weights[:, part] @ forms.coefficients[part, near]
            spread += (np.maximum(total[:, near], 0) - before) @ width[near]
        spreads[:, k] = spread
    at_lo = _folded(weights * (forms.constant + forms.coefficients @ forms.lo), fold).cumsum(axis=1)
    at_hi = _folded(weights * (forms.constant + forms.coefficients @ forms.hi), fold).cumsum(axis=1)
    return (at_hi - spreads).min(axis=1), (at_lo + spreads).max(axis=1)


def _forms(graph: Graph, ends: set[str], ranges: Mapping[str, Range], source: str, taps: Taps) -> _Forms:
    """The elements of `source` that products read as forms. Coefficients on one pixel stand together."""
    elements, padding = taps.elements, taps.padding
    shape = (*graph.values[source].shape, 1, 1)[:3]
    inside = elements[:, 1] >= 0
    start = LinearSums(padding, {})
    if inside.any():
        top, left = elements[inside, 1:].min(axis=0)
        bottom, right = elements[inside, 1:].max(axis=0) + 1
        box = np.zeros((len(elements), shape[0], bottom - top, right - left), dtype=np.int64)
        c, y, x = elements[inside].T
        box[np.flatnonzero(inside), c, y - top, x - left] = 1
        start = LinearSums(padding, {source: Box(int(top), int(left), box)})
    sums = pull_back(graph, ends, start)
    parts, lows, highs = [np.zeros((len(elements), 0), np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for name, found in sums.boxes.items():
        columns = found.coefficients.transpose(0, 2, 3, 1)
        pixels = columns.shape[1] * columns.shape[2]
        columns = columns.reshape(len(elements), -1)
        used = columns.any(axis=0)
        parts.append(columns[:, used])
        lows.append(np.tile(ranges[name][0], pixels)[used])
        highs.append(np.tile(ranges[name][1], pixels)[used])
    return _Forms(sums.constant, np.concatenate(parts, axis=1), np.concatenate(lows), np.concatenate(highs))
