"""Proven ranges against brute force: affine functions by differences, and every input of tiny networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import unchecked
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.affine import affine_functions, exhaustive, extremes

from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.bounds import Bounds, bounds_of
from intinfer.builder import GraphBuilder
from intinfer.errors import GraphError, RangeError
from intinfer.graph import Graph, Value
from intinfer.ops import (
    OPS,
    Add,
    Affine,
    ArgMax,
    Bitshift,
    ChannelSelect,
    Clamp,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Gather,
    MaxPool,
    Mux,
    Requant,
    SumPool,
    Table,
    Tgap,
    Threshold,
)
from intinfer.ops.linear import Linear
from intinfer.rounding import RoundMode
from intinfer.strategies import graphs_with_images
from intinfer.tensor import IntTensor
from intinfer.types import IntType

WIDE = Accumulator.prove(62)
NONE = (0, 0, 0, 0)


def conv(weight, accumulator=WIDE, **changes):
    plain = {"stride": (1, 1), "pads": NONE, "pad_value": (0,), "dilation": (1, 1), "groups": 1}
    return Conv2d(IntTensor(np.array(weight)), **{**plain, **changes}, accumulator=accumulator)


class Chains:
    """Draws one linear op after another on maps of a few pixels, weights -2..2."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.builder = GraphBuilder()
        shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
        lo = draw(st.integers(-3, 3))
        self.values = [self.builder.input("x", shape, IntType(lo, lo + draw(st.integers(1, 3))))]

    def number(self, lo: int, hi: int) -> int:
        return self.draw(st.integers(lo, hi))

    def weights(self, *shape: int) -> IntTensor:
        return IntTensor(np.random.default_rng(self.number(0, 10**6)).integers(-2, 3, shape))

    def add(self, op, *values: Value) -> None:
        self.values.append(self.builder.add(op, *values, name=f"n{len(self.values)}"))

    def geometry(self, x: Value, dilated: bool = True):
        kernel, stride, pads, dilation = [], [], [], []
        for extent in x.shape[1:]:
            before, after = self.number(0, 2), self.number(0, 2)
            kernel.append(self.number(1, min(3, extent + before + after)))
            room = (extent + before + after - 1) // (kernel[-1] - 1) if kernel[-1] > 1 else 1
            dilation.append(self.number(1, min(2, room)) if dilated else 1)
            stride.append(self.number(1, 3))
            pads.append((before, after))
        return kernel, tuple(stride), (pads[0][0], pads[1][0], pads[0][1], pads[1][1]), tuple(dilation)

    def conv2d(self, x: Value) -> None:
        groups = self.draw(st.sampled_from([g for g in (1, 2, 3) if x.shape[0] % g == 0]))
        kernel, stride, pads, dilation = self.geometry(x)
        outputs = groups * self.number(1, 2)
        pad_value = tuple(self.number(x.type.lo, x.type.hi) for _ in range(x.shape[0]))
        weight = self.weights(outputs, x.shape[0] // groups, *kernel)
        self.add(Conv2d(weight, stride, pads, pad_value, dilation, groups, WIDE), x)

    def sum_pool(self, x: Value) -> None:
        kernel, stride, pads, _ = self.geometry(x, dilated=False)
        self.add(SumPool(tuple(kernel), stride, pads), x)

    def affine(self, x: Value) -> None:
        self.add(Affine(self.weights(x.shape[0]), self.weights(x.shape[0])), x)

    def select(self, x: Value) -> None:
        channels = [self.number(0, x.shape[0] - 1) for _ in range(self.number(1, 3))]
        self.add(ChannelSelect(IntTensor(np.array(channels))), x)

    def join(self, x: Value) -> None:
        """An add or concat with any earlier value that fits, itself included: chains that part and meet again."""
        alike = [value for value in self.values if value.shape == x.shape]
        other = self.draw(st.sampled_from(alike))
        if self.draw(st.booleans()):
            self.add(Add((self.draw(st.sampled_from((-2, -1, 1, 3))), 1)), x, other)
        elif x.shape[0] + other.shape[0] <= 6:
            self.add(Concat(), x, other)

    def end(self, x: Value) -> None:
        self.add(Flatten(), x)
        self.add(Dense(self.weights(2, x.size), WIDE), self.values[-1])

    def finish(self) -> Graph:
        self.builder.output("y", self.values[-1])
        return self.builder.finish()


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """A network of one input and 1 to 4 linear ops, perhaps a classifier behind them."""
    chain = Chains(draw)
    kinds = (chain.conv2d, chain.conv2d, chain.conv2d, chain.sum_pool, chain.affine, chain.select, chain.join)
    for _ in range(draw(st.integers(1, 4))):
        draw(st.sampled_from(kinds))(chain.values[-1])
    if draw(st.booleans()):
        chain.end(chain.values[-1])
    return chain.finish()


def form_of(graph: Graph, value: str, at):
    """(constant, coefficients by flat index of the ancestor), by intinfer."""
    form = bounds_of(graph).form(value, at)
    ancestor = graph.values[form.ancestor]
    dense = np.zeros(ancestor.shape, dtype=np.int64)
    assert (form.coefficients != 0).all()
    assert form.indices.shape == (len(form.coefficients), len(ancestor.shape))
    dense[tuple(form.indices.T)] = form.coefficients
    assert np.count_nonzero(dense) == len(form.coefficients), "an index twice"
    return form.ancestor, form.constant, dense.reshape(-1)


@given(chains())
@settings(max_examples=120)
def test_chains_are_bounded_exactly(graph):
    ranges = bounds_of(graph).channels
    for name, value in graph.values.items():
        lo, hi = extremes(graph, name)
        rest = tuple(range(1, len(value.shape)))
        assert ranges[name][0].tolist() == lo.min(axis=rest).tolist(), name
        assert ranges[name][1].tolist() == hi.max(axis=rest).tolist(), name
        for pixel in np.ndindex(*value.shape[1:]):
            found = bounds_of(graph).ranges_at(name, pixel)
            forms = [bounds_of(graph).form(name, (channel, *pixel)) for channel in range(value.shape[0])]
            for form, ends in zip(forms, zip(*(row.tolist() for row in found), strict=True), strict=True):
                begins = ranges[form.ancestor]
                terms = [
                    (c, *(int(row[i]) for row in begins))
                    for c, (i, *_) in zip(form.coefficients, form.indices, strict=True)
                ]
                least = form.constant + sum(min(c * a, c * b) for c, a, b in terms)
                most = form.constant + sum(max(c * a, c * b) for c, a, b in terms)
                assert ends == (least, most), (name, pixel)


@given(chains(), st.data())
@settings(max_examples=80)
def test_forms_and_positions_are_those_of_the_affine_functions(graph, data):
    name = graph.nodes[-1].name if data.draw(st.booleans()) else data.draw(st.sampled_from(list(graph.values)))
    constant, coefficients = affine_functions(graph, name)
    type_ = graph.values[name].type
    for at in np.ndindex(*graph.values[name].shape):
        ancestor, own_constant, dense = form_of(graph, name, at)
        assert ancestor == (name if type_.lo == type_.hi else graph.inputs[0].name)
        assert own_constant == constant[at]
        assert dense.tolist() == coefficients[at].tolist() if type_.lo < type_.hi else not dense.any()
    channel = data.draw(st.integers(0, graph.values[name].shape[0] - 1))
    chosen = bounds_of(graph).positions(name, channel)
    assert chosen == list(dict.fromkeys(chosen))
    sizes = [np.count_nonzero(coefficients[at]) for at in chosen]
    assert sizes == sorted(sizes, reverse=True)
    kinds = {(constant[at], *sorted(c for c in coefficients[at] if c)) for at in chosen}
    elements = (at for at in np.ndindex(*graph.values[name].shape) if at[0] == channel)
    assert {(constant[at], *sorted(c for c in coefficients[at] if c)) for at in elements} == kinds


def test_the_oracle_of_affine_functions_agrees_with_every_input():
    builder = GraphBuilder()
    x = builder.input("x", (1, 2, 3), IntType(-1, 1))
    y = builder.add(conv([[[[1, -2], [1, 1]]], [[[1, 0], [-1, 1]]]], pads=(1, 1, 0, 0), pad_value=(1,)), x, name="a")
    y = builder.add(conv([[[[1, -1, 2]], [[1, 2, 0]]]], pads=(0, 1, 1, 1)), y, name="b")
    builder.output("y", y)
    graph = builder.finish()
    for name, (lo, hi) in exhaustive(graph, ("a", "b")).items():
        np.testing.assert_array_equal(extremes(graph, name), (lo, hi))
        ranges = bounds_of(graph).channels[name]
        assert (ranges[0].tolist(), ranges[1].tolist()) == (
            lo.min(axis=(1, 2)).tolist(),
            hi.max(axis=(1, 2)).tolist(),
        )


@given(graphs_with_images())
@settings(max_examples=60)
def test_any_network_stays_inside_and_types_are_never_left(case):
    graph, images = case
    ranges = bounds_of(graph).channels
    try:
        trace = reference.trace(graph, images)
    except RangeError:  # an accumulator that traps ends the run
        trace = {}
    for name, value in graph.values.items():
        lo, hi = ranges[name]
        assert lo.shape == hi.shape == value.shape[:1]
        assert (lo <= hi).all()
        assert value.type.lo <= lo.min()
        assert hi.max() <= value.type.hi
        if name in trace:
            channels = trace[name].swapaxes(0, 1).reshape(value.shape[0], -1)
            assert (channels.min(axis=1) >= lo).all(), name
            assert (channels.max(axis=1) <= hi).all(), name


def pointwise_then_grouped(accumulator=WIDE):
    """z = +x0 + x1, +x0 + x1 twice, then their weighted difference over a row: most of it cancels."""
    builder = GraphBuilder()
    x = builder.input("x", (2, 1, 4), IntType(0, 7))
    z = builder.add(conv(np.ones((2, 2, 1, 1), int)), x, name="pw")
    weight = np.array([[[[1, 1, 1]], [[-1, -1, -1]]], [[[1, 1, 0]], [[-1, 0, -1]]]])
    z = builder.add(conv(weight, accumulator, pads=(0, 1, 0, 1)), z, name="gc")
    builder.output("y", builder.add(Affine(IntTensor([2, 2]), IntTensor([1, 1])), z, name="y"))
    return builder.finish()


def test_a_pointwise_convolution_and_the_one_behind_it_are_bounded_as_one():
    graph = pointwise_then_grouped()
    assert graph.values["gc"].type == IntType(-42, 42)
    lo, hi = bounds_of(graph).channels["gc"]
    assert (lo.tolist(), hi.tolist()) == ([0, -14], [0, 14])
    form = bounds_of(graph).form("y", (1, 0, 1))
    assert (form.ancestor, form.constant) == ("x", 1)
    assert form.indices.tolist() == [[0, 0, 1], [0, 0, 2], [1, 0, 1], [1, 0, 2]]
    assert form.coefficients.tolist() == [2, -2, 2, -2]
    assert form.range(0, 7) == (-27, 29)


def test_a_rule_that_cannot_overflow_is_linear_and_one_that_may_ends_the_chain():
    fits = pointwise_then_grouped(Accumulator.wrap(5))  # -14..14 fits 5 bits, the type rule says 7
    assert Bounds(fits).fits("gc")
    assert bounds_of(fits).form("y", (0, 0, 0)).ancestor == "x"
    assert [ends.tolist() for ends in bounds_of(fits).channels["y"]] == [[1, -27], [1, 29]]
    wraps = pointwise_then_grouped(Accumulator.wrap(4))
    assert not Bounds(wraps).fits("gc")
    assert bounds_of(wraps).form("y", (0, 0, 0)).ancestor == "gc"
    assert [ends.tolist() for ends in bounds_of(wraps).channels["gc"]] == [[0, -8], [0, 7]]
    assert [ends.tolist() for ends in bounds_of(wraps).channels["y"]] == [[1, -15], [1, 15]]


@pytest.mark.parametrize(("order", "fits"), [(TapOrder.CKK, False), (TapOrder.KKC, True)])
def test_partial_sums_decide_whether_an_order_overflows(order, fits):
    """Channel after channel the first sums reach 42; pixel by pixel they cancel."""
    graph = pointwise_then_grouped(Accumulator.saturate(6, order))
    assert Bounds(graph).fits("gc") is fits
    assert bounds_of(graph).form("y", (0, 0, 1)).ancestor == ("x" if fits else "gc")
    assert bounds_of(graph).channels["gc"][1].tolist() == [0 if fits else 31, 14], "channel 1 reaches 28 on the way"
    assert Bounds(graph).sums("gc")[1].tolist() == [0, 14]
    trap = pointwise_then_grouped(Accumulator.trap(6, order))
    assert bounds_of(trap).channels["gc"][1].tolist() == [0, 14], "what a run ends with is an exact sum"


@given(chains(), st.sampled_from(TapOrder), st.integers(1, 4))
@settings(max_examples=60)
def test_partial_sums_are_exact(graph, order, fold):
    sums = [node for node in graph.nodes if node.op.kind in ("conv2d", "dense")]
    if not sums:
        return
    node = sums[-1]
    weight = node.op.weight.values
    taps = list(np.ndindex(*weight.shape[1:]))
    if order is TapOrder.KKC and weight.ndim == 4:
        taps.sort(key=lambda tap: (tap[1], tap[2], tap[0]))
    lows, highs = [], []
    for done in sorted({*range(fold, len(taps), fold), len(taps)}):
        kept = np.zeros_like(weight)
        for tap in taps[:done]:
            kept[(slice(None), *tap)] = weight[(slice(None), *tap)]
        nodes = tuple(
            replace(n, op=replace(n.op, weight=IntTensor(kept))) if n is node else n
            for n in graph.nodes[: graph.nodes.index(node) + 1]
        )
        lo, hi = extremes(unchecked(graph, nodes=nodes), node.name)
        rest = tuple(range(1, lo.ndim))
        lows.append(lo.min(axis=rest))
        highs.append(hi.max(axis=rest))
    lo, hi = Bounds(graph).partial_sums(node.name, Accumulator.trap(62, order, fold))
    assert lo.tolist() == np.min(lows, axis=0).tolist()
    assert hi.tolist() == np.max(highs, axis=0).tolist()


ZERO = IntTensor([0])
MAPS = {
    "rising": Threshold(IntTensor([[-1, 1, 2]]), ZERO, 0, 1),
    "falling and bipolar": Threshold(IntTensor([[0], [-2]]), IntTensor([1, 1]), -1, 2),
    "requant": Requant(IntTensor([3, -3]), IntTensor([1, 0]), IntTensor([1]), RoundMode.HALF_EVEN, -3, 4),
    "table": Table(IntTensor([[5, 0, 3, 1, 9], [1, 1, 2, 7, 1]]), -2, 0, 9),
    "clamp": Clamp(-1, 1),
    "max_pool": MaxPool((1, 2), (1, 1), NONE, (1, 1)),
    "gather": Gather(IntTensor([[[3, 1]], [[0, -1]], [[2, 2]]]), -5),
}


@pytest.mark.parametrize("name", MAPS)
def test_ops_that_are_not_linear_are_exact_channel_by_channel(name):
    """Behind an affine that leaves channel 0 the values -2..0 and channel 1 the values -1 and 1."""
    builder = GraphBuilder()
    x = builder.input("x", (2, 1, 2), IntType(0, 1))
    z = builder.add(Affine(IntTensor([-2, 2]), IntTensor([0, -1])), x, name="z")
    z = builder.add(Clamp(-2, 2), z, name="c")
    if name == "table":
        z = builder.add(Table(IntTensor(np.arange(-2, 2)[None]), -2, -2, 2), z, name="wide")
    builder.output("y", builder.add(MAPS[name], z, name="y"))
    graph = builder.finish()
    lo, hi = exhaustive(graph, ("y",))["y"]
    got = bounds_of(graph).channels["y"]
    if name == "table":  # an interval is what is known of its input, with the values between
        assert [ends.tolist() for ends in got] == [[0, 1], [5, 7]]
    else:
        assert got[0].tolist() == lo.min(axis=(1, 2)).tolist()
        assert got[1].tolist() == hi.max(axis=(1, 2)).tolist()


def test_merges_and_decisions():
    """A select bit that is known takes one branch; a class that cannot win is not an answer."""
    builder = GraphBuilder()
    a = builder.input("a", (3, 2, 2), IntType(0, 3))
    low = builder.add(Clamp(1, 1), a, name="low")
    high = builder.add(Clamp(3, 3), a, name="high")
    mixed = builder.add(ChannelSelect(IntTensor([0, 0, 4])), builder.add(Concat(), low, high, name="cat"), name="mixed")
    select = builder.add(Tgap(3), mixed, name="select")
    mux = builder.add(Mux(), select, a, low, name="mux")
    builder.output("m", builder.add(Bitshift(2), mux, low, name="shift"))
    builder.output("y", builder.add(ArgMax(), mixed, name="y"))
    ranges = {name: (lo.tolist(), hi.tolist()) for name, (lo, hi) in bounds_of(builder.finish()).channels.items()}
    assert ranges["mixed"] == ([1, 1, 3], [1, 1, 3])
    assert ranges["select"] == ([0, 0, 1], [0, 0, 1])
    assert ranges["mux"] == ([1, 1, 0], [1, 1, 3])
    assert ranges["shift"] == ([1, 1, 0], [1, 1, 2])
    assert ranges["y"] == ([2], [2])


def test_a_join_of_several_values_ends_a_form_and_bounds_add_up():
    builder = GraphBuilder()
    a, b = (builder.input(name, (1, 1, 2), IntType(0, 3)) for name in "ab")
    both = builder.add(Add((1, -2)), a, b, name="both")
    y = builder.add(conv([[[[1, 1]]]]), both, name="y")
    builder.output("z", builder.add(Add((1, -1)), y, builder.add(conv([[[[1, 1]]]]), a, name="s"), name="z"))
    graph = builder.finish()
    assert bounds_of(graph).form("both", (0, 0, 1)).indices.tolist() == [[0, 0, 1]]
    assert bounds_of(graph).form("both", (0, 0, 1)).ancestor == "both"
    assert bounds_of(graph).form("y", (0, 0, 0)).ancestor == "both"
    assert [ends.tolist() for ends in bounds_of(graph).channels["y"]] == [[-12], [6]]
    assert [ends.tolist() for ends in bounds_of(graph).channels["z"]] == [[-12], [0]], "what a gives cancels"


def test_branches_of_different_strides_meet_differently_at_each_column():
    """x[c + 1] - x[2c]: two values at column 0, the same one at column 1, one and the padding at column 2."""
    builder = GraphBuilder()
    x = builder.input("x", (1, 1, 4), IntType(0, 7))
    near = builder.add(conv([[[[0, 1]]]]), x, name="near")
    far = builder.add(conv([[[[1]]]], stride=(1, 2), pads=(0, 0, 0, 1)), x, name="far")
    builder.output("y", builder.add(Add((1, -1)), near, far, name="y"))
    graph = builder.finish()
    assert [ends.tolist() for ends in bounds_of(graph).channels["y"]] == [[-7], [7]]
    assert sorted(bounds_of(graph).positions("y", 0)) == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]


