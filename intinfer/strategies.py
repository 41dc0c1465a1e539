"""Hypothesis strategies for your own tests: integer types, arrays, images, random graphs, small whole networks.

Needs `pip install 'intinfer[hypothesis]'`; nothing else in intinfer imports this module. For example, that the fast
engine gives the reference's bits on whatever graph is drawn:

>>> from hypothesis import given, settings, strategies as st
>>> from intinfer import Model, reference
>>> @settings(max_examples=5, deadline=None, derandomize=True, database=None)
... @given(st.data())
... def test_engine(data):
...     graph = data.draw(networks())
...     batch = data.draw(images(graph))[None]
...     wanted = reference.run(graph, batch)["logits"]
...     assert (Model(graph).run(batch) == wanted).all()
>>> test_engine()

Public: `int_types`, `arrays`, `images`, `graphs`, `graphs_with_images`, `networks`, and `falsify`, which searches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from . import ops
from .accumulator import Accumulator, TapOrder
from .builder import GraphBuilder
from .errors import GraphError
from .graph import Graph, ImageInput, Value
from .rounding import RoundMode
from .tensor import CellularWeights, IntTensor
from .types import IntArray, IntType


@st.composite
def int_types(draw: st.DrawFn, lo: int = -(2**62), hi: int = 2**62) -> IntType:
    """Draw any interval inside lo..hi; k-bit levels, two's complement and single values come up often."""
    bits = draw(st.integers(1, 12))
    usual = [IntType.unsigned(bits), IntType.twos_complement(bits), IntType(-1, 1), IntType(lo, hi)]
    usual = [type_ for type_ in usual if lo <= type_.lo and type_.hi <= hi]
    ends = st.lists(st.integers(lo, hi), min_size=2, max_size=2).map(sorted).map(lambda pair: IntType(*pair))
    return draw(st.sampled_from(usual) | ends)


def integers_of(type_: IntType) -> st.SearchStrategy[int]:
    """Values of a type; its ends, 0 and ±1 come up often."""
    special = sorted({type_.lo, type_.hi, *(z for z in (-1, 0, 1) if type_.lo <= z <= type_.hi)})
    return st.sampled_from(special) | st.integers(type_.lo, type_.hi)


def arrays(type_: IntType, shape: tuple[int, ...]) -> st.SearchStrategy[IntArray]:
    """int64 arrays inside a type."""
    return hnp.arrays(np.int64, shape, elements=integers_of(type_), fill=st.nothing())


def tensors(lo: int, hi: int, shape: tuple[int, ...]) -> st.SearchStrategy[IntTensor]:
    """Constants of integers lo..hi in the narrowest code."""
    return arrays(IntType(lo, hi), shape).map(IntTensor)


