"""Operands that are read in another code, another order or at another time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from intinfer.graph import Value
from intinfer.ops import Add, ArgMax, Bitshift, ChannelSelect, Concat, Conv2d, Dense, Flatten, Gather, Mux, Op
from intinfer.types import IntArray

from .mistake import Mistake
from .orders import channel_orders, exchanged, pairs
from .suspect import Suspect
from .weights import MAX_PAIRS

_MIXES = (Add, ArgMax, Bitshift, ChannelSelect, Concat, Conv2d, Dense, Flatten, Gather, Mux)
"""Ops whose result is more than moved when an operand's channels or pixels are."""
MAX_ORDERED = 4
"""Operands whose orders are all tried."""

Change = Callable[..., IntArray]


def mistakes(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    names = suspect.node.inputs
    mixes = isinstance(op, _MIXES)
    for i, name in enumerate(names):
        value = suspect.scene.graph.values[name]
        which = f"operand {name}" if len(names) > 1 else "the input"
        for text, change, choices in _codes(value):
            yield _changed(suspect, i, f"{which} {text}", change, choices)
        for text, change, choices in _orders(value) if mixes else ():
            yield _changed(suspect, i, f"{which}{text}", change, choices)
        for text, change, choices in _places(value) if len(names) > 1 else ():
            yield _changed(suspect, i, f"{which} {text}", change, choices)
    reference = op.reference
    shapes = [suspect.scene.graph.values[name].shape for name in names]
    for order in permutations(range(len(names))) if len(names) <= MAX_ORDERED else ():
        fits = isinstance(op, Concat) or all(shapes[k] == shapes[i] for i, k in enumerate(order))
        if fits and list(order) != sorted(order):
            text = "operands are exchanged: " + ", ".join(
                f"{names[k]} for {names[i]}" for i, k in enumerate(order) if i != k
            )
            yield Mistake(text, lambda *xs, order=order: reference(*(xs[k] for k in order)))


def _changed(suspect: Suspect, i: int, text: str, change: Change, choices: int) -> Mistake:
    run = suspect.reference
    return Mistake(text, lambda *xs: run(*(change(x) if k == i else x for k, x in enumerate(xs))), choices)


Changes = Iterator[tuple[str, Change, int]]


def _codes(value: Value) -> Changes:
    """The same bits as another number."""
    bits, signed = value.type.bits, value.type.signed
    top, half = 1 << bits, 1 << (bits - 1)
    if signed:
        yield f"is read as unsigned {bits} bits", lambda x: x % top, 1
        yield "is read without its sign (absolute value)", np.abs, 1
        yield "is read as sign and magnitude", lambda x: np.where(x < 0, -(x % half), x), 1
    elif bits > 1:
        yield f"is read as two's complement of {bits} bits", lambda x: np.where(x >= half, x - top, x), 1
        yield f"is read with {half} subtracted (offset binary)", lambda x: x - half, 1
    if not signed:
        yield "has its bits inverted", lambda x: top - 1 - x, 1
    yield "is negated", np.negative, 1
    if value.type.lo >= 0 and value.type.hi == 1:
        yield "is read as -1 for 0 and +1 for 1", lambda x: 2 * x - 1, 1
        yield "is 0 all over", np.zeros_like, 1
        yield "is 1 all over", np.ones_like, 1
        return
    for kept in range(1, bits):
        cut = 1 << kept
        yield f"is read in its low {kept} of {bits} bits", lambda x, cut=cut: x % cut, bits
        if signed and kept > 1:
            narrow = lambda x, cut=cut: (x + cut // 2) % cut - cut // 2  # noqa: E731
            yield f"is read as two's complement in its low {kept} of {bits} bits", narrow, bits
        lo, hi = (-(cut // 2), cut // 2 - 1) if signed else (0, cut - 1)
        yield f"is clipped to {kept} bits, {lo}..{hi}", lambda x, lo=lo, hi=hi: np.clip(x, lo, hi), bits
        lost = bits - kept
        yield f"lacks its low {lost} bits", lambda x, lost=lost: x >> lost << lost, bits
        yield f"is shifted right by {lost}", lambda x, lost=lost: x >> lost, bits
    yield "is 0 all over", np.zeros_like, 1
    yield "is 1 too high", lambda x: x + 1, 1
    yield "is 1 too low", lambda x: x - 1, 1


def _orders(value: Value) -> Changes:
    count = value.shape[0]
    for text, source, choices in channel_orders(count):
        yield f"'s channels are {text}: 0 is {source[0]}", lambda x, s=source: x[:, s], choices
    number = count * (count - 1) // 2
    for a, b in pairs(count) if number <= MAX_PAIRS else ():
        order = exchanged(count, a, b)
        yield f"'s channels {a} and {b} are exchanged", lambda x, order=order: x[:, order], max(2, number)
    if len(value.shape) == 3:
        height, width = value.shape[1:]
        if height == width and height > 1:
            yield "'s rows and columns are exchanged (transposed)", lambda x: x.swapaxes(2, 3), 1
        yield "'s rows are in reverse", lambda x: x[:, :, ::-1], 1
        yield "'s columns are in reverse", lambda x: x[..., ::-1], 1
    for c in range(count) if count > 1 else ():
        yield (
            f"'s channel {c} stands in for all of them",
            lambda x, c=c: np.repeat(x[:, c : c + 1], count, axis=1),
            count,
        )


def _places(value: Value) -> Changes:
    """One of several operands is a pixel, a row or a column away from the others."""
    if len(value.shape) != 3 or value.shape[1] * value.shape[2] == 1:
        return

    def along(x: IntArray, by: int) -> IntArray:
        """In the order of a stream, with 0 at the ends."""
        flat = x.reshape(*x.shape[:2], -1)
        moved = np.zeros_like(flat)
        if by > 0:
            moved[..., by:] = flat[..., :-by]
        else:
            moved[..., :by] = flat[..., -by:]
        return moved.reshape(x.shape)

    width = value.shape[2]
    for by, unit in ((1, "pixel"), (width, "row")) if value.shape[1] > 1 else ((1, "pixel"),):
        yield f"is one {unit} late", lambda x, by=by: along(x, by), 1
        yield f"is one {unit} early", lambda x, by=by: along(x, -by), 1
