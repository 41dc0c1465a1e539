"""Ops that move values alone, and the index of the largest: to or from another place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from intinfer.ops import ArgMax, ChannelSelect, Concat, Flatten, Gather
from intinfer.types import LIMIT, IntArray

from .changes import Change, at_axis, with_entry
from .mistake import Mistake, listed
from .orders import channel_orders
from .suspect import Suspect

_ORDERS = {"".join("CHW"[axis] for axis in order): order for order in permutations(range(3)) if order != (0, 1, 2)}
"""Orders of the axes of a map other than its own."""


def channel_select(suspect: Suspect, op: ChannelSelect) -> Iterator[Mistake]:
    count, indices = suspect.x.shape[0], op.indices.values
    size = len(indices)
    every = np.arange(size)
    sources: dict[str, IntArray] = {}
    if size <= count:
        sources[f"the channels are not selected: 0..{size - 1} are given in their order"] = every
        sources[f"the channels are not selected: the last {size} are given"] = every + count - size
    if sorted(indices.tolist()) == list(range(count)):
        sources["the channels go the other way: the inverse of the selection"] = np.argsort(indices)
    sources["the indices are 1 too high"] = (indices + 1) % count
    sources["the indices are 1 too low"] = (indices - 1) % count
    for groups in (g for g in range(2, size) if size == count and size % g == 0):
        source = every.reshape(groups, -1).T.reshape(-1)
        if not np.array_equal(source, indices):
            sources[f"the channels are shuffled in {groups} groups"] = source
    for by in (1, 2):
        stride = np.minimum(every * by + indices[0], count - 1)
        sources[f"every channel from {indices[0]} on in steps of {by} is given"] = stride
    return listed({text: lambda x, s=source: x[:, s] for text, source in sources.items()})


def concat(suspect: Suspect, op: Concat) -> Iterator[Mistake]:
    values = [suspect.scene.graph.values[name] for name in suspect.node.inputs]
    if len({value.shape[0] for value in values}) == 1:
        mixed = np.arange(suspect.channels).reshape(len(values), -1).T.reshape(-1)
        text = "the operands' channels are interleaved, not one operand after the other"
        yield Mistake(text, lambda *xs: op.reference(*xs)[:, mixed])
    for i, value in enumerate(values):
        gone = f"operand {value.name} is not there: its channels are 0"
        yield Mistake(gone, suspect.before(i, np.zeros_like))
        for k, other in enumerate(values):
            if k != i and other.shape == value.shape:
                twice = lambda *xs, i=i, k=k: op.reference(*xs[:i], xs[k], *xs[i + 1 :])  # noqa: E731
                yield Mistake(f"operand {other.name} stands in the place of {value.name} as well", twice)


def flatten(suspect: Suspect, _: Flatten) -> Iterator[Mistake]:
    shape = suspect.x.shape
    places = np.arange(suspect.x.size)
    for name, order in _ORDERS.items() if len(shape) == 3 else ():
        written = places.reshape(shape).transpose(order).reshape(-1)
        back = np.argsort(order).tolist()
        read = places.reshape([shape[axis] for axis in order]).transpose(back).reshape(-1)
        table: dict[str, Change] = {
            f"the values are flattened in {name} order, not CHW": lambda x, w=written: x.reshape(len(x), -1)[:, w],
            f"the values are taken to lie in {name} order, not CHW": lambda x, r=read: x.reshape(len(x), -1)[:, r],
        }
        yield from listed(table)


def gather(suspect: Suspect, op: Gather) -> Iterator[Mistake]:
    index, fill, shape = op.index.values, op.fill, suspect.x.shape
    size, empty = suspect.x.size, index < 0

    def take(source: IntArray, value: int = fill) -> Change:
        return lambda x: np.where(source < 0, value, x.reshape(len(x), -1)[:, np.maximum(source, 0)])

    sources: dict[str, IntArray] = {}
    if empty.any():
        ends = {"places without an index hold element 0, not the fill": np.maximum(index, 0)}
        ends["places without an index hold the last element, not the fill"] = np.where(empty, size - 1, index)
        yield from listed({text: take(source) for text, source in ends.items()})
        found = np.unique(suspect.scene.actual[:, empty]).tolist() if suspect.dumped else []
        for value in dict.fromkeys((0, 1, -1, *(found if len(found) == 1 else ()))):
            if value != fill:
                choices = 1 if value in (0, 1, -1) else 16
                yield Mistake(f"the fill is {value}, not {fill}", take(index, value), choices)
        held = np.maximum.accumulate(np.where(empty.reshape(-1), -1, np.arange(index.size)))
        before = np.where(held < 0, -1, index.reshape(-1)[held]).reshape(index.shape)
        sources["places without an index hold the value before them, not the fill"] = before
    for by, far, late in ((1, "high", "before"), (-1, "low", "after")):
        sources[f"the indices are 1 too {far}"] = np.where(empty, -1, (index + by) % size)
        sources[f"each index is the one {late} it"] = np.roll(index.reshape(-1), by).reshape(index.shape)
    for name, order in _ORDERS.items() if len(shape) == 3 else ():
        lies = np.arange(size).reshape(shape).transpose(order).reshape(-1)
        sources[f"the indices are counted in {name} order, not CHW"] = np.where(empty, -1, lies[index])
    if index.size == size:
        sources["the elements are not moved"] = np.arange(size).reshape(index.shape)
        if sorted(index.reshape(-1).tolist()) == list(range(size)):
            back = np.argsort(index.reshape(-1)).reshape(index.shape)
            sources["the elements go the other way: the inverse of the indices"] = back
    yield from listed({text: take(source) for text, source in sources.items()})
    for text, source, _ in channel_orders(index.shape[0]):
        yield Mistake(f"the output channels of the index are {text}: 0 is {source[0]}", take(index[source]), 16)


def argmax(suspect: Suspect, _: ArgMax) -> Iterator[Mistake]:
    count = suspect.x.shape[0]

    def first(x: IntArray) -> IntArray:
        index: IntArray = np.argmax(x, axis=1, keepdims=True).astype(np.int64)
        return index

    def last(x: IntArray) -> IntArray:
        return count - 1 - first(x[:, ::-1])

    def without(x: IntArray, channel: int) -> IntArray:
        return first(with_entry(x, at_axis(1, channel), -LIMIT))

    table: dict[str, Change] = {
        "at a tie the last index wins, not the first": last,
        "the index of the smallest is given": lambda x: first(-x),
        "the index of the smallest is given, of ties the last": lambda x: last(-x),
        "the largest absolute value wins": lambda x: first(np.abs(x)),
        "values are compared without sign: negative ones win": lambda x: first(np.where(x < 0, x + LIMIT, x)),
        "the maximum starts at 0: index 0 where no value is above": lambda x: first(np.maximum(x, 0)),
        "the maximum starts at 0, ties go to the last index": lambda x: last(np.maximum(x, 0)),
        "the index is counted from 1": lambda x: first(x) + 1,
        "the index is counted from the end": lambda x: count - 1 - first(x),
    }
    if count > 1:
        table["the first channel is not looked at"] = lambda x: without(x, 0)
        table["the last channel is not looked at"] = lambda x: without(x, count - 1)
    return listed(table | {"the largest value is given, not its index": lambda x: x.max(axis=1, keepdims=True)})