class Operands:
    """Where an op's operands come from: new graph inputs (`fresh`), or values that the graph already has.

    A value that does not fit what is asked for is adapted by a node: clamped, flattened or pooled.
    """

    def __init__(self, draw: st.DrawFn, fresh: bool) -> None:
        self.draw, self.fresh = draw, fresh
        self.builder = GraphBuilder()
        self.values: list[Value] = []

    def input(self, shape: tuple[int, ...], type_: IntType) -> Value:
        """Declare a new input of the graph."""
        value = self.builder.input(f"in{len(self.values)}", shape, type_)
        self.values.append(value)
        return value

    def add(self, op: ops.Op, *inputs: Value) -> Value:
        """Append a node of this op."""
        value = self.builder.add(op, *inputs, name=f"{op.kind}{len(self.values)}")
        self.values.append(value)
        return value

    def shape(self) -> tuple[int, int, int]:
        """Draw a small (C, H, W)."""
        channels, height, width = (self.draw(st.integers(1, top)) for top in (4, 5, 5))
        return channels, height, width

    def value(self, lo: int, hi: int, shape: tuple[int, ...] | None = None) -> Value:
        """A value inside lo..hi, of this shape or of any."""
        if self.fresh:
            any_shape = self.shape()
            shape = shape or self.draw(st.sampled_from([any_shape, any_shape[:1]]))
            return self.input(shape, self.draw(int_types(lo, hi)))
        fitting = [value for value in self.values if shape in (None, value.shape)]
        return self.narrowed(self.draw(st.sampled_from(fitting)), lo, hi)

    def map(self, lo: int, hi: int) -> Value:
        """A map (C, H, W) inside lo..hi."""
        if self.fresh:
            return self.value(lo, hi, self.shape())
        maps = [value for value in self.values if len(value.shape) == 3]
        return self.narrowed(self.draw(st.sampled_from(maps)), lo, hi)

    def vector(self, lo: int, hi: int) -> Value:
        """A vector (C,) inside lo..hi."""
        if self.fresh:
            return self.value(lo, hi, self.shape()[:1])
        value = self.value(lo, hi)
        return value if len(value.shape) == 1 else self.add(ops.Flatten(), value)

    def bits(self, like: Value) -> Value:
        """A select bit for each channel of a map."""
        if self.fresh:
            return self.value(0, 1, like.shape[:1])
        levels = self.narrowed(like, 0, 7)
        return self.add(ops.Tgap(7), levels)

    def narrowed(self, value: Value, lo: int, hi: int) -> Value:
        """The value, clamped where it may leave lo..hi."""
        if lo <= value.type.lo and value.type.hi <= hi:
            return value
        return self.add(ops.Clamp(lo, hi), value)

    def finish(self) -> Graph:
        """The graph, whose outputs are the last value and up to two others."""
        others = self.draw(st.lists(st.sampled_from(self.values), max_size=2, unique_by=lambda value: value.name))
        for value in {value.name: value for value in (self.values[-1], *others)}.values():
            self.builder.output(f"out_{value.name}", value)
        return self.builder.finish()


# ----------------------------------------------------------------- one function an op: draw attributes, add the node


def _rows(draw: st.DrawFn, channels: int) -> int:
    """Draw how many rows a per-channel constant has: one a channel, or one for all."""
    return draw(st.sampled_from([1, channels]))


@st.composite
def accumulators(draw: st.DrawFn, worst: int) -> Accumulator:
    """Draw any rule; a trap is wide enough for `worst`, the largest |partial sum|, so that it never springs."""
    bits, fold, order = draw(st.integers(2, 20)), draw(st.integers(1, 6)), draw(st.sampled_from(TapOrder))
    rules = [
        Accumulator.prove(62),
        Accumulator.wrap(bits),
        Accumulator.saturate(bits, order, fold),
        Accumulator.trap(max(2, worst.bit_length() + 1), order, fold),
    ]
    return draw(st.sampled_from(rules))


@st.composite
def axes(draw: st.DrawFn, extent: int, dilated: bool = True) -> dict[str, int]:
    """Kernel, stride, two pads and dilation along one axis, such that the kernel fits the padded extent."""
    before, after, stride = draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)) if dilated else 1
    fitting = [kernel for kernel in (1, 2, 3) if dilation * (kernel - 1) < extent + before + after]
    kernel = draw(st.sampled_from(fitting))
    return {"before": before, "after": after, "stride": stride, "dilation": dilation, "kernel": kernel}


def geometry(y: dict[str, int], x: dict[str, int]) -> dict[str, Any]:
    """The attributes stride, pads and dilation of an op that slides a window so along both axes."""
    pads = (y["before"], x["before"], y["after"], x["after"])
    return {"stride": (y["stride"], x["stride"]), "pads": pads, "dilation": (y["dilation"], x["dilation"])}


