"""Ops that bring values together or elsewhere: bitshift, add, mux, concat, channel select, flatten, gather."""

from __future__ import annotations

import numpy as np

from intinfer.ops import Add, Bitshift, ChannelSelect, Concat, Flatten, Gather, Mux

from .element import Cell, Operand, Place, Steps, element_row


def bitshift(op: Bitshift, at: Place, a: Operand, b: Operand) -> Steps:
    one, two = a.element(at), b.element(at)
    rows = (element_row(one), element_row(two))
    if op.bits == 1:
        return Steps("a OR b", rows, {}, one.number | two.number, (one, two))
    total = one.number + two.number
    return Steps("(a + b) >> 1", rows, {"a + b": total, "lost bit": total % 2}, total // 2, (one, two))


def add(op: Add, at: Place, *inputs: Operand) -> Steps:
    rows: list[dict[str, Cell]] = []
    total = 0
    elements = tuple(x.element(at) for x in inputs)
    for multiplier, element in zip(op.multipliers, elements, strict=True):
        product = multiplier * element.number
        total += product
        rows.append(element_row(element, multiplier=multiplier, product=product, sum=total))
    return Steps("sum of multiplier * value", tuple(rows), {}, total, elements)


def mux(op: Mux, at: Place, select: Operand, if_one: Operand, if_zero: Operand) -> Steps:
    bit, one, zero = select.element(at[:1]), if_one.element(at), if_zero.element(at)
    taken = one if bit.number == 1 else zero
    rows: tuple[dict[str, Cell], ...] = (
        {"branch": "I1", **element_row(one, taken="yes" if taken is one else "no")},
        {"branch": "I0", **element_row(zero, taken="yes" if taken is zero else "no")},
    )
    facts: dict[str, Cell] = {f"S = {bit.value}[c={at[0]}]": bit.number}
    return Steps("S ? I1 : I0", rows, facts, taken.number, (bit, taken))


def concat(op: Concat, at: Place, *inputs: Operand) -> Steps:
    first = 0
    for number, x in enumerate(inputs):
        if at[0] < first + x.shape[0]:
            element = x.element((at[0] - first, *at[1:]))
            facts: dict[str, Cell] = {"input": number, "its first channel here": first}
            return Steps("channels one input after another", (element_row(element),), facts, element.number, (element,))
        first += x.shape[0]
    raise AssertionError("the place was checked")


def channel_select(op: ChannelSelect, at: Place, x: Operand) -> Steps:
    source = int(op.indices.values[at[0]])
    element = x.element((source, *at[1:]))
    facts: dict[str, Cell] = {f"indices[{at[0]}]": source}
    return Steps("input[indices[c]]", (element_row(element),), facts, element.number, (element,))


def flatten(op: Flatten, at: Place, x: Operand) -> Steps:
    element = x.element(_place(at[0], x.shape))
    return Steps("index = (c * H + y) * W + x", (element_row(element),), {}, element.number, (element,))


def gather(op: Gather, at: Place, x: Operand) -> Steps:
    index = int(op.index.values[at])
    facts: dict[str, Cell] = {f"index[{', '.join(map(str, at))}]": index}
    if index < 0:
        return Steps("index -1: fill", (), facts, op.fill, ())
    element = x.element(_place(index, x.shape))
    return Steps("input.flat[index]", (element_row(element),), facts, element.number, (element,))


def _place(index: int, shape: tuple[int, ...]) -> Place:
    return tuple(int(i) for i in np.unravel_index(index, shape))
