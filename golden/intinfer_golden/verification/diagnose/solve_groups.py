"""Groups that have the weights or the inputs of others, in any order: each output channel of the dump tells whose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Conv2d, Dense
from intinfer.types import IntArray

from .macs import Mac
from .mistake import Mistake
from .orders import described, matched, moved, usual
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
    if source is None:
        return
    channels = np.arange(mac.inputs).reshape(count, -1)[source].reshape(-1)
    text = _inputs_text(source, depthwise=channels.tolist() == source)
    yield Mistake(text, lambda x: mac.run(x[:, channels]), count ** len(moved(source)))


def _inputs_text(source: list[int], *, depthwise: bool) -> str:
    if len(moved(source)) == 1:
        (g,) = moved(source)
        if depthwise:
            return f"output channel {g} reads input channel {source[g]}, not {g}"
        return f"group {g} reads the input channels of group {source[g]}, not its own"
    what = "the input's channels are permuted" if depthwise else "groups read the input channels of others"
    return f"{what}: {described(source)}"


def _weights(suspect: Suspect, mac: Mac, x: IntArray) -> Iterator[Mistake]:
    """Each output channel that differs has the weights of another one, of any group."""
    outputs, size = len(mac.weight), len(mac.weight) // mac.groups

    def made(o: int) -> IntArray:
        return replace(mac.one_output(o), weight=mac.weight).run(x[:, mac.group_of(o)]).swapaxes(0, 1)

    source = suspect.sources(made, suspect.scene.sample)
    if source is None or all(k // size == o // size for o, k in enumerate(source)):
        return  # inside the groups the outputs themselves are permuted
    places = moved(source)
    groups = [k // size for k in source[::size]]
    text = f"output channels of the weights are permuted: {described(source)}"
    if size > 1 and source == [g * size + row for g in groups for row in range(size)]:
        if usual(groups):
            return
        text = f"groups of the weights are permuted: {described(groups)}"
    elif len(places) == 1:
        text = f"output channel {places[0]} has the weights of channel {source[places[0]]}"
    yield Mistake(text, lambda x: mac.run(x, mac.weight[source]), outputs ** len(places))
