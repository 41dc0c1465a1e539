"""Accumulators: of another width or rule, not cleared, or with something else in the sum."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from intinfer.accumulator import MAX_BITS, MIN_BITS, Accumulator, TapOrder, signed_bits
from intinfer.ops import Op
from intinfer.types import IntArray, IntType

from .history import delayed
from .mac import EXACT, Mac
from .mistake import Change, Mistake, ends, listed, wrapped


def mistakes(mac: Mac) -> Iterator[Mistake]:
    """Accumulators of a convolution or dense layer that work otherwise."""
    yield from _rules(mac)
    yield from _not_cleared(mac)
    yield from _products(mac)


def _rules(mac: Mac) -> Iterator[Mistake]:
    """The overflow rule at every width, the node's own first."""
    own = mac.accumulator.bits

    def summed(rule: Accumulator) -> Change:
        return lambda x: mac.run(x, rule=rule)

    def clipped(lo: int, hi: int | None) -> Change:
        return lambda x: np.clip(mac.run(x, rule=EXACT), lo, hi)

    if mac.rule is not EXACT:
        yield Mistake("the accumulator does not overflow", summed(EXACT))
    orders = [order for order in TapOrder if order is not TapOrder.KKC or not mac.dense]
    unsigned = "no negative sums"
    yield Mistake("negative sums are 0", clipped(0, None), kind=unsigned)
    widths = dict.fromkeys((own, *range(min(own, signed_bits(mac.node.output.type)) + 2, MIN_BITS - 1, -1)))
    for bits in (bits for bits in widths if MIN_BITS <= bits <= MAX_BITS):
        (lo, hi), (_, top) = ends(bits, signed=True), ends(bits, signed=False)
        if mac.rule != Accumulator.wrap(bits):
            yield Mistake(f"the accumulator wraps at {bits} bits", summed(Accumulator.wrap(bits)))
        yield Mistake(f"the sum is clipped to {bits} bits at its end, {lo}..{hi}", clipped(lo, hi))
        yield Mistake(f"the sum is clipped to {bits} bits without sign, 0..{top}", clipped(0, top), kind=unsigned)
        for order, fold in product(orders, _folds(mac)):
            other = Accumulator.saturate(bits, order, fold)
            if other != mac.rule:
                after = "each product" if fold == 1 else f"{fold} products"
                text = f"the accumulator saturates at {bits} bits after {after}, in the order {order}"
                yield Mistake(text, summed(other))


def _folds(mac: Mac) -> list[int]:
    """Products that are added before each clip: one, an input pixel's, a kernel's, the rule's own."""
    taps = mac.weight[0].size
    found = [1, mac.weight.shape[1], taps // mac.weight.shape[1], mac.rule.fold or 1]
    return list(dict.fromkeys(fold for fold in found if fold < taps))


def _not_cleared(mac: Mac) -> Iterator[Mistake]:
    """Sums that go on: from pixel to pixel, from channel to channel. From frame to frame, see `history`."""

    def carried(x: IntArray, axis_first: bool, once: bool, frames: bool) -> IntArray:
        sums = mac.run(x, rule=EXACT)
        order = sums.swapaxes(0, 1) if axis_first else np.moveaxis(sums, 1, -1)
        runs = (order.shape[0] * (1 if frames else order.shape[1])) if axis_first else 1 if frames else order.shape[0]
        flat = order.reshape(runs, -1)
        total = flat + delayed(flat.T, zero=True).T if once else flat.cumsum(axis=1)
        back = total.reshape(order.shape)
        return mac.finish(back.swapaxes(0, 1) if axis_first else np.moveaxis(back, -1, 1))

    for (axis_first, per), once, frames in product(((True, "pixel"), (False, "output")), (True, False), (False, True)):
        if mac.node.output.size == len(mac.weight) and axis_first and not frames:
            continue
        before = f"the {per} before is" if once else f"all {per}s before are"
        what = " of its channel" if axis_first else ", channel after channel"
        span = "" if frames else " of the frame"
        yield Mistake(
            f"the accumulator is not cleared: the sum of {before} added{what}{span}",
            lambda x, a=axis_first, o=once, f=frames: carried(x, a, o, f),
            history=frames,
        )

    def last(x: IntArray) -> IntArray:
        """The first pixel alone: each channel has its accumulator, which every pixel but that one begins anew."""
        sums = mac.run(x, rule=EXACT).copy()
        flat = sums.reshape(*sums.shape[:2], -1)  # a view
        for frame in range(1, len(flat)):
            flat[frame, :, 0] += flat[frame - 1, :, -1]
        return mac.finish(sums)

    if mac.node.output.size > len(mac.weight):
        text = "the accumulator is not cleared between frames: the last sum of the frame before is added to the first"
        yield Mistake(text, last, history=True)


def _products(mac: Mac) -> Iterator[Mistake]:
    """Something else than products is summed."""

    def ones_complement(x: IntArray) -> IntArray:
        """A product with a negative weight is the inverse of the bits: -a is a - 1 less."""
        taps = mac.taps(x)
        return mac.sums(taps) + mac.sums(np.ones_like(taps), np.minimum(mac.weight, 0), EXACT)

    return listed(
        {
            "the absolute values of the products are summed": lambda x: mac.sums(
                np.abs(mac.taps(x)), np.abs(mac.weight)
            ),
            "the sum is negated": lambda x: -mac.run(x),
            "the absolute value of the sum is taken": lambda x: np.abs(mac.run(x)),
            "the sum lacks its lowest bit": lambda x: mac.run(x) >> 1 << 1,
            "the sum is halved": lambda x: mac.run(x) >> 1,
            "the sum is doubled": lambda x: mac.run(x) * 2,
            "negative products are subtracted without the 1 of two's complement": ones_complement,
        }
    )


def narrowed(op: Op, type_: IntType, signed: bool | None = None) -> Iterator[Mistake]:
    """A sum of fewer bits, of a pool or of operands, than its type has; with a sign where that has one, unless `signed`
    says."""
    reference = op.reference
    signed = type_.signed if signed is None else signed
    for bits in range(1, min(type_.bits, 62)):
        lo, hi = ends(bits, signed)
        table: dict[str, Change] = {
            f"the sum wraps at {bits} bits": lambda *xs, b=bits: wrapped(reference(*xs), b, signed),
            f"the sum is clipped to {bits} bits, {lo}..{hi}": lambda *xs, e=(lo, hi): np.clip(reference(*xs), *e),
        }
        yield from listed(table, type_.bits)
