"""The float net under construction: names, layouts, pending chains, quantisers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from intinfer.graph import ImageInput, Shape
from intinfer.types import IntArray

from ..evaluator import Chain, Primitive
from ..floatnet import FloatNet, FloatNetBuilder, FloatOp, Pixels, Pointwise, Quantise
from . import chains, layout
from .tensor import Compared, Symbolic, Tap, Unsupported

MAX_VECTOR = 2**16
"""A constant that varies within a channel makes every element a channel of its own, up to this many."""
Array = npt.NDArray[Any]
_INVERSE = {"add": "sub", "sub": "add"}


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader gives: the float net, and where every tensor of the source is found in it."""

    net: FloatNet
    tensors: dict[str, Tap]


class Emitter:
    """The float net under construction: names, layouts, pending chains, quantisers."""

    def __init__(self, dtype: npt.DTypeLike = np.float32) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._builder = FloatNetBuilder(self.dtype)
        self._names: set[str] = set()
        self._modes: list[str | None] = []
        self._at: tuple[str, ...] = ("node",)
        self._closed: dict[tuple[str, int], tuple[str, Chain]] = {}
        self._chained: dict[tuple[str, int], tuple[str, Chain]] = {}
        self._arranged: dict[tuple[str, Shape, bytes, Fraction], str] = {}

    @contextmanager
    def at(self, name: str, *sources: str) -> Iterator[None]:
        """Nodes added inside are called `name` and have the sources (`name` when there are none)."""
        before, self._at = self._at, (name, *(sources or (name,)))
        try:
            yield
        finally:
            self._at = before

    @property
    def sources(self) -> tuple[str, ...]:
        return self._at[1:] or self._at

    def emit(self, op: FloatOp, *inputs: str, name: str = "", sources: Sequence[str] = ()) -> str:
        """Add a float node; its name is made unique."""
        wanted = name or self._at[0]
        unique, number = wanted, 2
        while unique in self._names:
            unique, number = f"{wanted}.{number}", number + 1
        self._names.add(unique)
        return self._builder.add(unique, op, *inputs, source=tuple(sources) or self.sources)

    def value_shape(self, node: str) -> Shape:
        return self._builder.shape(node)

    def made(self, node: str, shape: tuple[int, ...], dtype: np.dtype[Any], **known: Any) -> Symbolic:
        """The whole value of `node` as a tensor of `shape`."""
        return Symbolic(node, layout.identity(shape), dtype, **known)

    def settled(self, x: Symbolic) -> Symbolic:
        """`x` with its quantiser closed, when its chain is one."""
        if not x.integral:
            return x
        key = (x.node, id(x.chain))
        if key not in self._closed:
            low, high = x.bounds
            # A quantiser that always gives one level has a second one that is not reached.
            count = max(1, int(high - low) // x.step) if x.bounded else None
            op = Quantise(x.chain, int(low) if x.bounded else None, x.step, count)
            node = self.emit(op, x.node, name=x.sources[-1] if x.sources else "", sources=x.sources)
            self._closed[key] = (node, x.chain)  # the chain is kept, so that its id stays its own
        return _plain(x, self._closed[key][0])

    def without_chain(self, x: Symbolic) -> Symbolic:
        """`x` with its pending ops as a node, so that nothing waits between its index and its node."""
        x = self.settled(x)
        if not x.chain:
            return x
        key = (x.node, id(x.chain))
        if key not in self._chained:
            name = x.sources[-1] if x.sources else ""
            node = self.emit(Pointwise(x.chain), x.node, name=name, sources=x.sources)
            self._chained[key] = (node, x.chain)
        return _plain(x, self._chained[key][0])

    def realised(self, x: Symbolic, shape: Shape | None = None) -> str:
        """A node whose value is `x`, in `shape` (by default that of `layout.value_shape`)."""
        x = self.without_chain(x)
        index = x.index.reshape(shape or layout.value_shape(x.shape))
        before = self.value_shape(x.node)
        if before == index.shape and layout.is_identity(index):
            return x.node
        key = (x.node, index.shape, index.tobytes(), x.fill)
        if key not in self._arranged:
            node = x.node
            for op in layout.arrangement(before, index, x.fill):
                node = self.emit(op, node, name=f"{self._at[0]}.in")
            self._arranged[key] = node
        return self._arranged[key]

    def per_channel(self, x: Symbolic, operand: Array) -> tuple[Symbolic, Array]:
        """The operand as one number, or one a channel of x's node; x is made a vector where it varies within one."""
        if operand.size == 1:
            return x, operand.reshape(1)
        try:
            wide = np.broadcast_to(operand, x.shape)
        except ValueError:
            raise Unsupported(f"its constant of shape {operand.shape} does not fit {x.shape}") from None
        if (operand == operand.reshape(-1)[0]).all():
            return x, operand.reshape(-1)[:1]
        value = self.value_shape(x.node)
        channel, flat = layout.channel_of(x.index, value).reshape(-1), wide.reshape(-1)
        numbers = np.full(value[0], flat[0], dtype=operand.dtype)
        numbers[channel] = flat
        if (numbers[channel] == flat).all():
            return x, numbers
        if x.size > MAX_VECTOR or value == (x.size,):
            raise Unsupported(
                f"its constant of shape {operand.shape} varies within a channel of {x.shape}; constants are one "
                "number or one a channel"
            )
        node = self.realised(x, (x.size,))
        return replace(_plain(x, node), index=layout.identity(x.shape), fill=Fraction(0)), flat

    # ---- elementwise with constants

    def pointwise(self, x: Symbolic, kind: str, operand: npt.ArrayLike | None = None) -> Symbolic:
        """An op of `evaluator.Primitive` with a constant that does not vary within a channel.

        Args:
            kind: as `Primitive.kind`. `clip` takes (lo, hi), numbers; `count` the thresholds (C, n) or (1, n) along
                axis 1 of `x`.
            operand: broadcasts against `x`.

        Raises:
            Unsupported: the constant is not finite or varies within a channel; an integer type would overflow.
        """
        if x.dtype.kind not in "iufb":
            raise Unsupported(f"works on {x.dtype}")
        if x.dtype.kind in "iu":
            from .integers import integer_pointwise

            return integer_pointwise(self, x, kind, operand)
        return self.float_pointwise(x, kind, operand)

    def float_pointwise(self, x: Symbolic, kind: str, operand: npt.ArrayLike | None) -> Symbolic:
        """`pointwise` as arithmetic of the chain's dtype, whatever the type of `x`."""
        numbers = chains.operand_of(kind, operand, self.dtype)
        if chains.is_nothing(kind, numbers):
            return x
        if x.padded:
            x = self.spread(x)
        origin, given = x, numbers
        if x.integral:
            closing = self._absorbed(x, kind, numbers)
            if closing is not None:
                return closing
            x = self.settled(x)
        if kind == "count" and numbers is not None:
            numbers = self._rows(x, numbers)
        elif kind != "clip" and numbers is not None:
            x, numbers = self.per_channel(x, numbers)
        result = replace(chains.appended(x, Primitive(kind, numbers), self.dtype), sources=self._sources(x))
        if x.is_float and x.dtype != self.dtype:
            self._need_exact(x, result, operand, given)
        if kind in chains.COMPARISONS and given is not None:
            result = replace(result, dtype=np.dtype(bool), compared=Compared(origin, kind, given))
        return result

    def _need_exact(self, x: Symbolic, result: Symbolic, operand: npt.ArrayLike | None, numbers: Array | None) -> None:
        """Refuse arithmetic of another float type than the chain's, but for small integers, which no type rounds."""
        given = np.asarray(0 if operand is None else operand, dtype=np.float64)
        kept = numbers is None or np.array_equal(given, np.asarray(numbers, dtype=np.float64))
        limit = min(chains.exact_limit(self.dtype), chains.exact_limit(x.dtype))
        small = x.whole and result.whole and max(map(abs, (*x.bounds, *result.bounds))) <= limit
        if not (kept and small):
            raise Unsupported(f"computes in {x.dtype}; the float ops of a network are all in {self.dtype}")

    def _absorbed(self, x: Symbolic, kind: str, numbers: Array | None) -> Symbolic | None:
        if numbers is not None and kind not in ("clip", "count"):
            if (numbers != numbers.reshape(-1)[0]).any():
                return None
            numbers = numbers.reshape(-1)[:1]
        result = chains.absorbed(x, Primitive(kind, numbers), self.dtype)
        if result is None or result is x:
            return result
        dtype = np.dtype(bool) if kind in chains.COMPARISONS else x.dtype
        return replace(result, sources=self._sources(x), dtype=dtype)

    def _sources(self, x: Symbolic) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*x.sources, *self.sources)))

    def _rows(self, x: Symbolic, thresholds: Array) -> Array:
        """(C, n) along axis 1 of x to one row a channel of its node."""
        if thresholds.ndim != 2 or thresholds.shape[0] not in (1, x.shape[1]):
            raise Unsupported(f"thresholds of shape {thresholds.shape} do not fit {x.shape}: one row, or one a channel")
        if thresholds.shape[0] == 1:
            return thresholds
        value = self.value_shape(x.node)
        channel = layout.channel_of(x.index, value)
        axis = np.broadcast_to(np.arange(x.shape[1]).reshape(1, -1, *[1] * (len(x.shape) - 2)), x.shape)
        row = np.zeros(value[0], dtype=np.int64)
        row[channel.reshape(-1)] = axis.reshape(-1)
        if (row[channel] != axis).any():
            raise Unsupported("its thresholds vary within a channel of what it reads")
        return thresholds[row]

    def spread(self, x: Symbolic) -> Symbolic:
        """`x` as the whole value of a node of its own."""
        node = self.realised(x)
        return replace(_plain(x, node), index=layout.identity(x.shape), fill=Fraction(0))

    # ---- only indices

    def rearrange(self, x: Symbolic, change: Callable[[IntArray], IntArray]) -> Symbolic:
        """The elements of `x` in another order or shape: `change` does to an index array what the op does to `x`."""
        index = layout.rearranged(x.index, change)
        if index.size == 0 or index.shape[:1] != (1,):
            raise Unsupported(
                f"it gives shape {index.shape}; the batch axis stays first and of 1, and no other is empty"
            )
        return replace(x, index=index, compared=None, difference=None)

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
                taps[name] = Tap(node, x.index.reshape(-1), chain, x.fill)
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
                return node, tuple(Primitive(_INVERSE[op.kind], op.operand) for op in reversed(more))
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
        index = layout.identity(first).transpose(0, 2, 3, 1) if last else layout.identity(first)
        return Symbolic(node, index, np.dtype(dtype), bounds=(lo, hi), whole=True)


def _plain(x: Symbolic, node: str) -> Symbolic:
    """`x` with its chain done, in `node`."""
    return replace(x, node=node, chain=(), sources=(), integral=False, step=1, compared=None, difference=None)


def _needed(net: FloatNet) -> FloatNet:
    """The net without what no output depends on; its inputs stay."""
    wanted = set(net.outputs.values())
    for node in reversed(net.nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
    return replace(net, nodes=tuple(n for n in net.nodes if n.name in wanted or isinstance(n.op, Pixels)))
