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
from ..types import IntArray
from .plan import Margins, Pack, Plan, Run, RunRow, Unpack
from .planner import make_plan

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
        self.plan = make_plan(graph, skip=skip, fuse=fuse, every_value=every_value)
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
                worker = _Worker(self.plan)
            worker.poison = poison
            for image in part:
                worker.run({name: array[image] for name, array in batch.arrays.items()}, outputs, image)
                if counts is not None:
                    worker.count(counts)
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

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.memory = np.zeros(-(-plan.nbytes // 4), dtype=np.int32)
        self.lists = plan.lists.copy()
        graph = plan.graph
        self.values = {name: self._view(graph.values[name], offset) for name, offset in plan.offsets.items()}
        self.scratch = [step.kernel.scratch() for step in plan.steps]
        self.program = _joined(plan)
        self._set_margins()

    def _view(self, value: Value, start: int) -> Array:
        dtype = container(value.type)
        raw = self.memory.view(np.uint8)[start : start + value.size * dtype.itemsize]
        view: Array = raw.view(dtype).reshape(value.shape)
        return view

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
        for name, array in inputs.items():
            self.values[name][...] = array
        self.lists[:] = self.plan.lists
        for action in self.program:
            self._act(action, image)
        for name, value in self.plan.results.items():
            outputs[name][image] = self.values[value]

    def _act(self, action: _Segment | Run | Pack | Unpack, image: int) -> None:
        if isinstance(action, _Segment):
            memory, lists = self.memory.ctypes.data, self.lists.ctypes.data
            driver()(self.plan.rows.ctypes.data, action.first, action.last, memory, lists)
        elif isinstance(action, Pack):
            pack(maps(self.values[action.value]), action.layout, action.pad_values, self.memory)
        elif isinstance(action, Unpack):
            unpack(action.layout, self.memory, self._channels(action.made), maps(self.values[action.value]))
        elif (channels := self._channels(action.step)).size:
            step = self.plan.steps[action.step]
            inputs = [self.values[name] for name in step.node.inputs]
            try:
                step.kernel.run(inputs, self.values[step.output.name], channels, self.scratch[action.step])
            except RangeError as error:
                raise RangeError(f"node {step.node.name!r} ({step.node.op.kind}): {error}, image {image}") from None

    def _channels(self, step: int) -> IntArray:
        """What a step on plain arrays computes."""
        start = self.plan.listed[step]
        return self.lists[start + 1 : start + 1 + self.lists[start]]

    def count(self, counts: SkipCounts) -> None:
        """Count what the image that was run needed, from its select bits."""
        counts.images += 1
        muxes = {region.mux: self.plan.steps[region.mux].node for region in self.plan.demand.regions}
        selects = {mux: self.values[node.inputs[0]] == 1 for mux, node in muxes.items()}
        masks = self.plan.demand.masks(selects if self.plan.skips else {})
        for step, mask in zip(self.plan.steps, masks, strict=True):
            counts.channels[step.node.name] = counts.channels.get(step.node.name, 0) + int(mask.sum())
        for mux, select in selects.items():
            name = muxes[mux].name
            counts.selected[name] = counts.selected.get(name, 0) + int((select & masks[mux]).sum())


def _joined(plan: Plan) -> list[_Segment | Run | Pack | Unpack]:
    """The actions, with rows that follow each other as segments."""
    program: list[_Segment | Run | Pack | Unpack] = []
    for action in plan.actions:
        last = program[-1] if program else None
        if not isinstance(action, RunRow):
            program.append(action)
        elif isinstance(last, _Segment):
            program[-1] = _Segment(last.first, action.row + 1)
        else:
            program.append(_Segment(action.row, action.row + 1))
    return program