def test_large_weights_and_constants_stay_exact():
    """Coefficients near 2^62, and a constant input whose coefficients alone would not fit 64 bits."""
    builder = GraphBuilder()
    x = builder.input("x", (1, 1, 2), IntType(0, 1))
    still = builder.input("still", (1, 1, 2), IntType(0, 0))
    big = builder.add(Affine(IntTensor([2**31]), IntTensor([-(2**40)])), x, name="a")
    big = builder.add(Add((1, 2**61)), big, builder.add(Affine(IntTensor([2**61]), ZERO), still, name="s"), name="b")
    builder.output("y", builder.add(conv([[[[2**20, -(2**20)]]]]), big, name="y"))
    graph = builder.finish()
    form = bounds_of(graph).form("y", (0, 0, 0))
    assert (form.ancestor, form.constant, form.coefficients.tolist()) == ("x", 0, [2**51, -(2**51)])
    assert [ends.tolist() for ends in bounds_of(graph).channels["y"]] == [[-(2**51)], [2**51]]


def test_every_linear_op_is_known():
    linear = {kind for kind, op in OPS.items() if issubclass(op, Linear)}
    assert linear == {"conv2d", "dense", "affine", "add", "concat", "channel_select", "sum_pool", "flatten"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: bounds_of(g).form("no", (0,)), "no value named 'no' in the graph"),
        (
            lambda g: bounds_of(g).form("pw", (0, 1, 0)),
            r"value 'pw' has shape \(2, 1, 4\): there is no element \(0, 1, 0\)",
        ),
        (lambda g: bounds_of(g).form("pw", (0,)), r"there is no element \(0,\)"),
        (lambda g: bounds_of(g).positions("pw", 2), "value 'pw' has 2 channels: there is no channel 2"),
        (lambda g: Bounds(g).partial_sums("nope", WIDE), "no node named 'nope'"),
    ],
)
def test_what_does_not_exist_is_named(call, message):
    with pytest.raises(GraphError, match=message):
        call(pointwise_then_grouped())
