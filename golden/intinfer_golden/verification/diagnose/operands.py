"""Operands that are read in another code, another order or at another time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from intinfer.graph import Value
from intinfer.ops import Concat, Op
from intinfer.ops.base import Channelwise
from intinfer.types import IntArray

from ...designs import Change, Mistake, ends, listed, wrapped
from ...designs.orders import channel_orders, exchanges
from .suspect import Suspect

MAX_ORDERED = 4
"""Operands whose orders are all tried."""


def mistakes(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    """Each operand read otherwise, and operands exchanged with each other."""
    names = suspect.node.inputs
    values = [suspect.scene.graph.values[name] for name in names]
    moves = len(names) == 1 and isinstance(op, Channelwise)  # the result's channels are moved as the input's are
    for i, value in enumerate(values):
        several = len(names) > 1
        parts = (_codes(value), () if moves else _orders(value), _places(value) if several else ())
        which = f"operand {value.name}" if several else "the input"
        for change in (change for part in parts for change in part):
            yield Mistake(which + change.text, suspect.before(i, change.values), change.choices)
    for order in permutations(range(len(names))) if len(names) <= MAX_ORDERED else ():
        moved = [(names[k], names[i]) for i, k in enumerate(order) if i != k]
        if moved and (isinstance(op, Concat) or all(values[k].shape == values[i].shape for i, k in enumerate(order))):
            text = "operands are exchanged: " + ", ".join(f"{other} for {own}" for other, own in moved)
            yield Mistake(text, lambda *xs, order=order: op.reference(*(xs[k] for k in order)))


def _codes(value: Value) -> Iterator[Mistake]:
    """The same bits as another number."""
    bits, signed = value.type.bits, value.type.signed
    top, half = 1 << bits, 1 << (bits - 1)
    table: dict[str, Change] = {}
    if signed:
        table[f" is read as unsigned {bits} bits"] = lambda x: x % top
        table[" is read without its sign (absolute value)"] = np.abs
        table[" is read as sign and magnitude"] = lambda x: np.where(x < 0, -(x % half), x)
    elif bits > 1:
        table[f" is read as two's complement of {bits} bits"] = lambda x: wrapped(x, bits, True)
        table[f" is read with {half} subtracted (offset binary)"] = lambda x: x - half
    if not signed:
        table[" has its bits inverted"] = lambda x: top - 1 - x
    table[" is negated"] = np.negative
    yield from listed(table)
    constant: dict[str, Change] = {" is 0 all over": np.zeros_like}
    if value.type.lo >= 0 and value.type.hi == 1:
        yield Mistake(" is read as -1 for 0 and +1 for 1", lambda x: 2 * x - 1)
        yield from listed(constant | {" is 1 all over": np.ones_like})
        return
    for kept in range(1, bits):
        yield from listed(_fewer(bits, kept, signed), bits)
    yield from listed(constant | {" is 1 too high": lambda x: x + 1, " is 1 too low": lambda x: x - 1})


def _fewer(bits: int, kept: int, signed: bool) -> dict[str, Change]:
    """Some of the bits alone."""
    (lo, hi), lost = ends(kept, signed), bits - kept
    table: dict[str, Change] = {f" is read in its low {kept} of {bits} bits": lambda x: wrapped(x, kept, False)}
    if signed and kept > 1:
        table[f" is read as two's complement in its low {kept} of {bits} bits"] = lambda x: wrapped(x, kept, True)
    return table | {
        f" is clipped to {kept} bits, {lo}..{hi}": lambda x: np.clip(x, lo, hi),
        f" lacks its low {lost} bits": lambda x: x >> lost << lost,
        f" is shifted right by {lost}": lambda x: x >> lost,
    }


def _orders(value: Value) -> Iterator[Mistake]:
    count = value.shape[0]
    for text, source, choices in channel_orders(count):
        yield Mistake(f"'s channels are {text}: 0 is {source[0]}", lambda x, s=source: x[:, s], choices)
    for a, b, source, choices in exchanges(count):
        yield Mistake(f"'s channels {a} and {b} are exchanged", lambda x, s=source: x[:, s], choices)
    if len(value.shape) == 3:
        height, width = value.shape[1:]
        if height == width and height > 1:
            yield Mistake("'s rows and columns are exchanged (transposed)", lambda x: x.swapaxes(2, 3))
        yield Mistake("'s rows are in reverse", lambda x: x[:, :, ::-1])
        yield Mistake("'s columns are in reverse", lambda x: x[..., ::-1])
    for c in range(count) if count > 1 else ():
        yield Mistake(f"'s channel {c} stands in for all of them", lambda x, c=c: x[:, [c] * count], count)


def _places(value: Value) -> Iterator[Mistake]:
    """One of several operands is a pixel, a row or a column away from the others."""
    if len(value.shape) != 3 or value.shape[1] * value.shape[2] == 1:
        return

    def along(x: IntArray, by: int) -> IntArray:
        """In the order of a stream, with 0 at the ends."""
        moved = np.roll(x.reshape(*x.shape[:2], -1), by, axis=2)
        moved[..., slice(by) if by > 0 else slice(by, None)] = 0
        return moved.reshape(x.shape)

    units = {"pixel": 1, "row": value.shape[2]} if value.shape[1] > 1 else {"pixel": 1}
    for unit, by in units.items():
        yield Mistake(f" is one {unit} late", lambda x, by=by: along(x, by))
        yield Mistake(f" is one {unit} early", lambda x, by=by: along(x, -by))
