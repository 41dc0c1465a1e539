"""Sums, merges and multiplexers that do something else with their operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from intinfer.ops import Add, Bitshift, Mux
from intinfer.types import IntArray

from .mistake import Mistake
from .pools import narrowed
from .suspect import Suspect

_MULTIPLIERS = (1, -1, 2, -2, 3, -3, 4, -4, 8, -8, 0)


def bitshift(suspect: Suspect, op: Bitshift) -> Iterator[Mistake]:
    return (Mistake(text, run) for text, run in _bitshifts(op.bits, suspect.node.inputs))


def _bitshifts(bits: int, names: tuple[str, ...]) -> Iterator[tuple[str, Callable[[IntArray, IntArray], IntArray]]]:
    first, second = names
    top, mask = 1 << bits, (1 << bits) - 1
    what = "a OR b" if bits == 1 else "(a + b) >> 1"
    if bits > 1:
        yield f"a OR b is given, not {what}", lambda a, b: a | b
        yield "the mean is rounded up: (a + b + 1) >> 1", lambda a, b: (a + b + 1) >> 1
        yield "the mean is rounded to the even level at a tie", lambda a, b: ((s := a + b) >> 1) + (s & 1 & (s >> 1))
        yield f"the carry of a + b is lost: the sum has {bits} bits", lambda a, b: ((a + b) % top) >> 1
        yield "each branch is shifted before the sum: (a >> 1) + (b >> 1)", lambda a, b: (a >> 1) + (b >> 1)
        yield (
            "the shift is arithmetic: the carry is taken for a sign",
            lambda a, b: ((s := a + b) - 2 * top * (s >= top)) >> 1,
        )
    else:
        yield "the mean is given, (a + b) >> 1, not a OR b", lambda a, b: (a + b) >> 1
    yield f"a XOR b is given, not {what}", lambda a, b: a ^ b
    yield f"a AND b is given, not {what}", lambda a, b: a & b
    yield "the result is inverted (NOR)", lambda a, b: mask - (a | b)
    yield "the result is inverted (NAND)", lambda a, b: mask - (a & b)
    yield "the result is inverted (XNOR)", lambda a, b: mask - (a ^ b)
    yield f"the sum is given, a + b, cut to {bits} bits: there is no shift", lambda a, b: (a + b) % top
    yield "the sum is given, a + b: there is no shift", lambda a, b: a + b
    yield f"the sum is given, a + b, clipped to {mask}: there is no shift", lambda a, b: np.minimum(a + b, mask)
    yield "the sum is shifted by 2", lambda a, b: (a + b) >> 2
    yield "the difference is shifted: (a - b) >> 1", lambda a, b: (a - b) >> 1
    yield "the absolute difference is given", lambda a, b: np.abs(a - b)
    yield "the larger branch is given", lambda a, b: np.maximum(a, b)
    yield "the smaller branch is given", lambda a, b: np.minimum(a, b)
    yield f"only {first} is given", lambda a, b: a
    yield f"only {second} is given", lambda a, b: b
    yield f"only {first} counts: {second} is 0", lambda a, b: a >> 1
    yield f"only {second} counts: {first} is 0", lambda a, b: b >> 1


def add(suspect: Suspect, op: Add) -> Iterator[Mistake]:
    names, multipliers = suspect.node.inputs, list(op.multipliers)

    def total(changed: list[int]) -> Callable[..., IntArray]:
        return lambda *xs: np.sum([m * x for m, x in zip(changed, xs, strict=True)], axis=0)

    def told(i: int, value: int) -> str:
        return f"the multiplier of operand {names[i]} is {value}, not {multipliers[i]}"

    for i, own in enumerate(multipliers):
        near = (own + 1, own - 1, -own, 2 * own, *(_MULTIPLIERS if abs(own) < 2**20 else ()))
        for value in dict.fromkeys(near):
            if value != own:
                changed = [value if k == i else m for k, m in enumerate(multipliers)]
                yield Mistake(told(i, value), total(changed), 1 if value in (-own, 0, 1) else len(near))
    if len(set(multipliers)) > 1:
        yield Mistake("all multipliers are 1", total([1] * len(multipliers)))
        yield Mistake("the multipliers are in reverse", total(multipliers[::-1]))
    yield from narrowed(suspect)
    yield Mistake("the larger operand is given, not the sum", lambda *xs: np.max(xs, axis=0))
    yield Mistake("the bits of the operands are joined (OR), not added", lambda *xs: np.bitwise_or.reduce(xs))
    yield Mistake("the operands are added without carries (XOR)", lambda *xs: np.bitwise_xor.reduce(xs))


def mux(suspect: Suspect, _: Mux) -> Iterator[Mistake]:
    return (Mistake(text, run) for text, run in _muxes(suspect.node.inputs))


def _muxes(names: tuple[str, ...]) -> Iterator[tuple[str, Callable[..., IntArray]]]:
    select, one, zero = names

    def pick(s: IntArray, a: IntArray, b: IntArray) -> IntArray:
        return np.where(s[:, :, None, None] == 1, a, b)

    yield f"the select is inverted: {one} and {zero} are exchanged", lambda s, a, b: pick(1 - s, a, b)
    yield f"the select is stuck at 1: always {one}", lambda s, a, b: a
    yield f"the select is stuck at 0: always {zero}", lambda s, a, b: b
    yield "both branches are joined (OR)", lambda s, a, b: a | b
    yield "both branches are added", lambda s, a, b: a + b
    yield f"{zero} is not given where {select} is 0: there stands 0", lambda s, a, b: pick(s, a, np.zeros_like(b))
    yield f"{one} is not given where {select} is 1: there stands 0", lambda s, a, b: pick(s, np.zeros_like(a), b)
    yield (
        "a branch is given for the whole frame where any channel selects it",
        lambda s, a, b: pick(np.broadcast_to(s.max(axis=1, keepdims=True), s.shape), a, b),
    )
    yield (
        f"channel 0 of {select} selects for all channels",
        lambda s, a, b: pick(np.repeat(s[:, :1], s.shape[1], 1), a, b),
    )
