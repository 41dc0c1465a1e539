"""Results that are moved, stuck, cut, or those of another channel or another frame, whatever the op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from intinfer.ops import Conv2d, Dense, Op, SumPool
from intinfer.types import IntArray

from ...designs import Change, Mistake, at_axis, ends, listed, with_entry, wrapped
from ...designs.history import delayed
from ...designs.orders import channel_orders, exchanges
from .scene import seen_along
from .suspect import Suspect


def mistakes(suspect: Suspect, _: Op) -> Iterator[Mistake]:
    """The result changed as a whole, after what the op computes."""
    for part in (_bits, _stuck, _moved, _order, _late):
        for change in part(suspect):
            yield replace(change, values=suspect.after(change.values))


def _bits(suspect: Suspect) -> Iterator[Mistake]:
    """Bits of the result."""
    type_ = suspect.node.output.type
    bits, signed = type_.bits, type_.signed
    for bit in range(bits):
        one = np.int64(1 << bit)
        stuck: dict[str, Change] = {
            f"bit {bit} of the result is stuck at 0": lambda y, one=one: y & ~one,
            f"bit {bit} of the result is stuck at 1": lambda y, one=one: y | one,
        }
        if bits > 1:
            stuck[f"bit {bit} of the result is inverted"] = lambda y, one=one: y ^ one
        yield from listed(stuck, 2 * bits)
    for a, b in combinations(range(bits), 2) if bits <= 32 else ():

        def swapped(y: IntArray, a: int = a, b: int = b) -> IntArray:
            differ = ((y >> a) ^ (y >> b)) & 1
            return y ^ (differ << a) ^ (differ << b)

        yield Mistake(f"bits {a} and {b} of the result are exchanged", swapped, bits * bits)
    if not suspect.dumped:
        if bits == 1 or not signed:
            what = "the bits of the result are" if bits > 1 else "the result is"
            yield Mistake(f"{what} inverted", lambda y: (1 << bits) - 1 - y)
        yield Mistake("the result is negated", np.negative)
    for low in range(2, bits):
        yield Mistake(f"the low {low} bits of the result are 0", lambda y, low=low: y >> low << low, bits)
    for kept in range(1, bits):
        yield from listed(_fewer(kept, signed), bits)
    if type_.lo < 0:
        yield Mistake("negative results are 0", lambda y: np.maximum(y, 0))
        yield Mistake("the result is without its sign (absolute value)", np.abs)
    for name, end, step in (("highest", type_.hi, -1), ("lowest", type_.lo, 1)) if type_.hi - type_.lo > 1 else ():
        text = f"the {name} value, {end}, is given as {end + step}"
        yield Mistake(text, lambda y, e=end, s=step: np.where(y == e, e + s, y), 2)


def _fewer(kept: int, signed: bool) -> dict[str, Change]:
    """Some of the bits alone."""
    lo, hi = ends(kept, signed)
    table: dict[str, Change] = {
        f"the result is cut to its low {kept} bits, unsigned": lambda y: wrapped(y, kept, False)
    }
    if signed and kept > 1:
        table[f"the result is cut to its low {kept} bits, two's complement"] = lambda y: wrapped(y, kept, True)
    return table | {f"the result is clipped to {kept} bits, {lo}..{hi}": lambda y: np.clip(y, lo, hi)}


def _stuck(suspect: Suspect) -> Iterator[Mistake]:
    """A channel, row or column that holds one value; the value is the dump's own."""
    scene = suspect.scene
    if not suspect.dumped:
        return
    for axis, name in list(enumerate(("frame", "channel", "row", "column")))[1 : scene.actual.ndim]:
        wrong = np.flatnonzero(seen_along(scene.wrong, axis))
        if len(wrong) != 1 or scene.actual.shape[axis] < 2:
            continue
        index = int(wrong[0])
        at = at_axis(axis, index)
        values = np.unique(scene.actual[at][scene.asked[at]])
        if len(values) == 1:
            stuck = lambda y, at=at, v=int(values[0]): with_entry(y, at, v)  # noqa: E731
            yield Mistake(f"{name} {index} is {values[0]} all over", stuck, 8 * scene.actual.shape[axis])
    values = np.unique(scene.actual[scene.asked])
    if len(values) == 1:
        yield Mistake(f"the result is {values[0]} all over", lambda y, v=int(values[0]): np.full_like(y, v), 8)


def _moved(suspect: Suspect) -> Iterator[Mistake]:
    """The map a pixel, row or column away, with 0 or its edge where nothing is left."""
    shape = suspect.node.output.shape
    if len(shape) != 3:
        return
    for axis, name, extent in ((2, "row", shape[1]), (3, "column", shape[2])):
        if extent > 1:
            yield from listed(_along(axis, name, extent))
    if shape[1] > 1 and shape[2] > 1:
        for by, late in ((1, "late"), (-1, "early")):
            at = np.s_[:, :, 0, 0] if by == 1 else np.s_[:, :, -1, -1]

            def flat(y: IntArray, by: int = by) -> IntArray:
                return np.roll(y.reshape(*y.shape[:2], -1), by, axis=2).reshape(y.shape)

            yield Mistake(f"the result is one pixel {late}, around the frame", flat)
            zero = lambda y, flat=flat, at=at: with_entry(flat(y), at, 0)  # noqa: E731
            yield Mistake(f"the result is one pixel {late}, with 0 at the end", zero)
        if not suspect.dumped:
            yield Mistake("the rows of the result are in reverse", lambda y: y[:, :, ::-1])
            yield Mistake("the columns of the result are in reverse", lambda y: y[..., ::-1])
            if shape[1] == shape[2]:
                yield Mistake("rows and columns of the result are exchanged (transposed)", lambda y: y.swapaxes(2, 3))


