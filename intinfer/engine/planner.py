"""From a declared graph to a `Plan`: order, kernels, fusion, layouts, lists of what is computed, memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from ..graph import Graph, Node, Value
from ..kernels.base import container
from ..kernels.blend import BitshiftPlanes, CopyPlanes, MuxPlanes
from ..kernels.narrowing import Listed, Narrowing
from ..kernels.planes import BYTE, Encoding, Geometry, Layout, Placement, narrowest
from ..kernels.rows import Arrangement, Column, PlanesKernel, View, natural
from ..kernels.table import KERNELS
from ..ops import Requant, Threshold
from ..ops.base import Selecting
from ..ops.mac import Accumulating
from ..types import IntArray
from .demand import Demand, Made, Needs
from .layouts import Wishes
from .memory import Block, place
from .plan import Action, Margins, Pack, Plan, Run, RunRow, Step, Unpack

ALIGNMENT = 64
Key = str | int
"""What an action reads and makes: the name of a plain value, or the number of what was given planes."""


def make_plan(
    graph: Graph, *, skip: bool = True, fuse: bool = True, reuse: bool = True, every_value: bool = False
) -> Plan:
    """Plan a graph.

    Args:
        skip: compute only what the select bits of multiplexers leave to compute.
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
    return planner.finish(results, skip and not every_value, reuse)


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
    """The name of what has sums -> the threshold or requantisation that alone reads them."""
    fused = {}
    for node in graph.nodes:
        behind = graph.readers[node.name]
        if node.name not in kept and len(behind) == 1:
            inputs = graph.operands(node)
            if isinstance(behind[0].op, Threshold | Requant) and any(
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
    """A kernel on planes, where its operands are and where its output goes: planes, or a plain value.

    `narrows`: it computes the channels of its step; else, what steps read.
    """

    step: int
    kernel: PlanesKernel
    operands: tuple[Layout | str, ...]
    target: Layout | str
    narrows: bool

    def bind(self, offsets: Mapping[str, int]) -> None:
        """Tell the kernel where everything is."""
        numbers = [offsets[place] for place in self.operands if isinstance(place, str)]
        maps = [place for place in self.operands if isinstance(place, Layout)]
        self.kernel.bind(maps, numbers, offsets[self.target] if isinstance(self.target, str) else self.target)


@dataclass(frozen=True, eq=False)
class _Narrow:
    """Make the lists of some steps, from the select bits of a mux."""

    step: int
    select: str
    bits: int
    needs: Mapping[int, Needs]

    def made(self, offsets: Mapping[str, int], lists: Lists) -> Narrowing:
        """The row of the plan's table."""
        listed = []
        for step, needs in self.needs.items():
            for start, items in lists.of[step]:
                listed.append(Listed(8 * start, *needs.of(items)))
        return Narrowing(offsets[self.select], self.bits, listed)


class Lists:
    """Lists of items, each behind its count, one after the other."""

    def __init__(self) -> None:
        self.of: dict[int, list[tuple[int, IntArray]]] = {}
        """By step: where a list begins, and the item of each channel."""
        self._parts = [np.zeros(0, dtype=np.int64)]

    def add(self, step: int | None, items: IntArray) -> int:
        """A list of all items there are, of a step's channels or of none's; where it begins."""
        start = sum(part.size for part in self._parts)
        if step is not None:
            self.of.setdefault(step, []).append((start, items))
        every = np.unique(items)
        self._parts.append(np.concatenate([[every.size], every]))
        return start

    @property
    def all(self) -> IntArray:
        """All lists."""
        return np.concatenate(self._parts)


class _Planner:
    """Goes through the nodes in order, chooses kernels, and brings to each what it reads."""

    def __init__(
        self, graph: Graph, order: Sequence[Node], fused: Mapping[str, Node], kept: Collection[str], fuse: bool
    ) -> None:
        self.graph, self.kept, self.fuse = graph, kept, fuse
        self.wishes = Wishes(graph, order, fused)
        self.steps: list[Step] = []
        self.actions: list[_Row | _Narrow | Run | Pack | Unpack] = []
        self.uses: list[tuple[set[Key], set[Key]]] = []
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
            if fused is None:
                raise AssertionError(f"no kernel takes {node.name} ({node.op.kind}): {'; '.join(passed)}")
            self._add(node, None)
            self._add(fused, None)
            return
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
        if kernel.packs and there and all(value.type.hi - value.type.lo <= BYTE.hi for value in maps):
            there = [self.stored.get(value.name) or self._packed(value, narrowest(value.type)) for value in maps]
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
        return self._packed(value, encoding, kernel.pad_values(node, inputs, encoding))

    def _packed(self, value: Value, encoding: Encoding, pads: IntArray | None = None) -> Layout:
        """A plain array laid out as planes; their margins hold anything, unless something is asked for."""
        pads = np.full(value.shape[0], encoding.base) if pads is None else pads
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

    def _act(self, action: _Row | Run | Pack | Unpack, reads: set[Key], makes: set[Key]) -> None:
        self.actions.append(action)
        self.uses.append((reads, makes))

    def _act_row(self, step: int, kernel: PlanesKernel, operands: Sequence[Layout | str], target: Layout | str) -> None:
        row = _Row(step, kernel, tuple(operands), target, not isinstance(kernel, CopyPlanes))
        self._act(row, set().union(*map(self._keys, operands)), self._keys(target))

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

    def finish(self, results: dict[str, str], skip: bool, reuse: bool) -> Plan:
        """Place everything in memory, and bind the kernels to it."""
        made = [Made(step.node, step.output) for step in self.steps]
        # Whether a run ends with a trap must not depend on what is skipped.
        demand = Demand(self.graph, made, [output.name in self.kept or may_trap(node) for node, output in made])
        if skip:
            self._narrow(demand)
        offsets, margins, nbytes = self._place(reuse)
        lists = Lists()
        for action in self.actions:
            if isinstance(action, _Row):
                action.bind(offsets)
                kernel = action.kernel
                kernel.row[Column.CHOSEN] = 8 * lists.add(action.step if action.narrows else None, kernel.items)
        listed = {step: lists.add(step, np.arange(made[step].output.shape[0])) for step in self._plain_steps()}
        actions: list[Action] = []
        constants: list[PlanesKernel | Narrowing] = []
        for action in self.actions:
            if isinstance(action, _Row | _Narrow):
                constants.append(action.kernel if isinstance(action, _Row) else action.made(offsets, lists))
                actions.append(RunRow(action.step, len(constants) - 1))
            else:
                actions.append(action)
        return Plan(
            self.graph,
            results,
            tuple(self.steps),
            tuple(actions),
            offsets,
            margins,
            nbytes,
            np.array([each.row for each in constants], dtype=np.int64).reshape(-1, len(Column)),
            lists.all,
            listed,
            skip,
            demand,
            tuple(constants),
        )

    def _plain_steps(self) -> list[int]:
        """The steps whose channels plain arrays hold."""
        run = [action.step for action in self.actions if isinstance(action, Run)]
        return list(dict.fromkeys([*run, *(action.made for action in self.actions if isinstance(action, Unpack))]))

    def _narrow(self, demand: Demand) -> None:
        """Let lists be made as soon as select bits are known, where they may leave out what has a list."""
        made_rows = {action.step for action in self.actions if isinstance(action, _Row) and action.narrows}
        with_lists = made_rows | set(self._plain_steps())
        for region in demand.regions:
            needs = {i: each for i, each in demand.needs(region).items() if i in with_lists and each.saves}
            if needs:
                mux = self.steps[region.mux].node
                at = next((i for i, action in enumerate(self.actions) if action.step > region.after), len(self.actions))
                self.actions.insert(at, _Narrow(region.after, mux.inputs[0], self.graph.operands(mux)[0].size, needs))
                self.uses.insert(at, ({mux.inputs[0]}, set()))

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
        # What was skipped is counted by the select bits, when all is done.
        selects = {node.inputs[0] for node in self.graph.nodes if isinstance(node.op, Selecting)}
        for key, block in blocks.items():
            if not reuse or key in self.kept or key in selects:
                block.last = inf
        return blocks

    def _plain_block(self, value: Value, made: int) -> Block[_Pool | None]:
        size = -(-value.size * container(value.type).itemsize // ALIGNMENT) * ALIGNMENT
        return Block(None, size, made, made)
