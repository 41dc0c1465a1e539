"""Running a plan: one arena and one set of scratch arrays a thread, images one by one, channels as demanded."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ..errors import GraphError, RangeError
from ..graph import Graph, Value
from ..inputs import Arrays, Batch
from ..kernels.base import Array, container
from ..types import IntArray, Mask
from .plan import Plan, Region, make_plan, may_trap


@dataclass
class SkipCounts:
    """What skipping did over a number of images: channels computed by step name, and how many of a mux's computed
    channels had their select bit set, by mux name."""

    images: int = 0
    channels: dict[str, int] = field(default_factory=dict)
    selected: dict[str, int] = field(default_factory=dict)


class Session:
    """A plan ready to run on any number of images.

    Args:
        graph: what to run.
        skip: compute only demanded channels; without it every channel, with the same result.
        fuse, every_value: see `make_plan`; with every value nothing is fused or skipped.
    """

    def __init__(self, graph: Graph, *, skip: bool = True, fuse: bool = True, every_value: bool = False) -> None:
        self.plan = make_plan(graph, fuse=fuse, every_value=every_value)
        self.skip = skip and not every_value and bool(self.plan.regions)
        self._idle: list[_Worker] = []

    def run(
        self, images: Arrays | Batch, *, threads: int = 1, poison: bool = False, counts: SkipCounts | None = None
    ) -> dict[str, IntArray]:
        """Outputs by name, int64 (N, *shape), equal to `reference.run` bit for bit. Errors as there.

        Args:
            threads: images are shared out among as many threads, at least 1.
            poison: fill the memory with garbage before each image (to prove that nothing undemanded is read, and
                nothing of the image before).
            counts: collects what was computed; the images then run on one thread.
        """
        if threads < 1:
            raise GraphError(f"{threads} threads: at least 1 is needed")
        if counts is not None:
            threads = 1
        batch = Batch.of(self.plan.graph, images)
        values = self.plan.graph.values
        outputs = {
            name: np.empty((batch.count, *values[value].shape), dtype=np.int64)
            for name, value in self.plan.results.items()
        }
        parts = [range(start, batch.count, threads) for start in range(min(threads, batch.count))]

        def work(part: range) -> None:
            try:
                worker = self._idle.pop()
            except IndexError:  # all at work, or none made yet
                worker = _Worker(self.plan, self.skip)
            worker.poison, worker.counts = poison, counts
            for image in part:
                worker.run({name: array[image] for name, array in batch.arrays.items()}, outputs, image)
            self._idle.append(worker)

        if len(parts) < 2:
            for part in parts:
                work(part)
        else:
            with ThreadPoolExecutor(len(parts)) as pool:
                list(pool.map(work, parts))
        return outputs


class _Worker:
    """One thread's memory; it serves one run after another."""

    poison = False
    counts: SkipCounts | None = None

    def __init__(self, plan: Plan, skip: bool) -> None:
        self.plan = plan
        self.arena = np.zeros(plan.arena_bytes, dtype=np.uint8)
        graph = plan.graph
        made = [*graph.inputs, *(step.output for step in plan.steps)]
        self.values = {value.name: self._view(value) for value in made}
        self.scratch = [step.kernel.scratch() for step in plan.steps]
        self.inputs = [[self.values[name] for name in step.node.inputs] for step in plan.steps]
        self.all_channels = [np.arange(step.output.shape[0]) for step in plan.steps]
        self.regions: dict[int, list[Region]] = {}
        for region in plan.regions if skip else ():
            self.regions.setdefault(region.after, []).append(region)
        self.demand = _Demand(plan)

    def _view(self, value: Value) -> Array:
        start = self.plan.offsets[value.name]
        dtype = container(value.type)
        raw = self.arena[start : start + value.size * dtype.itemsize]
        view: Array = raw.view(dtype).reshape(value.shape)
        return view

    def run(self, inputs: Mapping[str, Array], outputs: Mapping[str, IntArray], image: int) -> None:
        if self.poison:
            for memory in (self.arena, *(array for arrays in self.scratch for array in arrays)):
                memory.view(np.uint8).fill(0xA5)
        if self.counts is not None:
            self.counts.images += 1
        for name, array in inputs.items():
            self.values[name][...] = array
        channels = list(self.all_channels)
        self.demand.reset()
        for region in self.regions.get(-1, ()):
            self._narrow(region, channels)
        for i, step in enumerate(self.plan.steps):
            if channels[i].size:
                try:
                    step.kernel.run(self.inputs[i], self.values[step.output.name], channels[i], self.scratch[i])
                except RangeError as error:
                    name = step.node.name
                    raise RangeError(f"node {name!r} ({step.node.op.kind}): {error}, image {image}") from None
            if self.counts is not None:
                self._count(i, channels[i])
            for region in self.regions.get(i, ()):
                self._narrow(region, channels)
        for name, value in self.plan.results.items():
            outputs[name][image] = self.values[value]

    def _narrow(self, region: Region, channels: list[IntArray]) -> None:
        mux = self.plan.steps[region.mux]
        select = self.values[mux.node.inputs[0]] == 1
        for i, mask in self.demand.select(region, select):
            channels[i] = np.flatnonzero(mask)

    def _count(self, i: int, channels: IntArray) -> None:
        assert self.counts is not None
        step = self.plan.steps[i]
        self.counts.channels[step.node.name] = self.counts.channels.get(step.node.name, 0) + channels.size
        if step.node.op.kind == "mux":
            ones = int(self.values[step.node.inputs[0]][channels].sum())  # the other bits may not have been computed
            self.counts.selected[step.node.name] = self.counts.selected.get(step.node.name, 0) + ones


class _Demand:
    """The demanded channels of every step of one image, narrowed as select bits become known."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.operands = [plan.graph.operands(step.node) for step in plan.steps]
        made_by = {step.output.name: i for i, step in enumerate(plan.steps)}
        self.readers: list[list[tuple[int, int]]] = [[] for _ in plan.steps]
        for i, step in enumerate(plan.steps):
            for position, name in enumerate(step.node.inputs):
                if name in made_by:
                    self.readers[made_by[name]].append((i, position))
        results = set(plan.results.values())
        # Whether a run ends with a trap must not depend on what is skipped.
        self.whole = [step.output.name in results or may_trap(step.node) for step in plan.steps]
        self.everything = [np.ones(step.output.shape[0], dtype=bool) for step in plan.steps]
        self.reset()

    def reset(self) -> None:
        self.masks = list(self.everything)  # entries are replaced, never changed
        self.known: dict[int, Mask] = {}

    def select(self, region: Region, select: Mask) -> list[tuple[int, Mask]]:
        """New masks of the region's steps, now that the mux's select bits are known. Readers come last, so the
        walk is backward; the region's steps have not run, nor have their readers."""
        self.known[region.mux] = select
        for i in reversed(region.steps):
            if self.whole[i]:
                continue
            mask = np.zeros_like(self.masks[i])
            for reader, position in self.readers[i]:
                mask |= self._asks(reader)[position]
            self.masks[i] = mask
        return [(i, self.masks[i]) for i in region.steps]

    def _asks(self, reader: int) -> tuple[Mask, ...]:
        step = self.plan.steps[reader]
        return step.node.op.demand(self.operands[reader], self.masks[reader], self.known.get(reader))
