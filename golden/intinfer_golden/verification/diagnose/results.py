"""Results that are moved, stuck, cut or taken from another channel, whatever the op."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from intinfer.ops import Op
from intinfer.types import IntArray

from .mistake import Mistake
from .orders import channel_orders, exchanged, pairs
from .suspect import Suspect
from .weights import MAX_PAIRS

Change = Callable[..., IntArray]
Changes = Iterator[tuple[str, Change, int]]


def mistakes(suspect: Suspect, _: Op) -> Iterator[Mistake]:
    reference = suspect.reference
    for part in (_bits, _stuck, _moved, _order):
        for text, change, choices in part(suspect):
            yield Mistake(text, lambda *xs, change=change: change(reference(*xs)), choices)
    for text, change in _late(suspect):
        yield Mistake(text, lambda *xs, change=change: change(reference(*xs)), history=True)


def _bits(suspect: Suspect) -> Changes:
    """Bits of the result."""
    type_ = suspect.node.output.type
    bits = type_.bits
    for bit in range(bits):
        one = np.int64(1 << bit)
        stuck = max(2, 2 * bits)
        yield f"bit {bit} of the result is stuck at 0", lambda y, one=one: y & ~one, stuck
        yield f"bit {bit} of the result is stuck at 1", lambda y, one=one: y | one, stuck
        if bits > 1:
            yield f"bit {bit} of the result is inverted", lambda y, one=one: y ^ one, stuck
    for a, b in pairs(bits) if bits <= 32 else ():

        def swapped(y: IntArray, a: int = a, b: int = b) -> IntArray:
            differ = ((y >> a) ^ (y >> b)) & 1
            return y ^ (differ << a) ^ (differ << b)

        yield f"bits {a} and {b} of the result are exchanged", swapped, bits * bits
    if not suspect.dumped:
        if bits == 1:
            yield "the result is inverted", lambda y: 1 - y, 1
        if not type_.signed and bits > 1:
            top = (1 << bits) - 1
            yield "the bits of the result are inverted", lambda y: top - y, 1
        yield "the result is negated", np.negative, 1
    for low in range(2, bits):
        yield f"the low {low} bits of the result are 0", lambda y, low=low: y >> low << low, bits
    for kept in range(1, bits):
        cut = 1 << kept
        yield f"the result is cut to its low {kept} bits, unsigned", lambda y, cut=cut: y % cut, bits
        if type_.signed and kept > 1:
            half = cut // 2
            text = f"the result is cut to its low {kept} bits, two's complement"
            yield text, lambda y, c=cut, h=half: (y + h) % c - h, bits
        lo, hi = (-(cut // 2), cut // 2 - 1) if type_.signed else (0, cut - 1)
        yield f"the result is clipped to {kept} bits, {lo}..{hi}", lambda y, lo=lo, hi=hi: np.clip(y, lo, hi), bits
    if type_.lo < 0:
        yield "negative results are 0", lambda y: np.maximum(y, 0), 1
        yield "the result is without its sign (absolute value)", np.abs, 1
    for name, end in (("highest", type_.hi), ("lowest", type_.lo)):
        step = 1 if end == type_.lo else -1
        if type_.hi - type_.lo > 1:
            yield (
                f"the {name} value, {end}, is given as {end + step}",
                lambda y, e=end, s=step: np.where(y == e, e + s, y),
                2,
            )


def _stuck(suspect: Suspect) -> Changes:
    """A channel, row or column that holds one value; the value is the dump's own."""
    scene = suspect.scene
    if not suspect.dumped:
        return
    axes = {1: "channel", 2: "row", 3: "column"}
    for axis, name in axes.items():
        if axis >= scene.actual.ndim or scene.actual.shape[axis] < 2:
            continue
        wrong = scene.wrong.any(axis=tuple(i for i in range(scene.wrong.ndim) if i != axis))
        if wrong.sum() != 1:
            continue
        at = (slice(None),) * axis + (int(np.argmax(wrong)),)
        values = np.unique(scene.actual[at][scene.asked[at]])
        if len(values) == 1:
            yield (
                f"{name} {at[axis]} is {values[0]} all over",
                lambda y, at=at, v=int(values[0]): _set(y, at, v),
                8 * scene.actual.shape[axis],
            )
    values = np.unique(scene.actual[scene.asked])
    if len(values) == 1:
        yield f"the result is {values[0]} all over", lambda y, v=int(values[0]): np.full_like(y, v), 8


