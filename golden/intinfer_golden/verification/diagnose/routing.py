"""Ops that move values alone, and the index of the largest: to or from another place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from intinfer.ops import ArgMax, ChannelSelect, Concat, Flatten, Gather
from intinfer.types import IntArray

from .mistake import Mistake
from .orders import channel_orders
from .suspect import Suspect


def channel_select(suspect: Suspect, op: ChannelSelect) -> Iterator[Mistake]:
    count = suspect.x.shape[0]
    indices = op.indices.values
    size = len(indices)

    def take(source: IntArray) -> Callable[[IntArray], IntArray]:
        return lambda x: x[:, source]

    if size <= count:
        yield Mistake(f"the channels are not selected: 0..{size - 1} are given in their order", take(np.arange(size)))
        yield Mistake(f"the channels are not selected: the last {size} are given", take(np.arange(count - size, count)))
    if sorted(indices.tolist()) == list(range(count)):
        yield Mistake("the channels go the other way: the inverse of the selection", take(np.argsort(indices)))
    for by in (1, -1):
        text = f"the indices are 1 too {'high' if by > 0 else 'low'}"
        yield Mistake(text, take((indices + by) % count))
    for groups in (g for g in range(2, size) if size == count and size % g == 0):
        source = np.arange(size).reshape(groups, -1).T.reshape(-1)
        if not np.array_equal(source, indices):
            yield Mistake(f"the channels are shuffled in {groups} groups", take(source))
    for by in (1, 2):
        stride = np.minimum(np.arange(size) * by + indices[0], count - 1)
        yield Mistake(f"every channel from {indices[0]} on in steps of {by} is given", take(stride))


def concat(suspect: Suspect, _: Concat) -> Iterator[Mistake]:
    reference = suspect.op.reference
    sizes = {suspect.scene.graph.values[name].shape[0] for name in suspect.node.inputs}
    count = len(suspect.node.inputs)
    if len(sizes) == 1:
        (size,) = sizes
        mixed = np.arange(count * size).reshape(count, size).T.reshape(-1)
        yield Mistake(
            "the operands' channels are interleaved, not one operand after the other",
            lambda *xs: reference(*xs)[:, mixed],
        )
    for i, name in enumerate(suspect.node.inputs):
        zero = lambda *xs, i=i: reference(*(np.zeros_like(x) if k == i else x for k, x in enumerate(xs)))  # noqa: E731
        yield Mistake(f"operand {name} is not there: its channels are 0", zero)
        for k, other in enumerate(suspect.node.inputs):
            if k != i and suspect.scene.graph.values[other].shape == suspect.scene.graph.values[name].shape:
                twice = lambda *xs, i=i, k=k: reference(*(xs[k] if j == i else x for j, x in enumerate(xs)))  # noqa: E731
                yield Mistake(f"operand {other} stands in the place of {name} as well", twice)


def flatten(suspect: Suspect, _: Flatten) -> Iterator[Mistake]:
    shape = suspect.x.shape
    for order in permutations(range(len(shape))) if len(shape) == 3 else ():
        if order != (0, 1, 2):
            name = "".join("CHW"[axis] for axis in order)
            yield Mistake(
                f"the values are flattened in {name} order, not CHW",
                lambda x, order=order: x.transpose(0, *(1 + axis for axis in order)).reshape(len(x), -1),
            )
            yield Mistake(
                f"the values are taken to lie in {name} order, not CHW",
                lambda x, order=order: _as_if(x, order),
            )


def _as_if(x: IntArray, order: tuple[int, ...]) -> IntArray:
    shape = x.shape[1:]
    lies = x.reshape(len(x), *(shape[axis] for axis in order))
    back = np.argsort(order)
    return lies.transpose(0, *(1 + int(axis) for axis in back)).reshape(len(x), -1)


def gather(suspect: Suspect, op: Gather) -> Iterator[Mistake]:
    index, fill = op.index.values, op.fill
    shape = suspect.x.shape
    size = int(np.prod(shape))

    def take(source: IntArray, value: int = fill) -> Callable[[IntArray], IntArray]:
        def run(x: IntArray) -> IntArray:
            flat = x.reshape(len(x), -1)
            return np.where(source < 0, value, flat[:, np.maximum(source, 0)])

        return run

    empty = index < 0
    if empty.any():
        yield Mistake("places without an index hold element 0, not the fill", take(np.maximum(index, 0)))
        yield Mistake(
            "places without an index hold the last element, not the fill", take(np.where(empty, size - 1, index))
        )
        dumped = suspect.scene.actual[:, empty] if suspect.dumped else np.zeros(0, np.int64)
        found = np.unique(dumped).tolist()[:2]
        values = [0, 1, -1, *(found if len(found) == 1 else [])]
        for value in dict.fromkeys(value for value in values if value != fill):
            yield Mistake(f"the fill is {value}, not {fill}", take(index, value), 1 if value in (0, 1, -1) else 16)
        held = np.maximum.accumulate(np.where(empty, -1, np.arange(index.size).reshape(index.shape)).reshape(-1))
        before = np.where(held < 0, -1, index.reshape(-1)[np.maximum(held, 0)]).reshape(index.shape)
        yield Mistake("places without an index hold the value before them, not the fill", take(before))
    for by in (1, -1):
        moved = np.where(empty, -1, (index + by) % size)
        yield Mistake(f"the indices are 1 too {'high' if by > 0 else 'low'}", take(moved))
        late = np.roll(index.reshape(-1), by).reshape(index.shape)
        yield Mistake(f"each index is the one {'before' if by > 0 else 'after'} it", take(late))
    if len(shape) == 3:
        numbers = np.arange(size).reshape(shape)
        for order in permutations(range(3)):
            if order != (0, 1, 2):
                name = "".join("CHW"[axis] for axis in order)
                lies = numbers.transpose(order).reshape(-1)
                yield Mistake(
                    f"the indices are counted in {name} order, not CHW",
                    take(np.where(empty, -1, lies[np.maximum(index, 0)])),
                )
    if index.size == size:
        yield Mistake("the elements are not moved", take(np.arange(size).reshape(index.shape)))
        if sorted(index.reshape(-1).tolist()) == list(range(size)):
            back = np.argsort(index.reshape(-1)).reshape(index.shape)
            yield Mistake("the elements go the other way: the inverse of the indices", take(back))
    for text, source, _ in channel_orders(index.shape[0]):
        yield Mistake(f"the output channels of the index are {text}: 0 is {source[0]}", take(index[source]), 16)


def argmax(suspect: Suspect, _: ArgMax) -> Iterator[Mistake]:
    count = suspect.x.shape[0]

    def winner(key: Callable[[IntArray], IntArray], last: bool = False) -> Callable[[IntArray], IntArray]:
        def run(x: IntArray) -> IntArray:
            keys = key(x)
            first: IntArray = np.argmax(keys[:, ::-1] if last else keys, axis=1, keepdims=True).astype(np.int64)
            return count - 1 - first if last else first

        return run

    yield Mistake("at a tie the last index wins, not the first", winner(lambda x: x, True))
    yield Mistake("the index of the smallest is given", winner(np.negative))
    yield Mistake("the index of the smallest is given, of ties the last", winner(np.negative, True))
    yield Mistake("the largest absolute value wins", winner(np.abs))
    yield Mistake(
        "values are compared without sign: negative ones win", winner(lambda x: np.where(x < 0, x + 2**62, x))
    )
    yield Mistake("the maximum starts at 0: index 0 where no value is above", winner(lambda x: np.maximum(x, 0)))
    yield Mistake("the maximum starts at 0, ties go to the last index", winner(lambda x: np.maximum(x, 0), True))
    yield Mistake("the index is counted from 1", lambda x: winner(lambda v: v)(x) + 1)
    yield Mistake("the index is counted from the end", lambda x: count - 1 - winner(lambda v: v)(x))
    for place, name in ((0, "first"), (count - 1, "last")):
        if count > 1:
            gone = lambda x, p=place: np.where(np.arange(count).reshape(1, -1, *[1] * (x.ndim - 2)) == p, -(2**62), x)  # noqa: E731
            yield Mistake(f"the {name} channel is not looked at", winner(gone))
    yield Mistake("the largest value is given, not its index", lambda x: x.max(axis=1, keepdims=True))
