"""From a declared graph to an executable plan: order, kernels, fusion, layouts, skipping regions, memory. Immutable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from ..graph import Graph, Node, Value
from ..kernels.base import Kernel, container
from ..kernels.blend import BitshiftPlanes, CopyPlanes, MuxPlanes
from ..kernels.planes import Encoding, Geometry, Layout, Placement
from ..kernels.rows import Arrangement, Column, PlanesKernel, View, natural
from ..kernels.table import KERNELS
from ..ops import Threshold
from ..ops.base import Selecting
from ..ops.mac import Accumulating
from ..types import IntArray
from .layouts import Wishes
from .memory import Block, place

ALIGNMENT = 64


@dataclass(frozen=True, eq=False)
class Step:
    """One kernel: it computes `node`, or `node` and the threshold `fused` behind it, into value `output`.

    `why` says which kernels were passed over and for what reason.
    """

    node: Node
    fused: Node | None
    kernel: Kernel
    why: str

    @property
    def output(self) -> Value:
        return (self.fused or self.node).output


@dataclass(frozen=True)
class Run:
    """Call the kernel of a step, on plain arrays."""

    step: int


@dataclass(frozen=True)
class RunRow:
    """Run a row of the plan's table, on planes, for the channels that the step computes, or for all."""

    step: int
    row: int
    narrows: bool


@dataclass(frozen=True, eq=False)
class Pack:
    """Lay a plain value out as planes, `pad_values` (C,) in their margins, for a step."""

    step: int
    value: str
    layout: Layout
    pad_values: IntArray


@dataclass(frozen=True, eq=False)
class Unpack:
    """Take the channels that step `made` computes out of its planes into a plain value."""

    step: int
    made: int
    value: str
    layout: Layout


Action = Run | RunRow | Pack | Unpack
Key = str | int


