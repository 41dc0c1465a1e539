"""Groups that have the weights or the inputs of others, in any order: each output channel of the dump tells whose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from .macs import Mac
from .mistake import Mistake
from .orders import channel_orders, described, matched
from .suspect import Suspect

MAX_CHANNELS = 512
"""Output channels among which the one is looked for whose weights another has."""


def mistakes(suspect: Suspect, op: Conv2d | Dense) -> Iterator[Mistake]:
    mac = Mac.of(op)
    if mac.groups == 1 or not suspect.channelwise or len(mac.weight) > MAX_CHANNELS:
        return
    (x,) = suspect.operands(suspect.scene.sample)
    outputs, own = len(mac.weight), suspect.node.output.size // suspect.channels
    tries = len(suspect.wrong_channels) * outputs * own * mac.weight[0].size * len(x)
    if suspect.scene.budget.take(tries):
        yield from _inputs(suspect, mac, x)
        yield from _weights(suspect, mac, x)


def _inputs(suspect: Suspect, mac: Mac, x: IntArray) -> Iterator[Mistake]:
    """Each group with a difference reads the input channels of another one."""
    count, size = mac.groups, len(mac.weight) // mac.groups
    grouped = mac.weight.reshape(count, size, *mac.weight.shape[1:])
    candidates = {}
    for g in sorted({o // size for o in suspect.wrong_channels}):
        every = mac.run(x, np.tile(grouped[g], (count, 1, 1, 1)))
        fits = np.ones(count, dtype=bool)
        for row in range(size):
            values = every[:, row::size].swapaxes(0, 1)
            fits &= suspect.channel_fits(g * size + row, values, suspect.scene.sample)
        candidates[g] = np.flatnonzero(fits).tolist()
    source = matched(count, candidates)
    if source is None or _usual(source):
        return
    channels = np.arange(mac.inputs).reshape(count, -1)[source].reshape(-1)
    moved = [g for g in range(count) if source[g] != g]
    yield Mistake(
        _inputs_text(source, moved, depthwise=channels.tolist() == source),
        lambda x: mac.run(x[:, channels]),
        count ** len(moved),
    )


def _inputs_text(source: list[int], moved: list[int], *, depthwise: bool) -> str:
    if len(moved) == 1:
        (g,) = moved
        if depthwise:
            return f"output channel {g} reads input channel {source[g]}, not {g}"
        return f"group {g} reads the input channels of group {source[g]}, not its own"
    if depthwise:
        return f"the input's channels are permuted: {described(source)}"
    return f"groups read the input channels of others: {described(source)}"


def _weights(suspect: Suspect, mac: Mac, x: IntArray) -> Iterator[Mistake]:
    """Each output channel that differs has the weights of another one, of any group."""
    outputs, size = len(mac.weight), len(mac.weight) // mac.groups
    candidates = {}
    for o in suspect.wrong_channels:
        every = replace(mac.one_output(o), weight=mac.weight).run(x[:, mac.group_of(o)])
        fits = suspect.channel_fits(o, every.swapaxes(0, 1), suspect.scene.sample)
        candidates[o] = np.flatnonzero(fits).tolist()
    source = matched(outputs, candidates)
    if source is None or _usual(source) or all(k // size == o // size for o, k in enumerate(source)):
        return  # inside the groups the outputs themselves are permuted
    moved = sum(k != o for o, k in enumerate(source))
    groups = [k // size for k in source[::size]]
    text = f"output channels of the weights are permuted: {described(source)}"
    if size > 1 and source == [g * size + row for g in groups for row in range(size)]:
        if _usual(groups):
            return
        text = f"groups of the weights are permuted: {described(groups)}"
    elif moved == 1:
        o = next(o for o, k in enumerate(source) if k != o)
        text = f"output channel {o} has the weights of channel {source[o]}"
    weight = mac.weight[source]
    yield Mistake(text, lambda x: mac.run(x, weight), outputs**moved)


def _usual(source: list[int]) -> bool:
    """Whether this order, or none, was tried before."""
    count = len(source)
    return source == list(range(count)) or any(source == order.tolist() for _, order, _ in channel_orders(count))
