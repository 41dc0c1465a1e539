"""What golden vectors know of an op: how to explain it, what to cover, what designs get wrong, what to send them.

An op says each fact itself or takes it from a class that its bases name: `Elementwise`, `PerChannel` or `Routing`,
`Stateless`, `Served`. There is no default where no answer is right for every op: one that leaves a fact out
raises TypeError as its class is made, when it is imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import numpy as np

from intinfer.graph import Graph, Node, Value
from intinfer.ops import Op
from intinfer.ops.base import Monotone
from intinfer.ops.linear import Linear
from intinfer.types import IntArray

from ..designs import Families, Mistake, constants, of_channels, stored
from ..make.coverage import RESET, Bools, Covergroup, Faults, Order, Prover, Site, Values, fault
from ..make.coverage.fault import varies
from ..make.coverage.routing import told_apart
from ..make.stimulus.textures import Draw, Frame
from .steps import Operand, Place, Steps

O = TypeVar("O", bound=Op)  # noqa: E741
FEW = 4096
"""Numbers of a type that are all looked at."""
FEW_ELEMENTS = 3
"""Elements that stand on both sides of thresholds only where other faults are hidden by it."""


FACTS: dict[type[Op], type[OpFacts[Any]]] = {}
"""By class of the op; complete once the package is imported."""


class OpFacts(ABC, Generic[O]):
    """The facts of an op where it stands in a graph.

    Attributes:
        of: the class of the op.
        op: the node's.
        inputs: what the node reads, in order.
    """

    of: ClassVar[type[Op]]

    def __init_subclass__(cls) -> None:
        """Enter a class `of` an op in `FACTS`. Raises TypeError for one that leaves facts out, which it names."""
        super().__init_subclass__()
        if "of" not in vars(cls):
            return
        names = sorted(name for name in dir(cls) if getattr(getattr(cls, name, None), "__isabstractmethod__", False))
        if names:
            raise TypeError(
                f"the facts of op {cls.of.kind!r} ({cls.__name__}) lack {', '.join(names)}: define these methods, or "
                "name a class of intinfer_golden.ops.base that has them in its bases"
            )
        FACTS[cls.of] = cls

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node
        self.op = cast(O, node.op)
        self.inputs = graph.operands(node)

    @property
    def x(self) -> Value:
        """The first input."""
        return self.inputs[0]

    @property
    def channels(self) -> int:
        """How many channels the result has."""
        return self.node.output.shape[0]

    @abstractmethod
    def explain(self, at: Place, *operands: Operand) -> Steps:
        """How the element at `at` of the result comes about, from the op's definition in Python integers."""

    @abstractmethod
    def mistakes(self) -> Iterator[Mistake]:
        """What a design may compute instead, in all frames or in some: usual mistakes that are of this op alone, in the
        order in which they are told. `verify` looks for them in a dump that differs."""

    def families(self) -> Families:
        """All mistakes that are looked for by name: the op's own, then those that it shares with others."""
        return (self.mistakes(),)

    @abstractmethod
    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """What frames should hit at the node."""

    @abstractmethod
    def faults(self, site: Site) -> Iterator[Faults]:
        """What one frame alone can get wrong, beside results that are late and inputs in another order."""

    @abstractmethod
    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """Why no frame shows that an input comes in another order, or "" where one may show it.

        Not asked where the result, or the input, is the same in every frame.
        """

    def together(self) -> tuple[str, ...]:
        """Inputs that are put into another order together, since one frame shows but one of them."""
        return ()

    @abstractmethod
    def frames(self, rng: np.random.Generator) -> Iterator[Frame]:
        """Frames that goals cannot ask for, of an op whose inputs are the region's own."""

    @abstractmethod
    def compose(self, frame: Frame, draw: Draw) -> None:
        """Change a frame into one that shows faults of one frame. The op's inputs are the region's own."""


class Served:
    """The frames that every region gets, and goals, reach all bins of the op."""

    def frames(self, rng: np.random.Generator) -> Iterator[Frame]:
        """No frames of its own."""
        return iter(())

    def compose(self, frame: Frame, draw: Draw) -> None:
        """Nothing is changed: noise shows what it gets wrong."""
        return

    def turns(self) -> list[IntArray]:
        """No numbers: goals reach all there are."""
        return []


class Stateless:
    """An op that holds nothing but its result: no sum, maximum, select or row of constants can be a wrong one."""

    def faults(self, site: Site) -> Iterator[Faults]:
        """None: nothing is left over from another frame."""
        return iter(())