@dataclass(frozen=True)
class Region:
    """The steps whose demand becomes smaller once the select bits of the mux at step `mux` are known.

    `after` is the step that computes the select bits; `steps` are steps after it that the mux reads, in order.
    """

    mux: int
    after: int
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Margins:
    """Planes from an offset in memory on, whose margins hold one word for ever."""

    start: int
    planes: int
    geometry: Geometry
    word: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What a `Session` executes: `actions`, one after the other.

    Attributes:
        results: which values are wanted, by the names under which they are.
        offsets: where each plain value lies in a memory of `nbytes`; values alive at the same time never overlap.
        rows: (R, columns) what the compiled loop runs.
        lists: for each row the numbers of all its items, behind their count; `listed` says where each begins.
        kernels: of each row, whose constants it names.
    """

    graph: Graph
    results: dict[str, str]
    steps: tuple[Step, ...]
    actions: tuple[Action, ...]
    regions: tuple[Region, ...]
    offsets: dict[str, int]
    margins: tuple[Margins, ...]
    nbytes: int
    rows: IntArray
    lists: IntArray
    listed: IntArray
    kernels: tuple[PlanesKernel, ...]


def make_plan(graph: Graph, *, fuse: bool = True, reuse: bool = True, every_value: bool = False) -> Plan:
    """Plan a graph.

    Args:
        fuse: let a convolution and its threshold be one step where no one else reads the sums.
        reuse: let values that are not alive together share memory.
        every_value: want all values, inputs included, by their own names, instead of the outputs.
    """
    results = {name: name for name in graph.values} if every_value else {out.name: out.value for out in graph.outputs}
    kept = set(results.values())
    order = _selects_first(graph, list(results.values()))
    fused = _fusions(graph, kept) if fuse else {}
    absorbed = {threshold.name for threshold in fused.values()}
    planner = _Planner(graph, [node for node in order if node.name not in absorbed], fused, kept, fuse)
    return planner.finish(results, reuse)


def _selects_first(graph: Graph, results: Sequence[str]) -> list[Node]:
    """Depth first from the results, a mux's select before its branches, so that it can shorten their work.

    Nodes that no result is made by are left out, unless they may trap: their error is a result too.
    """
    order: dict[str, Node] = {}
    inputs = {value.name for value in graph.inputs}
    ends = [*results, *(node.name for node in graph.nodes if may_trap(node))]
    stack = [(name, False) for name in reversed(ends)]
    while stack:
        name, ready = stack.pop()
        if name in order or name in inputs:
            continue
        node = graph.node_by_name[name]
        if ready:
            order[name] = node
        else:
            stack.append((name, True))
            stack.extend((i, False) for i in reversed(node.inputs))
    return list(order.values())


def may_trap(node: Node) -> bool:
    """Tell whether the node can end a run with an error, by its accumulator."""
    return isinstance(node.op, Accumulating) and node.op.may_trap


def _fusions(graph: Graph, kept: Collection[str]) -> dict[str, Node]:
    """Convolution or dense name -> the threshold that alone reads its sums."""
    fused = {}
    for node in graph.nodes:
        behind = graph.readers[node.name]
        if isinstance(node.op, Accumulating) and node.name not in kept and len(behind) == 1:
            inputs = graph.operands(node)
            if isinstance(behind[0].op, Threshold) and any(
                kernel.refuses(node, inputs, behind[0]) is None for kernel in KERNELS[node.op.kind]
            ):
                fused[node.name] = behind[0]
    return fused


class _Pool(NamedTuple):
    """Planes that may follow each other in one place: a word that stays in the margins, or None."""

    geometry: Geometry
    word: int | None


@dataclass(frozen=True, eq=False)
class _Row:
    """A kernel, where its operands are and where its output goes: planes, or a plain value."""

    kernel: PlanesKernel
    operands: tuple[Layout | str, ...]
    target: Layout | str


class _Planner:
    """Goes through the nodes in order, chooses kernels, and brings to each what it reads.

    What an action reads and makes is noted as the name of a plain value, or the number of what was given planes.
    """

    def __init__(
        self, graph: Graph, order: Sequence[Node], fused: Mapping[str, Node], kept: Collection[str], fuse: bool
    ) -> None:
        self.graph, self.kept, self.fuse = graph, kept, fuse
        self.wishes = Wishes(graph, order, fused)
        self.steps: list[Step] = []
        self.actions: list[Action] = []
        self.uses: list[tuple[set[Key], set[Key]]] = []
        self.rows: list[_Row] = []
        self.placement = Placement(np.zeros(0, dtype=np.int64))
        self.owner_of: list[int] = []  # of each plane
        self.pools: list[_Pool] = []  # of each owner
        self.plain = {value.name for value in graph.inputs}
        self.stored: dict[str, Layout] = {}
        self.deferred: dict[str, tuple[BitshiftPlanes, Step, list[Layout]]] = {}
        self.copies: dict[tuple[object, ...], Layout] = {}
        self.made_by: dict[str, int] = {}
        for node in order:
            self._add(node, fused.get(node.name))

    # -------------------------------------------------------------------------------------------------- choosing

    def _add(self, node: Node, fused: Node | None) -> None:
        """Choose the first kernel of the table that refuses neither the node nor the places of its inputs."""
        inputs, output = self.graph.operands(node), (fused or node).output
        passed: list[str] = []
        for kernel in KERNELS[node.op.kind]:
            operands: list[Layout] = []
            reason = kernel.refuses(node, inputs, fused)
            if reason is None and issubclass(kernel, PlanesKernel):
                reason = self._bring(kernel, node, inputs, operands)
            if reason is None:
                break
            passed.append(f"not {kernel.name}: {reason}")
        else:
            raise AssertionError(f"no kernel takes {node.name} ({node.op.kind}): {'; '.join(passed)}")
        made = kernel(node, inputs, fused)
        why = "; ".join([*passed, "first that takes it" if passed else "first choice"])
        self.made_by[output.name] = len(self.steps)
        self.steps.append(Step(node, fused, made, why))
        if isinstance(made, View):
            self.stored[output.name] = self._viewed(operands, made.channels(node, inputs))
        elif isinstance(made, PlanesKernel):
            self._compute(self.steps[-1], made, operands)
        else:
            for value in inputs:
                self._need_plain(value)
            self._act(Run(self._now), set(node.inputs), {output.name})
            self.plain.add(output.name)
        if output.name in self.kept or len(output.shape) == 1:
            self._need_plain(output)

    @property
    def _now(self) -> int:
        return len(self.steps) - 1

    def _bring(
        self, kernel: type[PlanesKernel], node: Node, inputs: Sequence[Value], operands: list[Layout]
    ) -> str | None:
        """Find the maps that a kernel reads as planes. Those of one that wishes an encoding are brought to it."""
        maps = inputs[kernel.map_inputs]
        there = [self.stored[value.name] for value in maps if value.name in self.stored]
        reason: str | None = "its inputs are plain arrays"
        if len(there) == len(maps):
            reason = kernel.misplaced(node, inputs, there)
        if reason is not None and kernel.wish(node, inputs) is not None:
            there, reason = [self._brought(kernel, node, inputs, there)], None
        operands.extend(there)
        return reason

    def _brought(self, kernel: type[PlanesKernel], node: Node, inputs: Sequence[Value], there: list[Layout]) -> Layout:
        """A map in natural order: copied among planes, where only the order is wrong, or packed from a plain array."""
        (value,) = inputs
        if there and CopyPlanes.misplaced(node, inputs, there) is None:
            key: tuple[object, ...] = (value.name,)
            ordered = natural(value, there[0].encoding.packing.channels)
            found = self.copies.get(key) or self._own(value, there[0].encoding, there[0].margin, ordered)
            if kernel.misplaced(node, inputs, [found]) is None:
                if key not in self.copies:
                    self.copies[key] = found
                    self._act_row(self._now + 1, CopyPlanes(node, inputs, None), there, found)
                return found
        encoding = kernel.wish(node, inputs)
        assert encoding is not None
        pads = kernel.pad_values(node, inputs, encoding)
        key = (value.name, encoding, pads.tobytes())
        if key not in self.copies:
            self._need_plain(value)
            self.copies[key] = self._own(value, encoding, None, natural(value, encoding.packing.channels))
            pack = Pack(self._now + 1, value.name, self.copies[key], pads)
            self._act(pack, {value.name}, self._keys(self.copies[key]))
        return self.copies[key]

    # ------------------------------------------------------------------------------------------------- computing

    def _compute(self, step: Step, kernel: PlanesKernel, operands: list[Layout], *, waits: bool = True) -> None:
        node, output = step.node, step.output
        inputs = self.graph.operands(node)
        others = [value for value in inputs if value not in inputs[kernel.map_inputs]]
        for value in others:
            self._need_plain(value)
        if waits and isinstance(kernel, BitshiftPlanes) and self._may_wait(node):
            self.deferred[output.name] = kernel, step, operands
            self.stored[output.name] = operands[0]  # its geometry, codes and margins
            return
        if isinstance(kernel, MuxPlanes) and node.inputs[-1] in self.deferred:
            _, shift, merged = self.deferred.pop(node.inputs[-1])
            kernel.merged = shift.node
            operands = [operands[0], *merged]
        target: Layout | str = output.name
        if kernel.writes_map:
            encoding = operands[0].encoding if kernel.keeps_codes else self.wishes.encoding(output)
            assert encoding is not None
            arrangement = kernel.arrange(node, operands, output, encoding.packing.channels)
            target = self._own(output, encoding, self.wishes.margin(output, encoding), arrangement)
            self.stored[output.name] = target
        else:
            self.plain.add(output.name)
        self._act_row(self.made_by[output.name], kernel, [*(value.name for value in others), *operands], target)

    def _may_wait(self, node: Node) -> bool:
        """Whether one mux alone reads it, as I0: it then computes it where it is selected."""
        readers = self.graph.readers[node.name]
        return (
            self.fuse
            and node.name not in self.kept
            and len(readers) == 1
            and isinstance(readers[0].op, Selecting)
            and readers[0].inputs.index(node.name) == len(readers[0].inputs) - 1
        )

    def _need_plain(self, value: Value) -> None:
        """Have a value as a plain array."""
        if value.name in self.plain:
            return
        if value.name in self.deferred:
            kernel, step, operands = self.deferred.pop(value.name)
            self._compute(step, kernel, operands, waits=False)
        layout, made = self.stored[value.name], self.made_by[value.name]
        self.plain.add(value.name)
        self._act(Unpack(self._now, made, value.name, layout), self._keys(layout), {value.name})

    def _act(self, action: Action, reads: set[Key], makes: set[Key]) -> None:
        self.actions.append(action)
        self.uses.append((reads, makes))

    def _act_row(self, step: int, kernel: PlanesKernel, operands: Sequence[Layout | str], target: Layout | str) -> None:
        reads = set().union(*map(self._keys, operands))
        self._act(RunRow(step, len(self.rows), not isinstance(kernel, CopyPlanes)), reads, self._keys(target))
        self.rows.append(_Row(kernel, tuple(operands), target))

    # --------------------------------------------------------------------------------------------------- memory

    def _keys(self, place: Layout | str) -> set[Key]:
        return {place} if isinstance(place, str) else {self.owner_of[plane] for plane in place.distinct.tolist()}

    def _own(self, value: Value, encoding: Encoding, margin: int | None, arrangement: Arrangement) -> Layout:
        """New planes for a value. Without a margin they are written together with theirs."""
        geometry, first = self.wishes.geometry(value), len(self.owner_of)
        layout = Layout(
            geometry, encoding, encoding.base if margin is None else margin,
            first + arrangement.planes, arrangement.lanes, self.placement,
        )  # fmt: skip
        self.owner_of += [len(self.pools)] * arrangement.total
        self.pools.append(_Pool(geometry, None if margin is None else layout.margin_word))
        return layout

    def _viewed(self, maps: Sequence[Layout], channels: IntArray) -> Layout:
        planes, lanes = np.concatenate([(x.planes, x.lanes) for x in maps], axis=1)[:, channels]
        return Layout(maps[0].geometry, maps[0].encoding, maps[0].margin, planes, lanes, self.placement)

    def finish(self, results: dict[str, str], reuse: bool) -> Plan:
        """Place everything in memory, and bind the kernels to it."""
        offsets, margins, nbytes = self._place(reuse)
        rows = np.zeros((len(self.rows), len(Column)), dtype=np.int64)
        lists, listed = [np.zeros(0, dtype=np.int64)], []
        for i, row in enumerate(self.rows):
            numbers = [offsets[place] for place in row.operands if isinstance(place, str)]
            maps = [place for place in row.operands if isinstance(place, Layout)]
            row.kernel.bind(maps, numbers, offsets[row.target] if isinstance(row.target, str) else row.target)
            listed.append(sum(each.size for each in lists))
            rows[i] = row.kernel.row
            rows[i, Column.CHOSEN] = 8 * listed[-1]
            items = np.unique(row.kernel.items)
            lists.append(np.concatenate([[items.size], items]))
        return Plan(
            self.graph,
            results,
            tuple(self.steps),
            tuple(self.actions),
            _regions(self.steps),
            offsets,
            margins,
            nbytes,
            rows,
            np.concatenate(lists),
            np.array(listed, dtype=np.int64),
            tuple(row.kernel for row in self.rows),
        )

    def _place(self, reuse: bool) -> tuple[dict[str, int], tuple[Margins, ...], int]:
        """Where plain values lie, planes whose margins stay, and bytes in all; plain values stand first."""
        blocks = self._blocks(reuse)
        sizes = place(list(blocks.values()))
        size, begins, margins = sizes.pop(None, 0), {}, []
        for pool, count in sizes.items():
            assert pool is not None
            begins[pool] = size
            if pool.word is not None:
                margins.append(Margins(size, count, pool.geometry, pool.word))
            size += count * pool.geometry.nbytes
        starts = np.full(len(self.owner_of), -1)
        for owner, planes in self._planes().items():
            if owner in blocks:
                pool = self.pools[owner]
                starts[planes] = begins[pool] + (blocks[owner].start + np.arange(planes.size)) * pool.geometry.nbytes
        self.placement.starts = starts
        return {key: block.start for key, block in blocks.items() if isinstance(key, str)}, tuple(margins), size

    def _planes(self) -> dict[int, IntArray]:
        """The planes of each owner."""
        owner_of = np.array(self.owner_of, dtype=np.int64)
        return {owner: np.flatnonzero(owner_of == owner) for owner in range(len(self.pools))}

    def _blocks(self, reuse: bool) -> dict[Key, Block[_Pool | None]]:
        """What needs memory, from what makes it to what reads it last."""
        counts = {owner: planes.size for owner, planes in self._planes().items()}
        blocks: dict[Key, Block[_Pool | None]] = {
            value.name: self._plain_block(value, -1) for value in self.graph.inputs
        }
        for i, (reads, makes) in enumerate(self.uses):
            for key in makes:
                if isinstance(key, str):
                    blocks[key] = self._plain_block(self.graph.values[key], i)
                else:
                    blocks[key] = Block(self.pools[key], counts[key], i, i)
            for key in reads:
                blocks[key].last = max(blocks[key].last, i)
        for key, block in blocks.items():
            if not reuse or key in self.kept:
                block.last = inf
        return blocks

    def _plain_block(self, value: Value, made: int) -> Block[_Pool | None]:
        size = -(-value.size * container(value.type).itemsize // ALIGNMENT) * ALIGNMENT
        return Block(None, size, made, made)


def _regions(steps: Sequence[Step]) -> tuple[Region, ...]:
    """Find for each mux, in order of its select, the steps between the two that the mux's branches read."""
    made_by = {step.output.name: i for i, step in enumerate(steps)}
    regions = []
    for m, step in enumerate(steps):
        if not isinstance(step.node.op, Selecting):
            continue
        select, *branches = step.node.inputs
        after = made_by.get(select, -1)
        found: set[int] = set()
        pending = list(branches)
        while pending:
            i = made_by.get(pending.pop(), -1)
            if i > after and i not in found:
                found.add(i)
                pending.extend(steps[i].node.inputs)
        regions.append(Region(m, after, tuple(sorted(found))))
    return tuple(sorted(regions, key=lambda region: region.after))
