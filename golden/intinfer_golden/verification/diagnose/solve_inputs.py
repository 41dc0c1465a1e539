"""Input channels in any order: found by exchanging two at a time as long as that comes nearer to the dump."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from .macs import Mac
from .mistake import Mistake
from .orders import described, moved, usual
from .suspect import Suspect

MAX_CHANNELS = 256
"""Input channels of a group whose order is looked for."""
OUTPUTS, PIXELS = 8, 128
"""Output channels that the search looks at, and the pixels of each that it needs; whole frames of them."""
CHEAP = 2**22
"""Work of one step of the search up to which it looks at more output channels."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    mac = Mac.of(op)
    count = mac.weight.shape[1]
    if not suspect.channelwise or mac.rule.sequential or not 2 < count <= MAX_CHANNELS:
        return
    order = _order(suspect, mac)
    if order is None or usual(order):
        return
    each = " of each group" if mac.groups > 1 else ""
    places, source = moved(order), np.argsort(order)
    text = f"input channels{each} of the weights are permuted: {described(source.tolist())}"
    if len(places) == 2:
        text = f"input channels {places[0]} and {places[1]}{each} of the weights are exchanged"
    yield Mistake(text, lambda x: mac.run(x, mac.weight[:, source]), factorial(count), kind="order")


def _order(suspect: Suspect, mac: Mac) -> list[int] | None:
    """The order of the input channels, the same in each group, in which the outputs are the dump's; None where the
    search ends elsewhere."""
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
        return None
    made = {o: _parts(mac, o, x) for o in outputs}
    order, (a, b) = np.arange(count), np.triu_indices(count, 1)
    nearest = np.iinfo(np.int64).max
    for _ in range(2 * count):
        distances = np.zeros(len(a) + 1, dtype=np.int64)  # the last try leaves all as it is
        for o, part in made.items():
            now = part[np.arange(count), order]
            total = now.sum(axis=0)
            tries = total - now[a] - now[b] + part[a, order[b]] + part[b, order[a]]
            sums = mac.finish(np.concatenate([tries, total[None]]))
            distances += suspect.channel_distances(o, sums.reshape(-1, *shape), frames)
        best = int(np.argmin(distances))
        if best == len(a) or distances[best] >= nearest:
            return None
        nearest = distances[best]
        order[[a[best], b[best]]] = order[[b[best], a[best]]]
        if nearest == 0:
            return order.tolist()
    return None


def _parts(mac: Mac, o: int, x: IntArray) -> IntArray:
    """(I, I, pixels): the sum that the weights of input i make of input channel j."""
    one = mac.one_output(o)
    taps = one.taps(x[:, mac.group_of(o)])
    count = taps.shape[1]
    flat = taps.transpose(1, 0, 2, 3, 4, 5).reshape(count, -1, taps.shape[4] * taps.shape[5])
    parts: IntArray = np.einsum("ik,jpk->ijp", one.weight.reshape(count, -1), flat)
    return parts