def conv2d(operands: Operands) -> Value:
    draw, value = operands.draw, operands.map(-(2**20), 2**20)
    channels, height, width = value.shape
    y, x = draw(axes(height)), draw(axes(width))
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    shape = (groups * draw(st.integers(1, 3)), channels // groups, y["kernel"], x["kernel"])
    weight: IntTensor | CellularWeights
    if groups == 1 and shape[0] > 1 and shape[2:] == (1, 1) and draw(st.booleans()):
        seed = (0, 1, *draw(st.lists(st.integers(0, 1), min_size=shape[0] - 2, max_size=shape[0] - 2)))
        weight = CellularWeights(draw(st.sampled_from([30, 110, 255])), seed, channels)
        largest = 1
    else:
        largest = draw(st.sampled_from([1, 127]))
        weight = draw(tensors(-largest, largest, shape))
    worst = channels // groups * y["kernel"] * x["kernel"] * largest * max(abs(value.type.lo), abs(value.type.hi))
    pad_values = draw(st.lists(integers_of(value.type), min_size=channels, max_size=channels))
    op = ops.Conv2d(
        weight=weight,
        pad_value=tuple(pad_values[: _rows(draw, channels)]),
        groups=groups,
        accumulator=draw(accumulators(worst)),
        **geometry(y, x),
    )
    return operands.add(op, value)


def dense(operands: Operands) -> Value:
    value = operands.vector(-(2**20), 2**20)
    weight = operands.draw(tensors(-128, 127, (operands.draw(st.integers(1, 4)), value.shape[0])))
    worst = value.shape[0] * 128 * 2**20
    return operands.add(ops.Dense(weight, operands.draw(accumulators(worst))), value)


def threshold(operands: Operands) -> Value:
    draw, value = operands.draw, operands.value(-(2**40), 2**40)
    rows, count = _rows(draw, value.shape[0]), draw(st.integers(1, 7))
    falling = draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows))
    lo, hi = value.type.lo, value.type.hi
    table = []
    for down in falling:
        inside = integers_of(IntType(lo - 1, hi) if down else IntType(lo, hi + 1))
        table.append(sorted(draw(st.lists(inside, min_size=count, max_size=count)), reverse=bool(down)))
    op = ops.Threshold(IntTensor(table), IntTensor(falling), draw(st.integers(-3, 3)), draw(st.integers(1, 3)))
    return operands.add(op, value)


def requant(operands: Operands) -> Value:
    draw, value = operands.draw, operands.value(-(2**30), 2**30)
    limits = ((-(2**20), 2**20), (-(2**50), 2**50), (0, 62))
    multiplier, offset, shift = (draw(tensors(lo, hi, (_rows(draw, value.shape[0]),))) for lo, hi in limits)
    clip = draw(int_types(-(2**40), 2**40))
    op = ops.Requant(multiplier, offset, shift, draw(st.sampled_from(RoundMode)), clip.lo, clip.hi)
    return operands.add(op, value)


def bitshift(operands: Operands) -> Value:
    bits = operands.draw(st.integers(1, 8))
    a = operands.value(0, 2**bits - 1)
    return operands.add(ops.Bitshift(bits), a, operands.value(0, 2**bits - 1, a.shape))


def add(operands: Operands) -> Value:
    first = operands.value(-(2**40), 2**40)
    more = [operands.value(-(2**40), 2**40, first.shape) for _ in range(operands.draw(st.integers(1, 2)))]
    factor = st.integers(-9, 9).filter(bool)
    return operands.add(ops.Add(tuple(operands.draw(factor) for _ in (first, *more))), first, *more)


def affine(operands: Operands) -> Value:
    value = operands.value(-(2**40), 2**40)
    channels = value.shape[:1]
    multiplier, offset = (operands.draw(tensors(-(2**bits), 2**bits, channels)) for bits in (15, 45))
    return operands.add(ops.Affine(multiplier, offset), value)


