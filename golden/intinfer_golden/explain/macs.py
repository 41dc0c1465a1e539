"""Convolution and dense layer: a row a product, in the order in which the accumulator adds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from intinfer.accumulator import Accumulator, Overflow, TapOrder
from intinfer.ops import Conv2d, Dense
from intinfer.tensor import CellularWeights, IntTensor

from ..codes import Code
from .element import Cell, Operand, Place, Steps


@dataclass(frozen=True)
class _Tap:
    """A product: where its activation and weight stand, and both."""

    where: dict[str, Cell]
    activation: int
    weight: int


def conv2d(op: Conv2d, at: Place, x: Operand) -> Steps:
    out, channels = at[0], op.weight.shape[1]
    first = out // (op.weight.shape[0] // op.groups) * channels  # of the group's input channels
    formula = f"sum of weight[{out}, {f'c - {first}' if first else 'c'}, ky, kx] * activation[c, y, x]"
    return _sum(formula, list(_taps(op, at, x, first)), op.weight, op.accumulator)


def _taps(op: Conv2d, at: Place, x: Operand, first: int) -> Iterator[_Tap]:
    out, row, column = at
    _, height, width = x.shape
    channels, rows, columns = op.weight.shape[1:]
    weight_of = _weights(op.weight, out)
    if op.accumulator.order is TapOrder.KKC:
        order = [(c, ky, kx) for ky, kx, c in product(range(rows), range(columns), range(channels))]
    else:
        order = list(product(range(channels), range(rows), range(columns)))
    for c, ky, kx in order:
        y = row * op.stride[0] + ky * op.dilation[0] - op.pads[0]
        x_ = column * op.stride[1] + kx * op.dilation[1] - op.pads[1]
        inside = 0 <= y < height and 0 <= x_ < width
        pads = op.pad_value if len(op.pad_value) > 1 else op.pad_value * (first + channels)
        activation = x.number((first + c, y, x_)) if inside else pads[first + c]
        where: dict[str, Cell] = {"c": first + c, "y": y if inside else "pad", "x": x_ if inside else "pad"}
        where |= {"ky": ky, "kx": kx}
        if isinstance(op.weight, CellularWeights):
            where |= {"automaton": f"row {c} cell {out}"}
        yield _Tap(where, activation, weight_of(c, ky, kx))


def dense(op: Dense, at: Place, x: Operand) -> Steps:
    weight_of = _weights(op.weight, at[0])
    taps = [_Tap({"c": c}, x.number((c,)), weight_of(c)) for c in range(x.shape[0])]
    return _sum(f"sum of weight[{at[0]}, c] * activation[c]", taps, op.weight, op.accumulator)


def _weights(weight: IntTensor | CellularWeights, out: int) -> Callable[..., int]:
    """The weights of an output channel by place; those of a cellular automaton are generated again."""
    if isinstance(weight, CellularWeights):
        bits = [row[out] for row in _states(weight)]
        return lambda c, *_: 2 * bits[c] - 1
    values = weight.values[out]
    return lambda *place: int(values[place])


def _states(weight: CellularWeights) -> list[list[int]]:
    """The automaton's rows, the seed first: a new cell is bit 4 * left + 2 * centre + right of the rule's number."""
    rows = [list(weight.seed)]
    while len(rows) < weight.rows:
        cells = rows[-1]
        patterns = [4 * cells[i - 1] + 2 * cells[i] + cells[(i + 1) % len(cells)] for i in range(len(cells))]
        rows.append([weight.rule >> pattern & 1 for pattern in patterns])
    return rows


def _sum(formula: str, taps: list[_Tap], weight: IntTensor | CellularWeights, rule: Accumulator) -> Steps:
    code = Code.of_encoding(weight.encoding)
    rows: list[dict[str, Cell]] = []
    register, exact = 0, 0
    for number, tap in enumerate(taps, 1):
        product_ = tap.weight * tap.activation
        exact += product_
        register += product_
        last = number % (rule.fold or 1) == 0 or number == len(taps)  # of the products that are added exactly
        kept = _kept(register, rule) if last else register
        note = "" if kept == register else f"{rule.overflow}s from {register}"
        register = kept
        numbers: dict[str, Cell] = {"activation": tap.activation, "weight": tap.weight, "code": code.hex(tap.weight)}
        sums: dict[str, Cell] = {"product": product_, "sum": register, "note": note}
        rows.append({"tap": number - 1, **tap.where, **numbers, **sums})
    facts: dict[str, Cell] = {
        "products": len(rows),
        "products that are not 0": sum(row["product"] != 0 for row in rows),
        "exact sum": exact,
        "accumulator": _accumulator(rule),
    }
    return Steps(formula, tuple(rows), facts, register)


def _kept(total: int, rule: Accumulator) -> int:
    """What the register holds after an addition."""
    if rule.overflow is Overflow.WRAP:
        half = 1 << (rule.bits - 1)
        return (total + half) % (1 << rule.bits) - half
    if rule.overflow is Overflow.SATURATE:
        return min(max(total, -(1 << (rule.bits - 1))), (1 << (rule.bits - 1)) - 1)
    return total


def _accumulator(rule: Accumulator) -> str:
    order = f", order {rule.order}, {rule.fold} products an addition" if rule.sequential else ""
    return f"{rule.bits} bits, {rule.overflow}{order}"
