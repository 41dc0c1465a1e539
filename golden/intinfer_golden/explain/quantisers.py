"""Ops that make a code of one number: threshold, requant, table, affine, clamp, abs."""

from __future__ import annotations

from intinfer.ops import Abs, Affine, Clamp, Requant, Table, Threshold
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor

from .element import Cell, Operand, Place, Steps


def _of_channel(tensor: IntTensor, channel: int) -> int:
    """An entry of a constant that has one a channel, or one for all."""
    return int(tensor.values[channel if tensor.shape[0] > 1 else 0])


def threshold(op: Threshold, at: Place, x: Operand) -> Steps:
    z = x.element(at)
    row = at[0] if op.thresholds.shape[0] > 1 else 0
    down = bool(op.descending.values[row])
    compare = "<=" if down else ">="
    rows: list[dict[str, Cell]] = []
    count = 0
    for j, limit in enumerate(int(t) for t in op.thresholds.values[row]):
        crossed = z.number <= limit if down else z.number >= limit
        count += crossed
        rows.append(
            {"j": j, "z": z.number, "compare": compare, "threshold": limit, "crossed": "yes" if crossed else "no"}
        )
    facts: dict[str, Cell] = {"z": z.number, "crossed": f"{count} of {len(rows)}", "base": op.base, "step": op.step}
    formula = f"base + step * number of thresholds with z {compare} threshold"
    return Steps(formula, tuple(rows), facts, op.base + op.step * count, (z,))


def requant(op: Requant, at: Place, x: Operand) -> Steps:
    z = x.element(at)
    multiplier, offset, shift = (_of_channel(t, at[0]) for t in (op.multiplier, op.offset, op.shift))
    product = z.number * multiplier + offset
    quotient, remainder = divmod(product, 1 << shift)
    up, why = _round_up(product, quotient, remainder, shift, op.rounding)
    rounded = quotient + up
    result = min(max(rounded, op.lo), op.hi)
    facts: dict[str, Cell] = {
        "z": z.number,
        "M": multiplier,
        "B": offset,
        "S": shift,
        "z * M + B": product,
        "quotient (floor)": quotient,
        "remainder": f"{remainder} of {1 << shift}",
        "rounding": f"{op.rounding}: {why}, {'+1' if up else '+0'}",
        "rounded": rounded,
        "clip": f"{op.lo}..{op.hi}" + ("" if result == rounded else f" cuts {rounded} to {result}"),
    }
    return Steps("clip(round((z * M + B) / 2^S))", (), facts, result, (z,))


def _round_up(product: int, quotient: int, remainder: int, shift: int, mode: RoundMode) -> tuple[int, str]:
    """Whether the quotient goes up by one, and why."""
    if mode is RoundMode.FLOOR or shift == 0:
        return 0, "nothing is below the shift" if shift == 0 else "always down"
    half = 1 << (shift - 1)
    if remainder != half:
        return int(remainder > half), f"the remainder is {'above' if remainder > half else 'below'} the half, {half}"
    if mode is RoundMode.HALF_UP:
        return 1, "a tie goes up"
    if mode is RoundMode.HALF_EVEN:
        return quotient % 2, f"a tie goes to the even neighbour, {quotient} is {'odd' if quotient % 2 else 'even'}"
    return int(product >= 0), f"a tie goes away from zero, {product} is {'not ' if product >= 0 else ''}negative"


def table(op: Table, at: Place, x: Operand) -> Steps:
    z = x.element(at)
    row = at[0] if op.entries.shape[0] > 1 else 0
    index = z.number - op.start
    entry = int(op.entries.values[row, index])
    facts: dict[str, Cell] = {"z": z.number, "start": op.start, "index": index, "entry": entry}
    return Steps("entries[c, z - start]", (), facts, entry, (z,))


def affine(op: Affine, at: Place, x: Operand) -> Steps:
    z = x.element(at)
    multiplier, offset = int(op.multiplier.values[at[0]]), int(op.offset.values[at[0]])
    product = z.number * multiplier
    facts: dict[str, Cell] = {"z": z.number, "M": multiplier, "z * M": product, "B": offset}
    return Steps("z * M + B", (), facts, product + offset, (z,))


def clamp(op: Clamp, at: Place, x: Operand) -> Steps:
    z = x.element(at)
    facts: dict[str, Cell] = {"z": z.number, "lo": op.lo, "hi": op.hi}
    return Steps("min(max(z, lo), hi)", (), facts, min(max(z.number, op.lo), op.hi), (z,))


def absolute(op: Abs, at: Place, x: Operand) -> Steps:
    z = x.element(at)
    facts: dict[str, Cell] = {"z": z.number, "sign": "negative" if z.number < 0 else "not negative"}
    return Steps("z or -z, whichever is not negative", (), facts, -z.number if z.number < 0 else z.number, (z,))