def table(operands: Operands) -> Value:
    draw, lo = operands.draw, operands.draw(st.integers(-20, 5))
    value = operands.value(lo, lo + 15)
    shape = (_rows(draw, value.shape[0]), value.type.hi - value.type.lo + 1)
    entries = draw(arrays(IntType(-100, 100), shape))
    slack = draw(st.integers(0, 5))
    lowest, highest = int(entries.min()), int(entries.max())
    return operands.add(ops.Table(IntTensor(entries), value.type.lo, lowest - slack, highest + slack), value)


def tgap(operands: Operands) -> Value:
    top = 2 ** operands.draw(st.integers(1, 8)) - 1
    return operands.add(ops.Tgap(top), operands.map(0, top))


def mux(operands: Operands) -> Value:
    if operands.fresh:
        shape = operands.shape()
        inputs = [operands.value(0, 1, shape[:1]), operands.value(-9, 9, shape), operands.value(-999, 999, shape)]
        return operands.add(ops.Mux(), *inputs)
    one = operands.map(-(2**40), 2**40)
    zero = operands.value(-(2**40), 2**40, one.shape)
    return operands.add(ops.Mux(), operands.bits(one), one, zero)


def concat(operands: Operands) -> Value:
    values = [operands.value(-(2**40), 2**40)]
    for _ in range(operands.draw(st.integers(0, 2))):
        values.append(operands.value(-(2**40), 2**40, values[0].shape))
    return operands.add(ops.Concat(), *values)


def channel_select(operands: Operands) -> Value:
    draw, value = operands.draw, operands.value(-(2**62), 2**62)
    channels = value.shape[0]
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    start = draw(st.integers(0, channels - 1))
    picked = draw(st.lists(st.integers(0, channels - 1), min_size=1, max_size=5))
    forms = [
        ops.ChannelSelect.shuffle(channels, groups),
        ops.ChannelSelect.slice(start, draw(st.integers(start + 1, channels))),
        ops.ChannelSelect(IntTensor(picked)),
    ]
    return operands.add(draw(st.sampled_from(forms)), value)


def max_pool(operands: Operands) -> Value:
    draw, value = operands.draw, operands.map(-(2**62), 2**62)
    both = [draw(axes(extent)) for extent in value.shape[1:]]
    for axis in both:  # pads below the kernel's extent without dilation: every window then holds a real pixel
        if axis["dilation"] > 1 or max(axis["before"], axis["after"]) >= axis["kernel"]:
            axis["before"] = axis["after"] = 0
    for axis, extent in zip(both, value.shape[1:], strict=True):
        axis["kernel"] = min(axis["kernel"], (extent + axis["before"] + axis["after"] - 1) // axis["dilation"] + 1)
    return operands.add(ops.MaxPool(kernel=(both[0]["kernel"], both[1]["kernel"]), **geometry(*both)), value)


def sum_pool(operands: Operands) -> Value:
    value = operands.map(-(2**40), 2**40)
    y, x = (operands.draw(axes(extent, dilated=False)) for extent in value.shape[1:])
    where = geometry(y, x)
    return operands.add(ops.SumPool((y["kernel"], x["kernel"]), where["stride"], where["pads"]), value)


def clamp(operands: Operands) -> Value:
    limits = operands.draw(int_types())
    return operands.add(ops.Clamp(limits.lo, limits.hi), operands.value(-(2**62), 2**62))


def gather(operands: Operands) -> Value:
    draw, value = operands.draw, operands.value(-(2**62), 2**62)
    shape = draw(st.one_of(st.tuples(st.integers(1, 6)), st.tuples(*[st.integers(1, 4)] * 3)))
    count = int(np.prod(shape))
    index = draw(st.lists(st.integers(-1, value.size - 1), min_size=count, max_size=count))
    fill = draw(st.one_of(st.integers(value.type.lo, value.type.hi), st.integers(-(2**62), 2**62)))
    return operands.add(ops.Gather(IntTensor(np.array(index).reshape(shape)), fill), value)


def plain(kind: str) -> Callable[[Operands], Value]:
    """An op without attributes, of any one value."""
    return lambda operands: operands.add(ops.OPS[kind](), operands.value(-(2**62), 2**62))


MAKERS = {kind: plain(kind) for kind, op in ops.OPS.items() if not fields(op) and op.arity == 1} | {
    maker.__name__: maker
    for maker in (
        *(conv2d, dense, threshold, requant, bitshift, add, affine, table, tgap, mux, concat, channel_select),
        *(max_pool, sum_pool, clamp, gather),
    )
}


@st.composite
def cases(draw: st.DrawFn, kind: str, images: int = 2) -> tuple[ops.Op, list[tuple[IntArray, IntType]]]:
    """An op of this kind with inputs that it accepts: (op, [(array (N, ...), type), ...])."""
    operands = Operands(draw, fresh=True)
    MAKERS[kind](operands)
    operands.builder.output("y", operands.values[-1])
    graph = operands.builder.finish()
    inputs = [(draw(arrays(value.type, (images, *value.shape))), value.type) for value in graph.inputs]
    return graph.nodes[0].op, inputs


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 6) -> Graph:
    """A random graph of one or two inputs: chains, branches and merges over every op."""
    operands = Operands(draw, fresh=False)
    shape = operands.shape()
    for _ in range(draw(st.integers(1, 2))):
        operands.input(shape, draw(int_types(-(2**16), 2**16)))
    for kind in draw(st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=max_nodes)):
        MAKERS[kind](operands)
    return operands.finish()


