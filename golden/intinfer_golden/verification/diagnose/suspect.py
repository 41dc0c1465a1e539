"""A node under suspicion: what the dump would hold if it, and it alone, gave something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from intinfer.graph import Node
from intinfer.ops import Conv2d, Dense, Mux, Op, Table, Tgap
from intinfer.ops.base import Channelwise
from intinfer.types import IntArray, Mask

from ...designs import Change, Mistake, of_channel, wrapped
from ...designs.mac import Mac
from ...designs.orders import matched
from .scene import CHUNK, Scene, seen_along, work
from .scopes import Scope, scopes_of

_FIXED = 1e4
"""Elements that a try costs whatever its size."""


@dataclass(frozen=True, eq=False)
class Suspect:
    """A node whose mistake the dump may show, and the nodes that carry it on from there to the dump.

    Attributes:
        path: after the node, in graph order; the last is the one that was dumped.
    """

    scene: Scene
    node: Node
    path: tuple[Node, ...]

    @property
    def op(self) -> Op:
        """The node's op."""
        return self.node.op

    @property
    def dumped(self) -> bool:
        """Whether the dump is the node's own."""
        return not self.path

    @cached_property
    def reference(self) -> Change:
        """The op; an accumulator that traps is exact, as in a design."""
        return Mac.of(self.scene.graph, self.node).run if isinstance(self.op, Conv2d | Dense) else self.op.reference

    def after(self, change: Change) -> Change:
        """The op with its result changed."""
        reference = self.reference
        return lambda *xs: change(reference(*xs))

    def before(self, i: int, change: Change) -> Change:
        """The op with operand `i` changed."""
        reference = self.reference
        return lambda *xs: reference(*xs[:i], change(xs[i]), *xs[i + 1 :])

    @property
    def channels(self) -> int:
        """Channels of the node's result."""
        return self.node.output.shape[0]

    def operands(self, frames: Sequence[int]) -> list[IntArray]:
        """What the node reads when nothing is wrong, each int64 (len(frames), *shape)."""
        return [self.scene.right(name, frames) for name in self.node.inputs]

    def right(self, frames: Sequence[int]) -> IntArray:
        """What the node gives when nothing is wrong."""
        return self.scene.right(self.node.name, frames)

    # ------------------------------------------------------------------------------------------- whole tensors

    def explains(self, mistake: Mistake) -> Scope | None:
        """Where the dump is, value by value, what this mistake makes, being right elsewhere; None if nowhere."""
        found = self.explains_in(mistake, self.scopes)
        return found[0] if found else None

    def explains_in(self, mistake: Mistake, scopes: list[Scope]) -> list[Scope]:
        """Those of some scopes that explain the dump; a few frames are tried before all are."""
        scene = self.scene
        alive = [s for s in scopes if scene.evidence.convinces(mistake.choices * s.choices, mistake.placed)]
        if mistake.history:
            few = scene.frames[: scene.wrong_frames[0] + 3]
            parts = [few, scene.frames] if len(few) < len(scene.frames) else [scene.frames]
        else:
            parts = [scene.wrong_frames[:1], scene.sample, *scene.chunks(self.cost)]
        for part in parts:
            alive = self._alive(mistake, part, alive)
        return alive

    @cached_property
    def scopes(self) -> list[Scope]:
        """Where a mistake may have been made; in some channels alone only if these are the node's own."""
        return scopes_of(self.scene, self.channelwise)

    @cached_property
    def cost(self) -> float:
        """What one frame costs to compute, in elements."""
        return sum(work(node, self.scene.graph) for node in (self.node, *self.path))

    def _alive(self, mistake: Mistake, frames: list[int], scopes: list[Scope]) -> list[Scope]:
        """Those of some scopes in which these frames are as the mistake makes them."""
        if not scopes or not self.scene.budget.take(_FIXED + len(frames) * self.cost):
            return []
        with np.errstate(all="ignore"):  # absurd values overflow on the way, and then differ
            try:
                if mistake.history:
                    return self._alive_in_time(mistake, frames, scopes)
                return self.alive(mistake.values(*self.operands(frames)), frames, scopes)
            except IndexError:  # a place that the op does not have: nothing to compute
                return []

    def _alive_in_time(self, mistake: Mistake, frames: list[int], scopes: list[Scope]) -> list[Scope]:
        """The same of frames one after the other, from the dump's first on."""
        told = frames if len(frames) == len(self.scene.frames) else frames[:-1]  # the last may need the one after it
        for seen, places in self.scene.histories(frames):
            values = mistake.values(*(self.scene.values.get(name, seen) for name in self.node.inputs))[places]
            if kept := self.alive(values[: len(told)], told, scopes):
                return kept
        return []

    def alive(self, values: IntArray, frames: Sequence[int], scopes: list[Scope]) -> list[Scope]:
        """Those of some scopes in which the node's `values` make the dump, all other values being right.

        The values count as they are, or else cut to the bits that the node's have.
        """
        rows = list(frames)
        right = ~self.scene.wrong[rows]
        for variant in self._variants(values):
            found = self.carried(variant, frames)
            if found is None:
                continue
            same = self.scene.same(found, self.scene.actual[rows]) | ~self.scene.asked[rows]
            if kept := [s for s in scopes if np.where(s.rows(rows), same, right).all()]:
                return kept
        return []

    def _variants(self, values: IntArray) -> Iterator[IntArray]:
        yield values
        type_ = self.node.output.type
        if self.path and ((values < type_.lo) | (values > type_.hi)).any():
            yield wrapped(values, type_.bits, type_.signed)

    def carried(self, values: IntArray, frames: Sequence[int], channel: int | None = None) -> IntArray | None:
        """What the dump holds then, of all channels or of one; None where a node on the way is not defined for it.

        `values` may be several tries, one after the other, each of these frames.
        """
        made = {self.node.name: values}
        part = slice(None) if channel is None else slice(channel, channel + 1)

        def right(name: str) -> IntArray:
            return np.concatenate([self.scene.right(name, frames)[:, part]] * (len(values) // len(frames)))

        for node in self.path:
            op = node.op if channel is None else of_channel(node.op, channel)
            inputs = [made[x] if x in made else right(x) for x in node.inputs]
            if isinstance(op, Table) and ((inputs[0] < op.start) | (inputs[0] >= op.start + op.entries.shape[1])).any():
                return None
            made[node.name] = op.reference(*inputs)
        return made[self.scene.node.name]

    # ----------------------------------------------------------------------------------------- channel by channel

    @cached_property
    def channelwise(self) -> bool:
        """Whether channel c of the dump comes from channel c of the node and from no other."""
        made = {self.node.name}
        for node in self.path:
            mixes = isinstance(node.op, Mux) and node.inputs[0] in made
            if not isinstance(node.op, Channelwise | Mux) or isinstance(node.op, Tgap) or mixes:
                return False
            made.add(node.name)
        return True

    @cached_property
    def wrong_channels(self) -> list[int]:
        """The channels of the dump that differ."""
        return np.flatnonzero(seen_along(self.scene.wrong, 1)).tolist()

    @property
    def wrong_channel(self) -> int | None:
        """The only one of these; None where there are several."""
        return self.wrong_channels[0] if len(self.wrong_channels) == 1 else None

    def sources(self, made: Callable[[int], IntArray], frames: Sequence[int]) -> list[int] | None:
        """Which of the channels each of the dump's is, those being right that do not differ.

        Args:
            made: (channels, len(frames), *one channel's shape), what one channel would be as each of them.

        Returns None where one is none of them, and for an order that is tried without looking at the dump. Only where
        `channelwise`.
        """
        candidates = {}
        for c in self.wrong_channels:
            candidates[c] = np.flatnonzero(self.channel_fits(c, made(c), frames)).tolist()
            if not candidates[c]:
                return None
        return matched(self.channels, candidates)

    def channel_fits(self, channel: int, values: IntArray, frames: Sequence[int]) -> Mask:
        """(K,): whether values (K, len(frames), *one channel's shape) of one channel make its part of the dump.

        Only where `channelwise`.
        """
        fits = np.zeros(len(values), dtype=bool)
        for part, found, actual, asked in self._channel_results(channel, values, frames):
            same = self.scene.same(found, actual) | ~asked
            fits[part] = same.reshape(len(found), -1).all(axis=1)
        return fits

    def channel_distances(self, channel: int, values: IntArray, frames: Sequence[int]) -> IntArray:
        """(K,): how far from the dump such values are, summed over all that count."""
        distances = np.full(len(values), np.iinfo(np.int64).max >> 8)
        for part, found, actual, asked in self._channel_results(channel, values, frames):
            apart = np.where(asked, np.minimum(np.abs(found - actual), 2**30), 0)
            distances[part] = apart.reshape(len(found), -1).sum(axis=1)
        return distances

    def _channel_results(
        self, channel: int, values: IntArray, frames: Sequence[int]
    ) -> Iterator[tuple[slice, IntArray, IntArray, Mask]]:
        """Some of the tries, what the dump would be, what it is, and which of it counts."""
        tries, count = values.shape[:2]
        rows = list(frames)
        asked = self.scene.asked[rows, channel : channel + 1]
        actual = self.scene.actual[rows, channel : channel + 1]
        size = max(1, int(np.prod(values.shape[1:])) * (1 + len(self.path)))
        if not self.scene.budget.take(_FIXED + 8 * tries * size):
            return
        step = max(1, CHUNK // size)
        for start in range(0, tries, step):
            part = values[start : start + step]
            found = self.carried(part.reshape(-1, 1, *part.shape[2:]), frames, channel)
            if found is not None:
                yield slice(start, start + step), found.reshape(len(part), count, *actual.shape[1:]), actual, asked


def suspects(scene: Scene) -> Iterator[Suspect]:
    """The node of the dump, then those before it, nearest first."""
    graph = scene.graph
    distance = {scene.node.name: 0}
    for node in reversed(graph.nodes):
        if node.name in distance:
            for name in node.inputs:
                distance[name] = min(distance.get(name, 10**9), distance[node.name] + 1)
    near = sorted(distance.keys() & graph.node_by_name.keys(), key=lambda name: (distance[name], -graph.place[name]))
    for name in near:
        after = {name}
        for node in graph.nodes:
            if after & set(node.inputs):
                after.add(node.name)
        path = tuple(n for n in graph.nodes if n.name in after and n.name in distance and n.name != name)
        yield Suspect(scene, graph.node_by_name[name], path)


Family = Callable[[Suspect, Any], Iterator[Mistake]]
"""Mistakes of one kind at a node; its op stands behind it for its type."""
