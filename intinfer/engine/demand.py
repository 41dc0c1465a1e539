"""Which channels a run needs, once the select bits of a mux are known: counted exactly, or told to rows beforehand.

A mux asks one of its branches for each channel; what that branch is made of, and nobody else reads, is not computed.
`Demand` walks from readers to what they read, with all that is known. In the compiled loop there is no walk: which
items of a step a select bit needs, as 1 and as 0, is worked out when the plan is made. Every op asks for a set of
channels what it asks for each of them, so what is needed is the union. What lies outside of a mux's own region is taken
as asked for: a mux within the branch of another skips for its own bits alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..graph import Graph, Node, Value
from ..ops.base import Selecting
from ..types import Mask

Masks = npt.NDArray[np.bool_]
MOST = 4096
"""Channels up to which a step is asked for each of them what it reads; of one with more, as after a flatten, all that
it reads is taken as asked for."""


class Made(NamedTuple):
    """A node that is computed, and the value that comes of it; with the threshold behind it, that one's."""

    node: Node
    output: Value


@dataclass(frozen=True)
class Region:
    """The steps whose demand becomes smaller once the select bits of the mux at step `mux` are known.

    `after` is the step that computes the select bits; `steps` are steps after it that the mux reads, in order.
    """

    mux: int
    after: int
    steps: tuple[int, ...]


def regions(made: Sequence[Made]) -> tuple[Region, ...]:
    """Find for each mux, in order of its select, the steps between the two that the mux's branches read."""
    made_by = {step.output.name: i for i, step in enumerate(made)}
    found = []
    for m, (node, _) in enumerate(made):
        if not isinstance(node.op, Selecting):
            continue
        select, *branches = node.inputs
        after = made_by.get(select, -1)
        inside: set[int] = set()
        pending = list(branches)
        while pending:
            i = made_by.get(pending.pop(), -1)
            if i > after and i not in inside:
                inside.add(i)
                pending.extend(made[i].node.inputs)
        found.append(Region(m, after, tuple(sorted(inside))))
    return tuple(sorted(found, key=lambda region: region.after))


class Needs(NamedTuple):
    """The channels of a step that are needed in any case (C,), if a mux's select bit is 1, and if it is 0 (bits, C)."""

    always: Mask
    one: Masks
    zero: Masks

    def of(self, items: npt.NDArray[np.int64]) -> Needs:
        """The same of items, of which each channel has one."""
        member = np.eye(int(items.max(initial=-1)) + 1, dtype=np.float32)[items]
        return Needs(*(channels @ member > 0 for channels in self))

    @property
    def saves(self) -> bool:
        """Whether there are select bits that leave something out."""
        return not (self.always | (self.one & self.zero).any(axis=0)).all()


class Demand:
    """The channels of every step that a run needs.

    Args:
        made: the steps, in order.
        whole: those that are computed as a whole.
    """

    def __init__(self, graph: Graph, made: Sequence[Made], whole: Sequence[bool]) -> None:
        self._made, self._whole = made, whole
        self._operands = [graph.operands(node) for node, _ in made]
        made_by = {step.output.name: i for i, step in enumerate(made)}
        self._readers: list[list[tuple[int, int]]] = [[] for _ in made]
        for i, (node, _) in enumerate(made):
            for position, name in enumerate(node.inputs):
                if name in made_by:
                    self._readers[made_by[name]].append((i, position))
        self.regions = regions(made)

    def masks(self, selects: Mapping[int, Mask]) -> list[Mask]:
        """For each step a mask of its channels, given the select bits (C,) of muxes by step."""
        masks = [np.ones(step.output.shape[0], dtype=bool) for step in self._made]
        known: dict[int, Mask] = {}
        for region in self.regions:  # readers come last, so each walk is backward
            if region.mux not in selects:
                continue
            known[region.mux] = selects[region.mux]
            for i in reversed(region.steps):
                if not self._whole[i]:
                    masks[i] = np.zeros_like(masks[i])
                    for reader, position in self._readers[i]:
                        masks[i] |= self._asks(reader, masks[reader], known.get(reader))[position]
        return masks

    def _asks(self, reader: int, mask: Mask, select: Mask | None = None) -> tuple[Mask, ...]:
        return self._made[reader].node.op.demand(self._operands[reader], mask, select)

    def needs(self, region: Region) -> dict[int, Needs]:
        """What the select bits of a region's mux need of its steps."""
        bits = self._made[region.mux].output.shape[0]
        found: dict[int, Needs] = {}
        for i in reversed(region.steps):
            size = self._made[i].output.shape[0]
            always, one, zero = np.full(size, self._whole[i]), *np.zeros((2, bits, size), dtype=bool)
            for reader, position in self._readers[i]:
                if reader == region.mux:
                    one |= self._each(reader, position, np.ones(bits, dtype=bool))
                    zero |= self._each(reader, position, np.zeros(bits, dtype=bool))
                elif reader in found and self._made[reader].output.shape[0] <= MOST:
                    asks = self._each(reader, position).astype(np.float32)  # products of these are fast
                    for mine, its in zip((always, one, zero), found[reader], strict=True):
                        mine |= its @ asks > 0
                else:
                    always[:] = True
            found[i] = Needs(always, one, zero)
        return found

    def _each(self, reader: int, position: int, select: Mask | None = None) -> Masks:
        """(C, its channels) what each channel of a step asks of one of its inputs."""
        channels = np.eye(self._made[reader].output.shape[0], dtype=bool)
        return np.array([self._asks(reader, channel, select)[position] for channel in channels])