@st.composite
def graphs_with_images(draw: st.DrawFn, images: int = 3) -> tuple[Graph, dict[str, IntArray]]:
    """A graph and a batch for each of its inputs."""
    graph = draw(graphs())
    return graph, {value.name: draw(arrays(value.type, (images, *value.shape))) for value in graph.inputs}


# --------------------------------------------------------------------------------------- images and whole networks


def images(graph: Graph) -> st.SearchStrategy[IntArray]:
    """Images (C, H, W), int64, for a graph with one input map: extremes first, noise last.

    Of one value all over (the lowest, the highest, any), stripes and checkers of any period, one pixel that stands out
    (corners come up often), a rectangle, noise. They shrink to one value all over, noise to a small corner of it.
    """
    (value,) = graph.inputs
    if len(value.shape) != 3:
        raise GraphError(f"images are (C, H, W) maps, input {value.name!r} has shape {value.shape}; use arrays(...)")
    return _images(value)


@st.composite
def _images(draw: st.DrawFn, value: Value) -> IntArray:
    channels, height, width = value.shape
    level = integers_of(value.type)
    image = np.full(value.shape, draw(level), dtype=np.int64)
    form = draw(st.sampled_from(["constant", "channels", "pixel", "stripes", "checker", "rectangle", "noise"]))
    if form == "channels":
        image[:] = np.array([draw(level) for _ in range(channels)]).reshape(-1, 1, 1)
    elif form == "pixel":
        y, x = (draw(st.sampled_from([0, extent - 1]) | st.integers(0, extent - 1)) for extent in (height, width))
        image[draw(st.integers(0, channels - 1)), y, x] = draw(level)
    elif form in ("stripes", "checker"):
        ys, xs = np.indices((height, width)) // draw(st.integers(1, 4))
        mask = (ys + xs if form == "checker" else draw(st.sampled_from([ys, xs]))) % 2 == 1
        image[:, mask] = draw(level)
    elif form == "rectangle":
        (top, bottom), (left, right) = (
            sorted(draw(st.lists(st.integers(0, extent), min_size=2, max_size=2))) for extent in (height, width)
        )
        image[:, top:bottom, left:right] = draw(level)
    elif form == "noise":
        noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(
            value.type.lo, value.type.hi + 1, value.shape
        )
        rows, columns = (draw(st.integers(0, extent) | st.just(extent)) for extent in (height, width))
        image[:, :rows, :columns] = noise[:, :rows, :columns]
    return image


