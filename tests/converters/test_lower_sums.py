"""Adds of scales without a small ratio: every pair of values against float32 arithmetic done with rationals."""

from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles.exact_floatnet import apply
from oracles.float32 import round_float32

from converters.float_nets import (
    F32,
    RELU,
    Net,
    add,
    affine,
    assert_equal_to_rationals,
    conv,
    kinds,
    mul,
    quantise,
    refusals,
    ternary,
    two_branches,
)
from intinfer import reference
from intinfer_converters.floatnet import (
    FloatNetBuilder,
    GlobalAverage,
    MaximumPool,
    Pixels,
    Pointwise,
    Quantise,
    SelectChannels,
    Sum,
)
from intinfer_converters.lower import lower
from intinfer_converters.primitives import primitive


def clip(low, high):
    return primitive("clip", np.array([low, high], dtype=F32))


def fake_quantise(scale, low, high, kind="rint"):
    """QuantizeLinear: x / scale, rounded, clipped."""
    chain = (primitive("div", np.array([scale], dtype=F32)), primitive(kind), clip(low, high))
    return Quantise(chain, low, 1, high - low)


def levels_input(channels, *sides):
    """A net of one input, whose channels are parts of `sides[i]` levels lo..hi, as tensors p0, p1, ..."""
    builder = FloatNetBuilder(F32)
    low, high = min(side[0] for side in sides), max(side[1] for side in sides)
    builder.add("x", Pixels((channels * len(sides), 1, 1), low, high))
    for i, side in enumerate(sides):
        builder.add(f"s{i}", SelectChannels(tuple(range(i * channels, (i + 1) * channels))), "x")
        builder.add(f"p{i}", Quantise((clip(*side),), side[0], 1, side[1] - side[0]), f"s{i}")
    return builder


def every_pair(channels, first, second):
    """Images (pairs, 2 * channels, 1, 1): all channels of a half alike."""
    pairs = np.array([(a, b) for a in range(first[0], first[1] + 1) for b in range(second[0], second[1] + 1)])
    return np.repeat(pairs, channels, axis=1).reshape(len(pairs), -1, 1, 1)


def float32_steps(chain, value, channel):
    for op in chain:
        value = round_float32(apply(op, value, channel))
    return value


def source_level(chains, signs, chain, values, channel):
    """The chain of fl(fl(chain0(q0)) + fl(chain1(q1))), each step rounded once."""
    terms = [
        sign * float32_steps(before, Fraction(int(q)), channel)
        for before, sign, q in zip(chains, signs, values, strict=True)
    ]
    return float32_steps(chain, round_float32(sum(terms, Fraction(0))), channel)


def assert_every_pair(net, channels, sides, chains, signs, chain):
    graph = lower(net)
    images = every_pair(channels, *sides)
    got = reference.run(graph, images)["y"]
    for image, row in zip(images.reshape(len(images), 2, channels), got.reshape(len(images), channels), strict=True):
        for channel in range(channels):
            values = image[:, channel]
            assert row[channel] == source_level(chains, signs, chain, values, channel), (values, channel)
    return graph


def added(channels, sides, chains, quantiser, signs=(1, 1)):
    """p0 and p1 behind chains, their sum, the quantiser."""
    builder = levels_input(channels, *sides)
    for i, chain in enumerate(chains):
        builder.add(f"r{i}", Pointwise(chain), f"p{i}")
    builder.add("sum", Sum(signs), "r0", "r1")
    builder.add("q", quantiser, "sum")
    return builder.finish({"y": "q"}, None)


def dequantise(scale, zero_point=0):
    return (primitive("sub", np.array([zero_point], dtype=F32)), primitive("mul", np.array([scale], dtype=F32)))


BYTES = ((0, 63), (-32, 31))


def test_small_multipliers_classify_every_pair_of_quantised_tensors():
    chains = [dequantise(0.0213, 12), dequantise(0.0377)]
    quantiser = fake_quantise(0.041, -32, 31)
    graph = assert_every_pair(added(1, BYTES, chains, quantiser), 1, BYTES, chains, (1, 1), quantiser.chain)
    (node,) = [node for node in graph.nodes if node.op.kind == "add"]
    assert max(map(abs, node.op.multipliers)) < 2**12
    assert graph.provenance == {}


def test_two_quantisers_of_a_sum_share_its_integers():
    chains = [dequantise(0.0213, 12), dequantise(0.0377)]
    builder = levels_input(1, *BYTES)
    for i, chain in enumerate(chains):
        builder.add(f"r{i}", Pointwise(chain), f"p{i}")
    builder.add("sum", Sum(), "r0", "r1")
    builder.add("coarse", fake_quantise(0.4, -3, 3), "sum")
    builder.add("fine", fake_quantise(0.4, -2, 2), "sum")
    graph = lower(builder.finish({"y": "coarse", "z": "fine"}, None))
    assert kinds(graph).count("add") == 1
    assert kinds(graph).count("threshold") == 2


