"""From a declared graph to an executable plan: order, kernels, fusion, skipping regions, buffers. Immutable."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf

from ..graph import Graph, Node, Value, unread_after
from ..kernels.base import Kernel, container
from ..kernels.table import KERNELS
from ..ops import Threshold
from ..ops.mac import Accumulating

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
class Region:
    """The steps whose demand becomes smaller once the select bits of the mux at step `mux` are known.

    `after` is the step that computes the select bits; `steps` are steps after it that the mux reads, in order.
    """

    mux: int
    after: int
    steps: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """What a `Session` executes.

    `results` says which values are wanted, by the names under which they are. `offsets` places each value in one
    arena of `arena_bytes`; values alive at the same time never overlap.
    """

    graph: Graph
    results: dict[str, str]
    steps: tuple[Step, ...]
    regions: tuple[Region, ...]
    offsets: dict[str, int]
    arena_bytes: int


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
    steps = []
    absorbed = {threshold.name for threshold in fused.values()}
    for node in order:
        if node.name not in absorbed:
            steps.append(_choose(graph, node, fused.get(node.name)))
    offsets, size = _place(graph, steps, kept if reuse else set(graph.values))
    return Plan(graph, results, tuple(steps), _regions(graph, steps), offsets, size)


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


def _choose(graph: Graph, node: Node, fused: Node | None) -> Step:
    """The first kernel of the table that does not refuse."""
    inputs = graph.operands(node)
    passed: list[str] = []
    for kernel in KERNELS[node.op.kind]:
        reason = kernel.refuses(node, inputs, fused)
        if reason is None:
            why = "; ".join([*passed, "first that takes it" if passed else "first choice"])
            return Step(node, fused, kernel(node, inputs, fused), why)
        passed.append(f"not {kernel.name}: {reason}")
    raise AssertionError(f"no kernel takes {node.name} ({node.op.kind}): {'; '.join(passed)}")


def _regions(graph: Graph, steps: Sequence[Step]) -> tuple[Region, ...]:
    """Find for each mux, in order of its select, the steps between the two that the mux's branches read."""
    made_by = {step.output.name: i for i, step in enumerate(steps)}
    regions = []
    for m, step in enumerate(steps):
        if step.node.op.kind != "mux":
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


def _place(graph: Graph, steps: Sequence[Step], kept: Collection[str]) -> tuple[dict[str, int], int]:
    """First fit in order of creation; a value dies after its last reader. Those kept never die, behind the others."""
    dying = unread_after([(step.node.inputs, step.output.name) for step in steps], kept)
    memory, top = _Memory(), 0
    behind: dict[str, int] = {}
    sizes: dict[str, int] = {}
    offsets: dict[str, int] = {}
    for i, value in enumerate([*graph.inputs, *(step.output for step in steps)]):
        now = i - len(graph.inputs)
        for name in dying[now - 1] if now > 0 else ():
            memory.free(offsets[name], sizes[name])
        size = sizes[value.name] = -(-value.size * container(value.type).itemsize // ALIGNMENT) * ALIGNMENT
        if value.name in kept:
            behind[value.name] = top
            top += size
        else:
            offsets[value.name] = memory.take(size)
    return offsets | {name: memory.size + start for name, start in behind.items()}, memory.size + top


class _Memory:
    """Holes between what is taken, as (start, stop) in order, none next to another, the last without end."""

    def __init__(self) -> None:
        self._holes: list[tuple[int, float]] = [(0, inf)]
        self.size = 0

    def take(self, size: int) -> int:
        """The first place of this size."""
        for i, (start, stop) in enumerate(self._holes):
            if start + size <= stop:
                self._holes[i : i + 1] = [(start + size, stop)] if start + size < stop else []
                self.size = max(self.size, start + size)
                return start
        raise AssertionError("the last hole has no end")

    def free(self, start: int, size: int) -> None:
        stop: float = start + size
        i = bisect_left(self._holes, (start, stop))
        if self._holes[i][0] == stop:
            stop = self._holes.pop(i)[1]
        if i and self._holes[i - 1][1] == start:
            i -= 1
            start = self._holes.pop(i)[0]
        if size:
            self._holes.insert(i, (start, stop))
