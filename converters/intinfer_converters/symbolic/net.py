"""The float net under construction: names, layouts, pending chains, quantisers."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.graph import ImageInput, Shape

from ..evaluator import Chain
from ..floatnet import FloatNet, FloatNetBuilder, FloatOp, Pixels, Pointwise, Quantise
from ..lowered import unused
from ..primitives import primitive
from . import layout
from .layout import Layout
from .tensor import UNKNOWN, Known, Symbolic, Tap

_INVERSE = {"add": "sub", "sub": "add"}


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader gives: the float net, and where every tensor of the source is found in it."""

    net: FloatNet
    tensors: dict[str, Tap]


class SymbolicNet:
    """The float net under construction: what a function of the vocabulary adds nodes to.

    It knows names, closes quantisers, turns pending ops and layouts into nodes, each once, and nothing of what
    ops mean.

    Attributes:
        dtype: of all float ops of the network.
    """

    def __init__(self, dtype: npt.DTypeLike = np.float32) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._builder = FloatNetBuilder(self.dtype)
        self._names: set[str] = set()
        self._modes: list[str | None] = []
        self._at: tuple[str, ...] = ("node",)
        self._closed: dict[tuple[str, int], tuple[str, Chain]] = {}
        self._chained: dict[tuple[str, int], tuple[str, Chain]] = {}
        self._arranged: dict[tuple[str, Shape, Fraction], list[tuple[Layout, str]]] = {}

    @contextmanager
    def at(self, name: str, *sources: str) -> Iterator[None]:
        """Nodes added inside are called `name` and have the sources (`name` when there are none)."""
        before, self._at = self._at, (name, *(sources or (name,)))
        try:
            yield
        finally:
            self._at = before

    @property
    def name(self) -> str:
        """What nodes are called that are added now."""
        return self._at[0]

    @property
    def sources(self) -> tuple[str, ...]:
        """What the node that is read comes from, in the words of the source."""
        return self._at[1:] or self._at

    def emit(self, op: FloatOp, *inputs: str, name: str = "", sources: Sequence[str] = ()) -> str:
        """Add a float node; its name is made unique."""
        unique = unused(name or self.name, self._names, ".")
        return self._builder.add(unique, op, *inputs, source=tuple(sources) or self.sources)

    def value_shape(self, node: str) -> Shape:
        """The shape of the value of a float node, (C, H, W) or (C,)."""
        return self._builder.shape(node)

    def made(self, node: str, shape: tuple[int, ...], dtype: npt.DTypeLike, known: Known = UNKNOWN) -> Symbolic:
        """The whole value of `node` as a tensor of `shape`."""
        return Symbolic(node, Layout.whole(shape), np.dtype(dtype), bounds=known.bounds, whole=known.whole)

    def settled(self, x: Symbolic) -> Symbolic:
        """`x` with its quantiser closed, when its chain is one."""
        if not x.integral:
            return x
        low, high = x.bounds
        # A quantiser that always gives one level has a second one that is not reached.
        count = max(1, int(high - low) // x.step) if x.bounded else None
        return self._ended(x, Quantise(x.chain, int(low) if x.bounded else None, x.step, count), self._closed)

    def without_chain(self, x: Symbolic) -> Symbolic:
        """`x` with its pending ops as a node, so that nothing waits between its layout and its node."""
        x = self.settled(x)
        return self._ended(x, Pointwise(x.chain), self._chained) if x.chain else x

    def _ended(self, x: Symbolic, op: FloatOp, known: dict[tuple[str, int], tuple[str, Chain]]) -> Symbolic:
        """`x` behind `op`, which does what its chain says, as a node that is made once."""
        key = (x.node, id(x.chain))
        if key not in known:
            node = self.emit(op, x.node, name=x.sources[-1] if x.sources else "", sources=x.sources)
            known[key] = (node, x.chain)  # the chain is kept, so that its id stays its own
        return _done(x, known[key][0])

    def realised(self, x: Symbolic, shape: Shape | None = None) -> str:
        """A node whose value is `x`, in `shape` (by default that of `layout.value_shape`)."""
        x = self.without_chain(x)
        wanted, before = x.layout.reshape(shape or layout.value_shape(x.shape)), self.value_shape(x.node)
        if before == wanted.shape and wanted.is_whole(before):
            return x.node
        made = self._arranged.setdefault((x.node, wanted.shape, x.fill), [])
        for known, node in made:
            if known.same(wanted):
                return node
        node = x.node
        for op in layout.arrangement(before, wanted, x.fill):
            node = self.emit(op, node, name=f"{self.name}.in")
        made.append((wanted, node))
        return node

    def spread(self, x: Symbolic, channels: Sequence[int] = ()) -> Symbolic:
        """`x` as the whole value of a node of its own.

        Its shape is that of `layout.value_shape`, where `channels`, axes of `x`, come first and are one, if there are
        any.
        """
        others = [axis for axis in range(1, len(x.shape)) if axis not in channels]
        order = (0, *channels, *others)
        moved, rest = x.layout.transpose(order), [x.shape[axis] for axis in others]
        shape = (1, prod(x.shape[axis] for axis in channels), *(rest if len(rest) < 3 else (1, prod(rest))))
        node = self.realised(x.changed(layout=moved), layout.value_shape(shape) if channels else None)
        back = [order.index(axis) for axis in range(len(order))]
        return _done(x, node).changed(layout=Layout.whole(moved.shape).transpose(back), fill=Fraction(0))

    def finish(self, outputs: Mapping[str, Symbolic], tensors: Mapping[str, Symbolic] | None = None) -> Reading:
        """The float net with these outputs; `tensors` are the source's, by name, for `Reading.tensors`.

        Its only input takes picture files when it is a (1, C, H, W) of 1 or 3 channels and of 0..255.
        """
        image = ImageInput(self._modes[0]) if len(self._modes) == 1 and self._modes[0] else None
        nodes = {}
        for name, x in outputs.items():
            with self.at(name):
                nodes[name] = self.realised(x)
        net = _needed(self._builder.finish(nodes, image))
        kept = {node.name for node in net.nodes}
        taps = {}
        for name, x in (tensors or {}).items():
            node, chain = self._found(x, kept)
            if node in kept:
                taps[name] = Tap(node, x.layout, chain, x.fill)
        return Reading(net, taps)

    def _found(self, x: Symbolic, kept: set[str]) -> tuple[str, Chain]:
        """The node of the finished net that says most of `x`, and the ops from there to it.

        An 8-bit tensor between a quantiser and a subtraction of its zero point is found behind both: the quantiser has
        taken the subtraction in, so that its levels plus the zero point are the tensor.
        """
        node, _ = self._closed.get((x.node, id(x.chain)), ("", ()))
        if node in kept:
            return node, ()
        for (before, _), (node, chain) in self._closed.items():
            head, more = chain[: len(x.chain)], chain[len(x.chain) :]
            alike = before == x.node and len(head) == len(x.chain) and all(map(operator.is_, head, x.chain))
            if node in kept and x.integral and alike and all(op.kind in ("add", "sub") for op in more):
                return node, tuple(primitive(_INVERSE[op.kind], op.operand) for op in reversed(more))
        return x.node, x.chain

    # ---- the network's input

    def input(self, name: str, shape: Sequence[int], lo: int, hi: int, dtype: npt.DTypeLike = np.float32) -> Symbolic:
        """The integers lo..hi that come in, of a source tensor of this shape (batch axis first).

        A tensor (1, H, W, C) with 1, 3 or 4 channels last and H, W >= 8 comes in as (C, H, W) all the same.
        """
        shape = tuple(int(extent) for extent in shape)
        last = len(shape) == 4 and shape[3] in (1, 3, 4) and min(shape[1:3]) >= 8
        first = (1, shape[3], *shape[1:3]) if last else shape
        node = self.emit(Pixels(layout.value_shape(first), lo, hi), name=name, sources=(name,))
        pictures = len(first) == 4 and (lo, hi) == (0, 255)
        self._modes.append({1: "L", 3: "RGB"}.get(first[1]) if pictures else None)
        whole = Layout.whole(first)
        return Symbolic(
            node, whole.transpose((0, 2, 3, 1)) if last else whole, np.dtype(dtype), bounds=(lo, hi), whole=True
        )


def _done(x: Symbolic, node: str) -> Symbolic:
    """`x` with its chain done, in `node`."""
    return x.changed(node=node, chain=(), sources=(), integral=False, step=1)


def _needed(net: FloatNet) -> FloatNet:
    """The net without what no output depends on; its inputs stay."""
    wanted = set(net.outputs.values())
    for node in reversed(net.nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
    return replace(net, nodes=tuple(n for n in net.nodes if n.name in wanted or isinstance(n.op, Pixels)))