def test_each_channel_has_thresholds_of_its_own():
    chains = [dequantise(0.0213), dequantise(-0.0377, 3)]
    sides = ((0, 15), (-8, 7))
    norm = (mul(1.0, -2.5, 0.0), add(0.1, 0.2, 0.3), clip(-1, 1))
    quantiser = Quantise((*norm, *fake_quantise(0.1, -10, 10).chain), -10, 1, 20)
    graph = assert_every_pair(added(3, sides, chains, quantiser), 3, sides, chains, (1, 1), quantiser.chain)
    (node,) = [node for node in graph.nodes if node.op.kind == "threshold" and node.output.name == "sum.act"]
    assert node.op.descending.values.tolist() == [0, 1, 0]


def test_a_difference_takes_negative_multipliers():
    chains = [dequantise(0.0213), dequantise(0.0377)]
    quantiser = fake_quantise(0.05, -16, 15)
    sides = ((0, 31), (0, 31))
    graph = assert_every_pair(
        added(1, sides, chains, quantiser, signs=(1, -1)), 1, sides, chains, (1, -1), quantiser.chain
    )
    (node,) = [node for node in graph.nodes if node.op.kind == "add"]
    assert node.op.multipliers[0] > 0 > node.op.multipliers[1]


def test_a_rounding_without_limits_takes_those_of_the_sum():
    chains = [dequantise(0.213), dequantise(0.377)]
    sides = ((0, 7), (0, 7))
    quantiser = Quantise((primitive("rint"),), None, 1, None)
    graph = assert_every_pair(added(1, sides, chains, quantiser), 1, sides, chains, (1, 1), quantiser.chain)
    assert str(graph.node("sum.act").output.type) == "0..4"


def test_pending_ops_of_the_branches_that_are_no_affine_become_tables():
    """ReLU6 at no integer before the add: each value of a branch is a float, and their sum is exact."""
    chains = [(*dequantise(0.213, 3), clip(0, 1.1)), (*dequantise(0.377, 5), primitive("leaky", np.array([0.1], F32)))]
    sides = ((0, 15), (0, 15))
    quantiser = fake_quantise(0.07, -32, 31)
    graph = assert_every_pair(added(1, sides, chains, quantiser), 1, sides, chains, (1, 1), quantiser.chain)
    assert [node.op.kind for node in graph.nodes][-4:-1] == ["table", "table", "add"]


def test_scales_a_channel_become_tables_a_channel():
    chains = [(mul(0.213, 0.1, -0.3),), (mul(0.377, 0.2, 0.1),)]
    sides = ((0, 7), (0, 7))
    quantiser = fake_quantise(0.11, -15, 15)
    graph = assert_every_pair(added(3, sides, chains, quantiser), 3, sides, chains, (1, 1), quantiser.chain)
    assert graph.node("sum.table").op.entries.shape == (3, 8)


@given(
    st.floats(2.0**-10, 1, width=32),
    st.floats(2.0**-10, 1, width=32),
    st.integers(0, 15),
    st.integers(1, 15),
    st.sampled_from(["rint", "half_away", "half_down", "half_up", "floor", "ceil", "trunc", "up"]),
    st.sampled_from([(1, 1), (1, -1), (-1, 1)]),
    st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_any_scales_give_every_pair_the_level_of_the_source(first, second, zero_point, steps, kind, signs, rectified):
    ratio = Fraction(first) / Fraction(second)
    assume(max(ratio.numerator, ratio.denominator) > 2**16)
    sides = ((0, 15), (-4, 11))
    chains = [dequantise(first, zero_point), dequantise(second)]
    out = F32(max(first, second)) * F32(16 / steps)
    head = (RELU,) if rectified else ()
    quantiser = Quantise((*head, *fake_quantise(out, -8, 7, kind).chain), -8, 1, 15)
    assert_every_pair(added(1, sides, chains, quantiser, signs), 1, sides, chains, signs, quantiser.chain)


TENTH, THREE_TENTHS = float(F32(0.1)), float(F32(0.3))


def residual(scale_a=TENTH, scale_b=THREE_TENTHS):
    net = two_branches(quantise(scale=scale_a), quantise(scale=scale_b))
    net.s(Sum(), "a", "b")
    return net


def test_readers_that_are_no_quantisers_get_the_exact_sum_and_its_width():
    net = residual()
    net.gap(GlobalAverage(), "s")
    net.p(MaximumPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), "s")
    graph = assert_equal_to_rationals(net.finish(y="gap", z="p", w="s"))
    assert kinds(graph).count("add") == 1
    assert graph.node("s").op.multipliers == (13421773, 40265320)
    assert graph.provenance == {"wide multipliers": "s: 26 bits"}


