"""Input channels in any order: found by exchanging two at a time as long as that comes nearer to the dump."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from .macs import EXACT, Mac
from .mistake import Mistake
from .orders import channel_orders, described
from .suspect import Suspect

MAX_CHANNELS = 256
"""Input channels of a group whose order is looked for."""
OUTPUTS, PIXELS = 8, 128
"""Output channels that the search looks at, and the pixels of each that it needs; whole frames of them."""
CHEAP = 2**22
"""Work of one step of the search up to which it looks at more output channels."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    mac = Mac.of(op)
    if not suspect.channelwise or mac.rule.sequential:
        return
    if 2 < mac.weight.shape[1] <= MAX_CHANNELS:
        yield from _of_groups(suspect, mac)


def _of_groups(suspect: Suspect, mac: Mac) -> Iterator[Mistake]:
    """The same order in each group."""
    count = mac.weight.shape[1]
    each_frame = suspect.node.output.size // suspect.channels
    frames = suspect.scene.wrong_frames[: -(-PIXELS // each_frame)]
    (x,) = suspect.operands(frames)
    shape = (len(frames), *suspect.node.output.shape[1:])
    pixels = int(np.prod(shape))
    most = max(OUTPUTS, CHEAP // (count * count * pixels))
    outputs = sorted(suspect.wrong_channels, key=lambda c: -int(suspect.scene.wrong[:, c].sum()))[:most]
    work = count * count * pixels * len(outputs)
    if work > 2**26 or not suspect.scene.budget.take(4 * work):
        return
    made = {o: _parts(mac, o, x) for o in outputs}
    order, (a, b) = np.arange(count), np.triu_indices(count, 1)
    nearest = None
    for _ in range(2 * count):
        distances = np.zeros(len(a) + 1, dtype=np.int64)  # the last try leaves all as it is
        for o, part in made.items():
            now = part[np.arange(count), order]
            total = now.sum(axis=0)
            tries = total - now[a] - now[b] + part[a, order[b]] + part[b, order[a]]
            sums = np.concatenate([tries, total[None]])
            sums = sums if mac.rule is EXACT else mac.rule.wrap_sum(sums)
            distances += suspect.channel_distances(o, sums.reshape(-1, *shape), frames)
        best = int(np.argmin(distances))
        if best == len(a) or (nearest is not None and distances[best] >= nearest):
            return
        nearest = int(distances[best])
        order[[a[best], b[best]]] = order[[b[best], a[best]]]
        if nearest == 0:
            break
    else:
        return
    if any(order.tolist() == source.tolist() for _, source, _ in channel_orders(count)):
        return  # tried before
    each = " of each group" if mac.groups > 1 else ""
    moved = [int(c) for c in np.flatnonzero(order != np.arange(count))]
    text = f"input channels{each} of the weights are permuted: {described(np.argsort(order).tolist())}"
    if len(moved) == 2:
        text = f"input channels {moved[0]} and {moved[1]}{each} of the weights are exchanged"
    weight = mac.weight[:, np.argsort(order)]
    yield Mistake(text, lambda x: mac.run(x, weight), factorial(count), kind="order")


def _parts(mac: Mac, o: int, x: IntArray) -> IntArray:
    """(I, I, pixels): the sum that the weights of input i make of input channel j."""
    one = mac.one_output(o)
    taps = one.taps(x[:, mac.group_of(o)])
    count = taps.shape[1]
    flat = taps.transpose(1, 0, 2, 3, 4, 5).reshape(count, -1, taps.shape[4] * taps.shape[5])
    parts: IntArray = np.einsum("ik,jpk->ijp", one.weight.reshape(count, -1), flat)
    return parts
