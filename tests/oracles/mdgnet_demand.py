"""What a normal block of MDGNet (GRETSI 2023) must compute, from its select bits alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from oracles.mdgnet_equations import Net, shuffle


@dataclass(frozen=True)
class Demand:
    """The channels of a normal block that one image needs, of each layer, as sorted tuples.

    merged: the bitshift's. gc2 (N2): the second group convolution's, in the groups gc2_groups (Q2). dealt: those
    of t, its input, which are the channels dealt_from (D) of the first group convolution. gc1 (N1): that one's.
    pw: the pointwise convolution's, whole groups pw_groups of what the first group convolution reads.
    The depthwise branch is needed whole: the select bits are known only after it.
    """

    merged: tuple[int, ...]
    gc2: tuple[int, ...]
    gc2_groups: tuple[int, ...]
    dealt: tuple[int, ...]
    dealt_from: tuple[int, ...]
    gc1: tuple[int, ...]
    pw_groups: tuple[int, ...]
    pw: tuple[int, ...]

    def macs(self, channels: int, groups: int, pixels: int) -> int:
        """Multiply-accumulates of the GCM on a map of `pixels`: C for a pointwise channel, 9 C/4g for the others."""
        tap = 9 * channels // 4 // groups
        return pixels * (len(self.pw) * channels + (len(self.gc1) + len(self.gc2)) * tap)


def demand(select: Iterable[int], groups: int) -> Demand:
    """What the GCM must compute when channel c of the block takes the merged branch where select[c] = 0.

    `select` is in the order of concat(y1, y2); `in_plain_order` brings it there from other orders.

    With a = A/g, b = a/2: N2 = {o : S[A+o] = 0}; Q2 = {o div a : o in N2};
    D = {(p mod g) * a + p div g : p in [q*b, (q+1)*b), q in Q2}; N1 = {o < A : S[o] = 0} + D;
    the pointwise convolution runs for the groups N1 touches.
    """
    bits = [int(bit) for bit in select]
    half = len(bits) // 2
    a = half // groups
    b = a // 2
    gc2 = {o for o in range(half) if not bits[half + o]}
    gc2_groups = {o // a for o in gc2}
    dealt = {p for q in gc2_groups for p in range(q * b, (q + 1) * b)}
    dealt_from = {p % groups * a + p // groups for p in dealt}
    gc1 = {o for o in range(half) if not bits[o]} | dealt_from
    pw_groups = {o // a for o in gc1}
    pw = {p for q in pw_groups for p in range(q * b, (q + 1) * b)}
    merged = {c for c, bit in enumerate(bits) if not bit}
    sets = (merged, gc2, gc2_groups, dealt, dealt_from, gc1, pw_groups, pw)
    return Demand(*(tuple(sorted(part)) for part in sets))


def in_plain_order(select: Iterable[int], groups: int, net: Net) -> list[int]:
    """The select bits for concat(y1, y2), from those of a GCM that joins its halves as `net` says."""
    bits = np.array([int(bit) for bit in select])
    half = len(bits) // 2
    first, second = (bits[half:], bits[:half]) if net.gcm_order == "21" else (bits[:half], bits[half:])
    if net.gcm_half == "shuffled":
        plain = np.empty_like(first)
        plain[shuffle(np.arange(half), groups, axis=0)] = first
        first = plain
    return [*first.tolist(), *second.tolist()]


def channels_needed(block: str, select: Iterable[int], groups: int, *, fuse: bool) -> dict[str, int]:
    """How many channels of each step of normal block `block` one image needs; `select` is in plain order.

    The steps are the convolutions, with the threshold behind them where these are not fused, the merge and the mux.
    """
    bits = [int(bit) for bit in select]
    sets = demand(bits, groups)
    convolutions = {
        f"{block}.dw": len(bits),
        f"{block}.gcm.gc1": len(sets.gc1),
        f"{block}.gcm.gc2": len(sets.gc2),
    }
    thresholds = {} if fuse else {f"{name}.act": count for name, count in convolutions.items()}
    others = {f"{block}.gcm.pw": len(sets.pw), f"{block}.shift": len(sets.merged), f"{block}.mux": len(bits)}
    return convolutions | thresholds | others
