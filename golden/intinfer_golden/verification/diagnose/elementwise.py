"""Sums, merges and multiplexers that do something else with their operands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from intinfer.ops import Add, Bitshift, Mux
from intinfer.types import IntArray

from .changes import Change
from .mistake import Mistake, listed
from .pools import narrowed
from .suspect import Suspect

_MULTIPLIERS = (1, -1, 2, -2, 3, -3, 4, -4, 8, -8, 0)


def bitshift(suspect: Suspect, op: Bitshift) -> Iterator[Mistake]:
    first, second = suspect.node.inputs
    bits, top = op.bits, 1 << op.bits
    mask = top - 1
    what = "a OR b" if bits == 1 else "(a + b) >> 1"
    of_bits: dict[str, Change] = {"the mean is given, (a + b) >> 1, not a OR b": lambda a, b: (a + b) >> 1}
    of_levels: dict[str, Change] = {
        f"a OR b is given, not {what}": lambda a, b: a | b,
        "the mean is rounded up: (a + b + 1) >> 1": lambda a, b: (a + b + 1) >> 1,
        "the mean is rounded to the even level at a tie": lambda a, b: ((s := a + b) >> 1) + (s & 1 & (s >> 1)),
        f"the carry of a + b is lost: the sum has {bits} bits": lambda a, b: ((a + b) % top) >> 1,
        "each branch is shifted before the sum: (a >> 1) + (b >> 1)": lambda a, b: (a >> 1) + (b >> 1),
        "the shift is arithmetic: the carry is taken for a sign": lambda a, b: (
            ((s := a + b) - 2 * top * (s >= top)) >> 1
        ),
    }
    of_any: dict[str, Change] = {
        f"a XOR b is given, not {what}": lambda a, b: a ^ b,
        f"a AND b is given, not {what}": lambda a, b: a & b,
        "the result is inverted (NOR)": lambda a, b: mask - (a | b),
        "the result is inverted (NAND)": lambda a, b: mask - (a & b),
        "the result is inverted (XNOR)": lambda a, b: mask - (a ^ b),
        f"the sum is given, a + b, cut to {bits} bits: there is no shift": lambda a, b: (a + b) % top,
        "the sum is given, a + b: there is no shift": lambda a, b: a + b,
        f"the sum is given, a + b, clipped to {mask}: there is no shift": lambda a, b: np.minimum(a + b, mask),
        "the sum is shifted by 2": lambda a, b: (a + b) >> 2,
        "the difference is shifted: (a - b) >> 1": lambda a, b: (a - b) >> 1,
        "the absolute difference is given": lambda a, b: np.abs(a - b),
        "the larger branch is given": np.maximum,
        "the smaller branch is given": np.minimum,
        f"only {first} is given": lambda a, b: a,
        f"only {second} is given": lambda a, b: b,
        f"only {first} counts: {second} is 0": lambda a, b: a >> 1,
        f"only {second} counts: {first} is 0": lambda a, b: b >> 1,
    }
    return listed((of_bits if bits == 1 else of_levels) | of_any)


def weighted(multipliers: Sequence[int]) -> Change:
    """The sum of the operands, each with its multiplier."""
    return lambda *xs: np.sum([m * x for m, x in zip(multipliers, xs, strict=True)], axis=0)


def add(suspect: Suspect, op: Add) -> Iterator[Mistake]:
    names, multipliers = suspect.node.inputs, list(op.multipliers)
    for i, own in enumerate(multipliers):
        near = (own + 1, own - 1, -own, 2 * own, *(_MULTIPLIERS if abs(own) < 2**20 else ()))
        for value in dict.fromkeys(value for value in near if value != own):
            text = f"the multiplier of operand {names[i]} is {value}, not {own}"
            changed = [*multipliers[:i], value, *multipliers[i + 1 :]]
            yield Mistake(text, weighted(changed), 1 if value in (-own, 0, 1) else len(near))
    if len(set(multipliers)) > 1:
        yield Mistake("all multipliers are 1", weighted([1] * len(multipliers)))
        yield Mistake("the multipliers are in reverse", weighted(multipliers[::-1]))
        if min(multipliers) < 0:
            yield Mistake("of all multipliers the sign alone counts", weighted(np.sign(multipliers).tolist()))
    yield from narrowed(suspect)
    yield Mistake("the larger operand is given, not the sum", lambda *xs: np.max(xs, axis=0))
    yield Mistake("the bits of the operands are joined (OR), not added", lambda *xs: np.bitwise_or.reduce(xs))
    yield Mistake("the operands are added without carries (XOR)", lambda *xs: np.bitwise_xor.reduce(xs))


def mux(suspect: Suspect, _: Mux) -> Iterator[Mistake]:
    select, one, zero = suspect.node.inputs

    def pick(s: IntArray, a: IntArray, b: IntArray) -> IntArray:
        return np.where(s[:, :, None, None] == 1, a, b)

    return listed(
        {
            f"the select is inverted: {one} and {zero} are exchanged": lambda s, a, b: pick(1 - s, a, b),
            f"the select is stuck at 1: always {one}": lambda s, a, b: a,
            f"the select is stuck at 0: always {zero}": lambda s, a, b: b,
            "both branches are joined (OR)": lambda s, a, b: a | b,
            "both branches are added": lambda s, a, b: a + b,
            f"{zero} is not given where {select} is 0: there stands 0": lambda s, a, b: pick(s, a, np.zeros_like(b)),
            f"{one} is not given where {select} is 1: there stands 0": lambda s, a, b: pick(s, np.zeros_like(a), b),
            "a branch is given for the whole frame where any channel selects it": lambda s, a, b: pick(
                np.broadcast_to(s.max(axis=1, keepdims=True), s.shape), a, b
            ),
            f"channel 0 of {select} selects for all channels": lambda s, a, b: pick(
                np.repeat(s[:, :1], s.shape[1], 1), a, b
            ),
        }
    )
