"""A number in the sums, as the dump itself tells: added, multiplied with, or beyond the edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intinfer.ops import Add, Conv2d, Op

from ....designs import Change, Mistake, weighted
from ....designs.mac import EXACT, Mac
from ..scopes import Scope
from ..suspect import Suspect
from .small import CHOICES, fitting, intervals


def convolution(suspect: Suspect, op: Conv2d) -> Iterator[Mistake]:
    """A constant in the sums of a convolution, or another pad value."""
    yield from constant(suspect, op)
    if suspect.dumped:
        yield from _pad_value(suspect, op)


def add(suspect: Suspect, op: Add) -> Iterator[Mistake]:
    """A constant in a sum of operands, or another multiplier of one of them."""
    yield from constant(suspect, op)
    if suspect.dumped:
        yield from _multiplier(suspect, op)


def constant(suspect: Suspect, _: Op) -> Iterator[Mistake]:
    """A constant in the sums: of the dump itself the difference, behind other nodes all small ones are tried."""
    scene = suspect.scene
    for scope in suspect.scopes:
        if suspect.dumped:
            differences = (scene.actual - scene.expected)[scope.mask & scene.wrong]
            values, counts = np.unique(differences, return_counts=True)
            for k in values[[np.argmax(counts)]].tolist() if len(values) else ():
                yield Mistake(f"{k:+d} is added", _added(suspect, k), 16)
                if len(values) == 2 and scene.bits < 62:  # some of the sums wrap in the dump's words
                    other = k - (1 << scene.bits) * (1 if k > 0 else -1)
                    yield Mistake(f"{other:+d} is added", _added(suspect, other), 16)
        elif suspect.channelwise:
            yield from _small_constants(suspect, scope)
    if suspect.dumped:
        old, new = np.unique(scene.expected[scene.wrong]), np.unique(scene.actual[scene.wrong])
        if len(old) == len(new) == 1:
            given = suspect.after(lambda y: np.where(y == old, new, y))
            yield Mistake(f"{old[0]} is given as {new[0]}", given, 256)


def _added(suspect: Suspect, k: int) -> Change:
    return suspect.after(lambda y: y + k)


def _small_constants(suspect: Suspect, scope: Scope) -> Iterator[Mistake]:
    scene = suspect.scene
    c = max(suspect.wrong_channels, key=lambda c: int(scene.wrong[:, c].sum()))
    frames = [n for n in scene.sample if scope.rows([n]).any()]
    right = suspect.right(frames)[:, c]

    def explained(k: int) -> bool:
        return scope in suspect.explains_in(Mistake("", _added(suspect, k), CHOICES), [scope])

    for k, told in intervals(fitting(suspect, c, right, np.ones_like(right), frames), explained):
        yield Mistake(f"{told} is added", _added(suspect, k), CHOICES)


def _multiplier(suspect: Suspect, op: Add) -> Iterator[Mistake]:
    """The multiplier of one operand, exactly."""
    scene = suspect.scene
    xs = suspect.operands(scene.frames)
    difference = (scene.actual - scene.expected)[scene.wrong]
    for i, x in enumerate(xs):
        at = x[scene.wrong]
        if not len(at) or at[0] == 0 or difference[0] % at[0]:
            continue
        own = op.multipliers[i]
        value = own + int(difference[0] // at[0])
        text = f"the multiplier of operand {suspect.node.inputs[i]} is {value}, not {own}"
        yield Mistake(text, weighted([*op.multipliers[:i], value, *op.multipliers[i + 1 :]]), 16)


def _pad_value(suspect: Suspect, op: Conv2d) -> Iterator[Mistake]:
    """The constant beyond the edge, from the first difference and the weights that meet it there."""
    mac = Mac.of(suspect.scene.graph, suspect.node)
    if not mac.window.padded or len(set(mac.pad_value.tolist())) > 1:
        return
    scene = suspect.scene
    at = tuple(np.argwhere(scene.wrong)[0].tolist())
    (x,) = suspect.operands(at[:1])
    beyond = replace(mac, pad_value=np.ones_like(mac.pad_value), accumulator=EXACT).run(np.zeros_like(x))[0][at[1:]]
    change, rest = divmod(int(scene.actual[at] - scene.expected[at]), int(beyond)) if beyond else (0, 1)
    own = int(mac.pad_value[0])
    if rest == 0 and mac.type.lo <= own + change <= mac.type.hi:
        other = replace(mac, pad_value=mac.pad_value + change)
        yield Mistake(f"the pad value is {own + change}, not {own}", other.run, 64)