def _set(y: IntArray, at: tuple[slice | int, ...], value: IntArray | int) -> IntArray:
    changed = y.copy()
    changed[at] = value
    return changed


def _moved(suspect: Suspect) -> Changes:
    """The map a pixel, row or column away, with 0 or its edge where nothing is left."""
    shape = suspect.node.output.shape
    if len(shape) != 3:
        return
    for axis, name, extent in ((2, "row", shape[1]), (3, "column", shape[2])):
        if extent < 2:
            continue
        for by in (1, -1):
            late = "late" if by == 1 else "early"
            head, tail = (slice(None),) * axis, slice(0, 1) if by == 1 else slice(-1, None)
            around = lambda y, axis=axis, by=by: np.roll(y, by, axis=axis)  # noqa: E731
            yield f"the result is one {name} {late}, around the edge", around, 1
            zero = lambda y, a=around, at=(*head, tail): _set(a(y), at, 0)  # noqa: E731
            yield f"the result is one {name} {late}, with 0 at the edge", zero, 1
            edge = lambda y, a=around, at=(*head, tail): _set(a(y), at, y[at])  # noqa: E731
            yield f"the result is one {name} {late}, its edge {name} twice", edge, 1
        for index, which in ((0, "first"), (extent - 1, "last")):
            at = (*((slice(None),) * axis), index)
            near = (*at[:-1], 1 if index == 0 else index - 1)
            yield f"the {which} {name} is 0", lambda y, at=at: _set(y, at, 0), 1
            yield f"the {which} {name} is its neighbour's", lambda y, at=at, near=near: _set(y, at, y[near]), 1
    if shape[1] > 1 and shape[2] > 1:
        for by in (1, -1):
            late = "late" if by == 1 else "early"
            flat = lambda y, by=by: np.roll(y.reshape(*y.shape[:2], -1), by, axis=2).reshape(y.shape)  # noqa: E731
            yield f"the result is one pixel {late}, around the frame", flat, 1
            at = (slice(None), slice(None), 0, 0) if by == 1 else (slice(None), slice(None), -1, -1)
            yield f"the result is one pixel {late}, with 0 at the end", lambda y, f=flat, at=at: _set(f(y), at, 0), 1
        if not suspect.dumped:
            yield "the rows of the result are in reverse", lambda y: y[:, :, ::-1], 1
            yield "the columns of the result are in reverse", lambda y: y[..., ::-1], 1
            if shape[1] == shape[2]:
                yield "rows and columns of the result are exchanged (transposed)", lambda y: y.swapaxes(2, 3), 1


def _order(suspect: Suspect) -> Changes:
    """Channels of the result in another order; that of whole dumps is told by `hints` where it is a usual one."""
    count = suspect.channels
    for text, source, choices in channel_orders(count) if not suspect.dumped else ():
        yield f"output channels are {text}: 0 is {source[0]}", lambda y, s=source: y[:, s], choices
    number = count * (count - 1) // 2
    for a, b in pairs(count) if number <= MAX_PAIRS else ():
        order = exchanged(count, a, b)
        yield f"output channels {a} and {b} are exchanged", lambda y, order=order: y[:, order], max(2, number)


def _late(suspect: Suspect) -> Iterator[tuple[str, Change]]:
    """In the order of a stream, with what was left of the frame before at the start."""
    shape = suspect.node.output.shape
    if len(shape) != 3 or shape[1] * shape[2] < 2 or len(suspect.scene.frames) < 2:
        return

    def stream(y: IntArray, by: int) -> IntArray:
        flat = y.swapaxes(0, 1).reshape(y.shape[1], -1)
        return np.roll(flat, by, axis=1).reshape(y.shape[1], len(y), *y.shape[2:]).swapaxes(0, 1)

    def held(y: IntArray, by: int) -> IntArray:
        """The first of all stays."""
        moved = stream(y, by)
        moved[(0, slice(None), 0, 0) if by > 0 else (-1, slice(None), -1, -1)] = 0
        return moved

    for by, late in ((1, "late"), (-1, "early")):
        yield f"the result is one pixel {late}, on over the frames", lambda y, by=by: stream(y, by)
        yield f"the result is one pixel {late}, on over the frames, 0 at the end", lambda y, by=by: held(y, by)
