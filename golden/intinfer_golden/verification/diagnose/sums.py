"""Accumulators: of another width or rule, not cleared, or with something else in the sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from intinfer.accumulator import MAX_BITS, MIN_BITS, Accumulator, Overflow, TapOrder, signed_bits
from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray, IntType

from .macs import EXACT, Mac
from .mistake import Mistake
from .suspect import Suspect


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    mac = Mac.of(op)
    yield from _rules(suspect, mac)
    yield from _not_cleared(suspect, mac)
    for text, change in _products():
        yield Mistake(text, lambda x, change=change: change(mac, x))


def _rules(suspect: Suspect, mac: Mac) -> Iterator[Mistake]:
    """The overflow rule at every width, the node's own first."""
    node, rule = suspect.node, mac.rule
    own = suspect.op.accumulator.bits  # type: ignore[attr-defined]
    if rule is not EXACT:
        yield Mistake("the accumulator does not overflow", lambda x: mac.run(x, rule=EXACT))
    widths = [
        own,
        *(bits for bits in range(min(own, signed_bits(node.output.type)) + 2, MIN_BITS - 1, -1) if bits != own),
    ]
    orders = [order for order in TapOrder if order is not TapOrder.KKC or not isinstance(suspect.op, Dense)]
    yield Mistake("negative sums are 0", lambda x: np.maximum(mac.run(x, rule=EXACT), 0), kind="no negative sums")
    for bits in (bits for bits in widths if MIN_BITS <= bits <= MAX_BITS):
        lo, hi = IntType.twos_complement(bits).lo, IntType.twos_complement(bits).hi
        wrap = Accumulator.wrap(bits)
        if rule != wrap:
            yield Mistake(f"the accumulator wraps at {bits} bits", lambda x, w=wrap: mac.run(x, rule=w))
        yield Mistake(
            f"the sum is clipped to {bits} bits at its end, {lo}..{hi}",
            lambda x, lo=lo, hi=hi: np.clip(mac.run(x, rule=EXACT), lo, hi),
        )
        yield Mistake(
            f"the sum is clipped to {bits} bits without sign, 0..{2 * hi + 1}",
            lambda x, hi=hi: np.clip(mac.run(x, rule=EXACT), 0, 2 * hi + 1),
            kind="no negative sums",
        )
        for order, fold in product(orders, _folds(mac)):
            other = Accumulator.saturate(bits, order, fold)
            if other != rule:
                after = "each product" if fold == 1 else f"{fold} products"
                text = f"the accumulator saturates at {bits} bits after {after}, in the order {order}"
                yield Mistake(text, lambda x, other=other: mac.run(x, rule=other))


def _folds(mac: Mac) -> list[int]:
    """Products that are added before each clip: one, an input pixel's, a kernel's, the rule's own."""
    taps = int(np.prod(mac.weight.shape[1:]))
    found = [1, mac.weight.shape[1], taps // mac.weight.shape[1], mac.rule.fold or 1]
    return list(dict.fromkeys(fold for fold in found if fold < taps))


def _not_cleared(suspect: Suspect, mac: Mac) -> Iterator[Mistake]:
    """Sums that go on: from pixel to pixel, from channel to channel. From frame to frame, see `history`."""
    finish = _finish(mac)

    def carried(x: IntArray, axis_first: bool, once: bool, frames: bool) -> IntArray:
        sums = mac.run(x, rule=EXACT)
        order = sums.swapaxes(0, 1) if axis_first else np.moveaxis(sums, 1, -1)
        flat = order.reshape(*((order.shape[0], -1) if axis_first or not frames else (1, -1)))
        if axis_first and not frames:
            flat = order.reshape(order.shape[0] * order.shape[1], -1)
        total = flat.cumsum(axis=1)
        if once:
            total = flat.copy()
            total[:, 1:] += flat[:, :-1]
        back = total.reshape(order.shape)
        return finish(back.swapaxes(0, 1) if axis_first else np.moveaxis(back, -1, 1))

    for (axis_first, per), once, frames in product(((True, "pixel"), (False, "output")), (True, False), (False, True)):
        if suspect.node.output.size == suspect.channels and axis_first and not frames:
            continue
        before = f"the {per} before is" if once else f"all {per}s before are"
        what = " of its channel" if axis_first else ", channel after channel"
        span = "" if frames else " of the frame"
        yield Mistake(
            f"the accumulator is not cleared: the sum of {before} added{what}{span}",
            lambda x, a=axis_first, o=once, f=frames: carried(x, a, o, f),
            history=frames,
        )


def _finish(mac: Mac) -> Callable[[IntArray], IntArray]:
    """The rule at the end of a sum."""
    if mac.rule.overflow is Overflow.WRAP:
        return mac.rule.wrap_sum
    lo, hi = (-(2**62), 2**62) if mac.rule is EXACT else (mac.rule.type.lo, mac.rule.type.hi)
    return lambda total: np.clip(total, lo, hi)


def _products() -> Iterator[tuple[str, Callable[[Mac, IntArray], IntArray]]]:
    """Something else than products is summed."""
    yield (
        "the absolute values of the products are summed",
        lambda mac, x: mac.sums(np.abs(mac.taps(x)), np.abs(mac.weight)),
    )
    yield "the sum is negated", lambda mac, x: -mac.run(x)
    yield "the absolute value of the sum is taken", lambda mac, x: np.abs(mac.run(x))
    yield "the sum lacks its lowest bit", lambda mac, x: mac.run(x) >> 1 << 1
    yield "the sum is halved", lambda mac, x: mac.run(x) >> 1
    yield "the sum is doubled", lambda mac, x: mac.run(x) * 2
    yield "negative products are subtracted without the 1 of two's complement", _ones_complement


def _ones_complement(mac: Mac, x: IntArray) -> IntArray:
    """A product with a negative weight is the inverse of the bits: -a is a - 1 less."""
    taps = mac.taps(x)
    return mac.sums(taps) + mac.sums(np.ones_like(taps), np.minimum(mac.weight, 0), EXACT)
