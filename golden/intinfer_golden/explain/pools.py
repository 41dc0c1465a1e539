"""Ops that look at many numbers of one input: TGAP, max pool, sum pool, argmax."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from intinfer.ops import ArgMax, MaxPool, SumPool, Tgap
from intinfer.ops.geometry import Window

from .element import Cell, Operand, Place, Steps


def tgap(op: Tgap, at: Place, x: Operand) -> Steps:
    channel = at[0]
    height, width = x.shape[1:]
    rows: list[dict[str, Cell]] = []
    total = 0
    for y, column in product(range(height), range(width)):
        level = x.number((channel, y, column))
        total += level
        rows.append({"y": y, "x": column, "level": level, "sum": total})
    half = op.top * height * width
    facts: dict[str, Cell] = {"sum": total, "2 * sum": 2 * total, f"N * h * w = {op.top} * {height} * {width}": half}
    if 2 * total == half:
        facts["tie"] = "equality gives 0"
    return Steps("2 * sum > N * h * w", tuple(rows), facts, int(2 * total > half))


def _window(window: Window, at: Place, x: Operand) -> Iterator[tuple[int, int, bool]]:
    """(y, x, whether it is inside the map) of each tap of an output."""
    height, width = x.shape[1:]
    for ky, kx in product(range(window.kernel[0]), range(window.kernel[1])):
        y = at[1] * window.stride[0] + ky * window.dilation[0] - window.pads[0]
        column = at[2] * window.stride[1] + kx * window.dilation[1] - window.pads[1]
        yield y, column, 0 <= y < height and 0 <= column < width


def max_pool(op: MaxPool, at: Place, x: Operand) -> Steps:
    rows: list[dict[str, Cell]] = []
    best = None
    for y, column, inside in _window(op.window, at, x):
        if not inside:
            rows.append({"y": "pad", "x": "pad", "value": "-", "largest": "-" if best is None else best.number})
            continue
        element = x.element((at[0], y, column))
        best = element if best is None or element.number > best.number else best
        rows.append({"y": y, "x": column, "value": element.number, "largest": best.number})
    assert best is not None, "every window holds a pixel"
    return Steps("largest of the window; padding takes no part", tuple(rows), {}, best.number, (best,))


def sum_pool(op: SumPool, at: Place, x: Operand) -> Steps:
    rows: list[dict[str, Cell]] = []
    total = 0
    for y, column, inside in _window(op.window, at, x):
        value = x.number((at[0], y, column)) if inside else 0
        total += value
        rows.append({"y": y if inside else "pad", "x": column if inside else "pad", "value": value, "sum": total})
    return Steps("sum of the window; padding counts as 0", tuple(rows), {}, total)


def argmax(op: ArgMax, at: Place, x: Operand) -> Steps:
    rows: list[dict[str, Cell]] = []
    best = x.element((0, *at[1:]))
    for c in range(x.shape[0]):
        element = x.element((c, *at[1:]))
        best = element if element.number > best.number else best
        rows.append({"c": c, "value": element.number, "largest at": best.at[0]})
    return Steps("lowest c with the largest value", tuple(rows), {"largest": best.number}, best.at[0], (best,))
