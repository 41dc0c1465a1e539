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
from ..kernels.drive import driver
from ..kernels.planes import maps, pack, unpack
from ..ops.base import Selecting
from ..types import IntArray, Mask
from .plan import Margins, Pack, Plan, Region, Run, RunRow, Unpack, make_plan, may_trap

GARBAGE = np.int32(0xA5A5A5A5 - 2**32)


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


@dataclass(frozen=True)
class _Segment:
    """Rows first..last - 1 of the plan's table, run by one call."""

    first: int
    last: int


class _Worker:
    """One thread's memory; it serves one run after another."""

    poison = False

    def __init__(self, plan: Plan, skip: bool) -> None:
        self.plan = plan
        self.memory = np.zeros(-(-plan.nbytes // 4), dtype=np.int32)
        self.lists = plan.lists.copy()
        graph = plan.graph
        self.values = {name: self._view(graph.values[name], offset) for name, offset in plan.offsets.items()}
        self.scratch = [step.kernel.scratch() for step in plan.steps]
        self.all_channels = [np.arange(step.output.shape[0]) for step in plan.steps]
        self.regions: dict[int, list[Region]] = {}
        for region in plan.regions if skip else ():
            self.regions.setdefault(region.after, []).append(region)
        self.rows_of: dict[int, list[int]] = {}
        for action in plan.actions:
            if isinstance(action, RunRow) and action.narrows:
                self.rows_of.setdefault(action.step, []).append(action.row)
        self.demand = _Demand(plan)
        self._counts: SkipCounts | None = None
        self._program = self._joined(set(self.regions))
        self._set_margins()

    @property
    def counts(self) -> SkipCounts | None:
        """Where to count what is computed."""
        return self._counts

    @counts.setter
    def counts(self, counts: SkipCounts | None) -> None:
        muxes = {
            i for i, step in enumerate(self.plan.steps) if counts is not None and isinstance(step.node.op, Selecting)
        }
        if (counts is None) != (self._counts is None):
            self._program = self._joined(muxes | set(self.regions))
        self._counts = counts

    def _view(self, value: Value, start: int) -> Array:
        dtype = container(value.type)
        raw = self.memory.view(np.uint8)[start : start + value.size * dtype.itemsize]
        view: Array = raw.view(dtype).reshape(value.shape)
        return view

    def _joined(self, breaks: set[int]) -> list[_Segment | Run | Pack | Unpack | int]:
        """The actions, with rows that follow each other as segments. A number stands behind those steps' actions."""
        program: list[_Segment | Run | Pack | Unpack | int] = []
        actions = self.plan.actions
        for i, action in enumerate(actions):
            if isinstance(action, RunRow):
                last = program[-1] if program else None
                if isinstance(last, _Segment) and last.last == action.row:
                    program[-1] = _Segment(last.first, action.row + 1)
                else:
                    program.append(_Segment(action.row, action.row + 1))
            else:
                program.append(action)
            behind = actions[i + 1].step if i + 1 < len(actions) else len(self.plan.steps)
            program.extend(step for step in range(action.step, behind) if step in breaks)
        return program

    def _set_margins(self) -> None:
        for margins in self.plan.margins:
            geometry = margins.geometry
            planes = self._planes(margins)
            planes[...] = margins.word
            if self.poison:
                rows = geometry.origin + np.arange(geometry.height)[:, None] * geometry.pitch
                planes[:, (rows + np.arange(geometry.width)).reshape(-1)] = GARBAGE

    def _planes(self, margins: Margins) -> Array:
        size, start = margins.geometry.pixels, margins.start // 4
        view: Array = self.memory[start : start + margins.planes * size].reshape(margins.planes, size)
        return view

    def run(self, inputs: Mapping[str, Array], outputs: Mapping[str, IntArray], image: int) -> None:
        if self.poison:
            for memory in (self.memory, *(array for arrays in self.scratch for array in arrays)):
                memory.view(np.uint8).fill(0xA5)
            self._set_margins()
        if self.counts is not None:
            self.counts.images += 1
        for name, array in inputs.items():
            self.values[name][...] = array
        channels = list(self.all_channels)
        self.demand.reset()
        self.lists[:] = self.plan.lists
        for region in self.regions.get(-1, ()):
            self._narrow(region, channels)
        for action in self._program:
            if isinstance(action, _Segment):
                addresses = self.memory.ctypes.data, self.lists.ctypes.data
                driver()(self.plan.rows.ctypes.data, action.first, action.last, *addresses)
            elif isinstance(action, int):
                self._count(action, channels[action])
                for region in self.regions.get(action, ()):
                    self._narrow(region, channels)
            elif isinstance(action, Pack):
                pack(maps(self.values[action.value]), action.layout, action.pad_values, self.memory)
            elif isinstance(action, Unpack):
                unpack(action.layout, self.memory, channels[action.made], maps(self.values[action.value]))
            elif channels[action.step].size:
                self._call(action.step, channels[action.step], image)
        if self.counts is not None:
            for step, computed in zip(self.plan.steps, channels, strict=True):
                counted = self.counts.channels
                counted[step.node.name] = counted.get(step.node.name, 0) + computed.size
        for name, value in self.plan.results.items():
            outputs[name][image] = self.values[value]

    def _call(self, i: int, channels: IntArray, image: int) -> None:
        step = self.plan.steps[i]
        inputs = [self.values[name] for name in step.node.inputs]
        try:
            step.kernel.run(inputs, self.values[step.output.name], channels, self.scratch[i])
        except RangeError as error:
            raise RangeError(f"node {step.node.name!r} ({step.node.op.kind}): {error}, image {image}") from None

    def _narrow(self, region: Region, channels: list[IntArray]) -> None:
        mux = self.plan.steps[region.mux]
        select = self.values[mux.node.inputs[0]] == 1
        for i, mask in self.demand.select(region, select):
            channels[i] = np.flatnonzero(mask)
            for row in self.rows_of.get(i, ()):
                items = np.unique(self.plan.kernels[row].items[channels[i]])
                start = self.plan.listed[row]
                self.lists[start] = items.size
                self.lists[start + 1 : start + 1 + items.size] = items

    def _count(self, i: int, channels: IntArray) -> None:
        """Count the select bits of a mux that are 1 among the channels that it computes."""
        step = self.plan.steps[i]
        if self.counts is not None and isinstance(step.node.op, Selecting):
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