class Elementwise(OpFacts[O]):
    """An element of the result reads the element of each input at its own place."""

    @abstractmethod
    def turns(self) -> list[IntArray]:
        """Numbers of the only input at which the result turns, by channel: arrays (C, K). Asked where there is one."""

    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """An order does not show where no channel that it moves depends on the input."""
        moved = order.moved.reshape(value.shape[0], -1).any(axis=1)
        shows = (moved & self._depends(site, value)).any()
        return "" if shows else f"{site.name!r} does not depend on what moves"

    def _depends(self, site: Site, value: Value) -> Bools:
        """Whether a channel depends on an input, (C,).

        A monotone op depends on an input when its ends give different results, for a mean of two levels beside one of
        two neighbouring levels. Of another op all numbers are looked at, if they are few; if not, it counts as
        depending.
        """
        channels, type_ = value.shape[0], value.type
        if isinstance(self.op, Monotone | Linear):
            numbers = np.array([type_.lo, type_.hi])
        elif type_.hi - type_.lo < FEW:
            numbers = np.arange(type_.lo, type_.hi + 1)
        else:
            return np.ones(channels, dtype=bool)
        rows = np.repeat(numbers[:, None], channels, axis=1)
        results = []
        for step in (0, 1):
            others = {
                name: np.full(rows.shape, min(other.type.lo + step, other.type.hi))
                for name, other in site.operands.items()
            }
            results.append(site.result(others, {value.name: rows}))
        return varies(results)


class Exchange(NamedTuple):
    """Channels that work with constants of other channels `order`, (C,); `differ`, (K, C), says on which of `numbers`
    this shows, and `sure` whether it shows on them if it shows at all."""

    words: str
    order: IntArray
    wrong: Op
    numbers: IntArray
    differ: Bools
    sure: bool


class PerChannel(Elementwise[O]):
    """An op of one input that may have constants for each channel: a channel can work with those of another one."""

    @abstractmethod
    def telling(self, order: IntArray) -> tuple[IntArray, bool]:
        """Numbers (K, C) on which the constants of each channel and those of channel `order` differ if they differ
        anywhere; False when that is not sure."""

    def exchanges(self) -> Iterator[Exchange]:
        """Constants of channel 0 for all channels, and those of the next channel; none where all share one row."""
        if all(tensor.shape[0] == 1 for tensor in stored(self.op).values()):
            return
        orders = {
            "constants of channel 0 for all channels": np.zeros(self.channels, dtype=np.int64),
            "constants of the next channel": np.roll(np.arange(self.channels), -1),
        }
        for words, order in orders.items():
            wrong = of_channels(self.op, order)
            numbers, sure = self.telling(order)
            differ = np.asarray(self.op.reference(numbers) != wrong.reference(numbers))
            yield Exchange(words, order, wrong, numbers, differ, sure)

    def families(self) -> Families:
        """The op's own, then constants that are another channel's or read otherwise."""
        return self.mistakes(), constants.mistakes(self.op, self.channels)

    def faults(self, site: Site) -> Iterator[Faults]:
        """A channel that works with the constants of another one."""
        for exchange in self.exchanges():
            if self.x.size <= FEW_ELEMENTS and not exchange.order.any():
                continue  # in one frame the next row has to do

            def seen(now: Values, before: Values, wrong: Op = exchange.wrong) -> bool:
                return site.differs(now, {}, wrong)

            hidden = exchange.sure and not exchange.differ.any()
            reason = "these constants give the same results" if hidden else ""
            yield fault(RESET, f"{site.name}: {exchange.words}", seen, reason)


class Routing(Stateless, Served, OpFacts[O]):
    """An op that only moves elements: each is told from every other one that it moves."""

    def covergroups(self, prover: Prover) -> list[Covergroup]:
        """Every element that is moved is told from every other one."""
        operands = [self.graph.values[name] for name in dict.fromkeys(self.node.inputs)]
        sentence = "over all frames the element carries another sequence than any other: no two can be exchanged"
        return [told_apart(self.node, operands, np.arange(sum(x.size for x in operands)), (), sentence)]

    def hidden(self, site: Site, value: Value, order: Order) -> str:
        """An order does not show where it only moves what is not read."""
        source = _sources(site, value)
        read = source[source >= 0]
        return "what moves is not read" if np.array_equal(order.source[read], read) else ""


def _sources(site: Site, value: Value) -> IntArray:
    """Which element of a value an op that only moves puts at each place, flat; -1 for none of them."""
    found = []
    for base in (0, value.size):
        arrays = {name: np.zeros((1, *other.shape), dtype=np.int64) for name, other in site.operands.items()}
        address = base + np.arange(value.size).reshape(1, *value.shape)
        found.append(site.result(arrays, {value.name: address}).reshape(-1))
    return np.where(found[0] == found[1], -1, found[0])