@st.composite
def networks(draw: st.DrawFn, max_blocks: int = 2) -> Graph:
    """A small whole classifier on 8-bit images: conv1 and thresholds; blocks of a grouped convolution, TGAP, bitshift
    and MUX, some with a max pool behind; a 1x1 convolution to the classes, summed over the map; output "logits".

    Weights (ternary or binary) and thresholds come from a drawn seed, so that examples stay quick to draw.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits, size, width = draw(st.integers(1, 4)), draw(st.sampled_from([4, 6, 8])), draw(st.sampled_from([2, 4]))
    builder = GraphBuilder()
    channels = draw(st.sampled_from([1, 3]))
    x = builder.input("image", (channels, size, size), IntType.unsigned(8))
    x = _levels(builder, rng, x, width, 1, bits, "conv1")
    for block in range(draw(st.integers(0, max_blocks))):
        name = f"b{block}"
        one = _levels(builder, rng, x, width, draw(st.sampled_from([1, 2])), bits, f"{name}.conv")
        select = builder.add(ops.Tgap(2**bits - 1), draw(st.sampled_from([x, one])), name=f"{name}.tgap")
        zero = builder.add(ops.Bitshift(bits), x, one, name=f"{name}.shift")
        x = builder.add(ops.Mux(), select, one, zero, name=f"{name}.mux")
        if draw(st.booleans()):
            x = builder.add(ops.MaxPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), x, name=f"{name}.pool")
    classes = draw(st.integers(2, 4))
    x = builder.add(_convolution(rng, width, classes, 1, 1), x, name="classes")
    x = builder.add(ops.SumPool((x.shape[1], x.shape[2]), (1, 1), (0, 0, 0, 0)), x, name="sum")
    builder.output("logits", builder.add(ops.Flatten(), x, name="logits"))
    return builder.finish(ImageInput("RGB" if channels == 3 else "L"))


def _levels(
    builder: GraphBuilder, rng: np.random.Generator, x: Value, width: int, groups: int, bits: int, name: str
) -> Value:
    """A 3x3 convolution with its thresholds, spread over the middle of the sums; some channels descend."""
    z = builder.add(_convolution(rng, x.shape[0], width, 3, groups), x, name=name)
    falling = rng.integers(0, 4, width) == 0
    limits = np.sort(rng.integers(z.type.lo // 4, z.type.hi // 4 + 1, (width, 2**bits - 1)), axis=1)
    limits[falling] = limits[falling, ::-1]
    op = ops.Threshold(IntTensor(limits), IntTensor(falling.astype(np.int64)), 0, 1)
    return builder.add(op, z, name=f"{name}.act")


def _convolution(rng: np.random.Generator, inputs: int, outputs: int, kernel: int, groups: int) -> ops.Conv2d:
    shape = (outputs, inputs // groups, kernel, kernel)
    if rng.integers(0, 2):
        weight = IntTensor(rng.integers(-1, 2, shape), "ternary")
    else:
        weight = IntTensor(2 * rng.integers(0, 2, shape) - 1, "binary")
    pad = kernel // 2
    return ops.Conv2d(weight, (1, 1), (pad, pad, pad, pad), (0,), (1, 1), groups, Accumulator.prove(32))


def falsify(
    property_: Callable[[IntArray], bool], strategy: st.SearchStrategy[IntArray], examples: int, seed_: int = 0
) -> IntArray | None:
    """The simplest image found for which `property_` is false, or None after `examples` images.

    The images depend on the seed alone; nothing is stored between runs. Exceptions of the property pass through.
    """

    class FalsifiedError(Exception):
        pass

    failing: list[IntArray] = []

    def look(image: IntArray) -> None:
        if not property_(image):
            failing.append(image)
            raise FalsifiedError

    quiet = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(seed_)(quiet(given(strategy)(look)))()
    except FalsifiedError:
        return failing[-1]  # Hypothesis ends with the shrunk example
    return None