def _along(axis: int, name: str, extent: int) -> dict[str, Change]:
    """The rows or columns of a map moved by one, and those at its ends."""
    table: dict[str, Change] = {}
    for by, late in ((1, "late"), (-1, "early")):
        text, at = f"the result is one {name} {late}", at_axis(axis, 0 if by == 1 else -1)

        def around(y: IntArray, by: int = by) -> IntArray:
            return np.roll(y, by, axis=axis)

        table[f"{text}, around the edge"] = around
        table[f"{text}, with 0 at the edge"] = lambda y, a=around, at=at: with_entry(a(y), at, 0)
        table[f"{text}, its edge {name} twice"] = lambda y, a=around, at=at: with_entry(a(y), at, y[at])
    for index, near, which in ((0, 1, "first"), (extent - 1, extent - 2, "last")):
        at, beside = at_axis(axis, index), at_axis(axis, near)
        table[f"the {which} {name} is 0"] = lambda y, at=at: with_entry(y, at, 0)
        table[f"the {which} {name} is its neighbour's"] = lambda y, at=at, near=beside: with_entry(y, at, y[near])
    return table


def _order(suspect: Suspect) -> Iterator[Mistake]:
    """Channels of the result in another order; that of whole dumps is told by `hints` where it is a usual one."""
    for text, source, choices in channel_orders(suspect.channels) if not suspect.dumped else ():
        yield Mistake(f"output channels are {text}: 0 is {source[0]}", lambda y, s=source: y[:, s], choices)
    for a, b, source, choices in exchanges(suspect.channels):
        yield Mistake(f"output channels {a} and {b} are exchanged", lambda y, s=source: y[:, s], choices)


def _late(suspect: Suspect) -> Iterator[Mistake]:
    """In the order of a stream, with what was left of the frame before at the start."""
    shape = suspect.node.output.shape
    if len(shape) != 3 or shape[1] * shape[2] < 2 or len(suspect.scene.frames) < 2:
        return

    def stream(y: IntArray, by: int) -> IntArray:
        flat = np.roll(y.swapaxes(0, 1).reshape(y.shape[1], -1), by, axis=1)
        return flat.reshape(y.shape[1], len(y), *y.shape[2:]).swapaxes(0, 1)

    for by, late in ((1, "late"), (-1, "early")):
        text = f"the result is one pixel {late}, on over the frames"
        first = np.s_[0, :, 0, 0] if by > 0 else np.s_[-1, :, -1, -1]
        table: dict[str, Change] = {
            text: lambda y, by=by: stream(y, by),
            f"{text}, 0 at the end": lambda y, by=by, at=first: with_entry(stream(y, by), at, 0),
        }
        yield from listed(table, history=True)


# ------------------------------------------------------------------------------------------------------------ history


def of_frames(suspect: Suspect, op: Op) -> Iterator[Mistake]:
    """Frames in place of others at the node, none where the dump has a single one."""
    if len(suspect.scene.frames) < 2:
        return
    for table in (_twice(suspect), _earlier(suspect), _operands(suspect)):
        yield from listed(table, history=True)


def _twice(suspect: Suspect) -> dict[str, Change]:
    """One frame that comes a second time in place of the next."""
    frames, numbers = suspect.scene.wrong_frames, suspect.scene.numbers
    if len(frames) != 1 or frames[0] == 0 or len(numbers) < 3:
        return {}
    n = frames[0]
    text = f"frame {numbers[n]} is frame {numbers[n - 1]} once more"
    return {text: suspect.after(lambda y: np.concatenate([y[:n], y[n - 1 : n], y[n + 1 :]]))}


def _earlier(suspect: Suspect) -> dict[str, Change]:
    """The frame before in place of the frame, or added to it."""
    table: dict[str, Change] = {
        "each frame is the one before it": delayed,
        "each frame is the one before it, frame 0 is 0": lambda y: delayed(y, zero=True),
        "every frame is frame 0": lambda y: np.repeat(y[:1], len(y), axis=0),
        "each frame is the next one": lambda y: np.concatenate([y[1:], y[-1:]]),
    }
    if not isinstance(suspect.op, Conv2d | Dense | SumPool):
        table |= {
            "the frame before is added": lambda y: y + delayed(y, zero=True),
            "all frames before are added": lambda y: y.cumsum(axis=0),
            "the bits of the frame before are still set (OR)": lambda y: y | delayed(y, zero=True),
        }
    return {text: suspect.after(change) for text, change in table.items()}


def _operands(suspect: Suspect) -> dict[str, Change]:
    """The frame before of one of several operands."""
    names = suspect.node.inputs
    table: dict[str, Change] = {}
    for name in dict.fromkeys(names) if len(set(names)) > 1 else ():
        i = names.index(name)
        table |= {
            f"operand {name} is that of the frame before": suspect.before(i, delayed),
            f"operand {name} is that of the frame before, 0 in frame 0": suspect.before(
                i, lambda x: delayed(x, zero=True)
            ),
            f"operand {name} is that of frame 0 for ever": suspect.before(
                i, lambda x: np.repeat(x[:1], len(x), axis=0)
            ),
        }
    return table
