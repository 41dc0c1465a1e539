"""What a `Session` executes: steps with kernels, layouts in one memory, and what is done in turn. Immutable."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph, Node, Value
from ..kernels.base import Kernel
from ..kernels.narrowing import Narrowing
from ..kernels.planes import Geometry, Layout
from ..kernels.rows import PlanesKernel
from ..types import IntArray
from .demand import Demand


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
    """Run a row of the plan's table, on planes."""

    step: int
    row: int


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
        lists: the numbers of all items of each row, or channels of a step, behind their count.
        listed: where the list of a step's channels begins in `lists`, for steps on plain arrays.
        skips: whether lists become shorter in a run.
        demand: which channels each step needs.
        kernels: what holds the constants that the rows name.
    """

    graph: Graph
    results: dict[str, str]
    steps: tuple[Step, ...]
    actions: tuple[Action, ...]
    offsets: dict[str, int]
    margins: tuple[Margins, ...]
    nbytes: int
    rows: IntArray
    lists: IntArray
    listed: dict[int, int]
    skips: bool
    demand: Demand
    kernels: tuple[PlanesKernel | Narrowing, ...]