def test_a_residual_stream_of_many_scales_stays_exact():
    net = residual()
    net.cc(conv(ternary(np.random.default_rng(8), 4, 4, 3, 3)), "s")
    net.c(quantise(scale=float(F32(0.7)), multiplier=2.0**-24), "cc")
    net.t(Sum((1, -1)), "s", "c")
    graph = assert_equal_to_rationals(net.finish(y="t"))
    assert graph.node("t").op.multipliers[0] == 1


def test_scales_a_channel_are_added_on_a_unit_a_channel():
    net = two_branches(quantise(), quantise())
    net.ra(Pointwise((mul(0.5, 1.5, 0.25, -1.0),)), "a")
    net.rb(
        Pointwise(
            (mul(0.75, 1.5, 1.0, 0.5), add(1.0)),
        ),
        "b",
    )
    net.s(Sum((1, -1)), "ra", "rb")
    graph = assert_equal_to_rationals(net.finish(y="s"))
    scales = [node.op.multiplier.values.tolist() for node in graph.nodes if node.name.startswith("s.scale")]
    assert scales == [[2, 1, 1, -2], [-3, -1, -4, -1]]


def test_sums_of_three_scales():
    net = two_branches(quantise(scale=Fraction(3, 4)), quantise(scale=Fraction(1, 2)))
    net.r(affine(Fraction(1, 8), Fraction(2)), "a")
    net.s(Sum((1, -1, 1)), "a", "b", "r")
    graph = assert_equal_to_rationals(net.finish(y="s"))
    assert graph.node("s").op.multipliers == (24, -16, 3)


def test_multipliers_beyond_40_bits_are_refused_where_the_sum_is_read_whole():
    net = residual(2.0**-30, float(F32(3e6 + 0.25)))
    net.gap(GlobalAverage(), "s")
    assert refusals(net.finish(y="gap")) == [
        "gap (GlobalAverage): of the add s that it reads: its inputs' scales need multipliers of 52 bits, over 40; "
        "give the branches scales of a smaller ratio, put a quantiser behind the add, or allow rounded multipliers "
        "(--requant-adds)"
    ]


def test_rounded_multipliers_are_noted_with_an_error_that_holds():
    net = residual()
    net.gap(GlobalAverage(), "s")
    float_net = net.finish(y="s")
    graph = lower(float_net, approximate_adds=True)
    assert graph.node("s").op.multipliers == (21845, 65536)
    note = graph.provenance["approximate adds"]
    assert note.startswith("s: multipliers [21845, 65536], wrong by up to ")
    bound = float(note.split()[-1])
    exact = lower(float_net)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3, 6, 6))
    (one,), (other,) = exact.outputs, graph.outputs
    wanted = reference.run(exact, pixels)["y"] * float(one.scale[0])
    worst = np.abs(wanted - reference.run(graph, pixels)["y"] * float(other.scale[0])).max()
    assert 0 < worst <= bound * 1.01
    assert bound < 1e-5


def test_a_quantiser_is_never_approximated():
    chains = [dequantise(0.0213, 12), dequantise(0.0377)]
    graph = lower(added(1, BYTES, chains, fake_quantise(0.041, -32, 31)), approximate_adds=True)
    assert "approximate adds" not in graph.provenance


def test_a_pending_sum_that_is_read_twice_serves_both():
    net = residual()
    net.relu(Pointwise((RELU,)), "s")
    net.q(fake_quantise(0.2, 0, 15), "relu")
    net.d(conv(ternary(np.random.default_rng(8), 2, 4, 3, 3)), "s")
    graph = lower(net.finish(y="q", z="d"))
    assert kinds(graph).count("add") == 2
    assert graph.provenance == {"wide multipliers": "s2: 26 bits"}


def test_a_sum_with_a_branch_of_no_integers_is_refused_where_no_quantiser_reads_it():
    net = two_branches(quantise(scale=TENTH), quantise(scale=THREE_TENTHS))
    net.leak(Pointwise((primitive("leaky", np.array([0.1], dtype=F32)),)), "b")
    net.s(Sum(), "a", "leak")
    (line,) = refusals(net.finish(y="s"))
    assert line == (
        "output y: of the add s that it reads: its input still has float ops pending (b, leak), which have no exact "
        "integer value here; put a quantiser behind them"
    )


def test_three_inputs_with_pending_ops_are_refused():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(8), 2, 3, 3, 3)), "image")
    net.leak(Pointwise((primitive("leaky", np.array([0.1], dtype=F32)),)), "c")
    net.s(Sum(), "c", "leak", "leak")
    (line,) = refusals(net.finish(y="s"))
    assert line.startswith("s (Sum): its input still has float ops pending (leak), which have no exact integer value")


def test_a_branch_times_zero_still_adds():
    net = two_branches(quantise(), quantise())
    net.none(Pointwise((mul(0.0), add(2.0))), "b")
    net.s(Sum(), "a", "none")
    assert_equal_to_rationals(net.finish(y="s"))
