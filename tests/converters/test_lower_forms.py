"""What the lowering recognises by its numbers, what it carries through merges and moves, and its borders."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.float_nets import (
    F32,
    RELU,
    H,
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
    weight,
)
from intinfer import reference
from intinfer.ops import ArgMax, Clamp
from intinfer.tensor import CellularWeights
from intinfer_converters.floatnet import (
    AveragePool,
    BitshiftMean,
    Concatenate,
    Conv,
    Dense,
    FlattenMap,
    FloatNetBuilder,
    Gather,
    GlobalAverage,
    GlobalSum,
    IntegerOp,
    MaximumPool,
    Multiplex,
    Pixels,
    Pointwise,
    Quantise,
    RealWeight,
    Sum,
)
from intinfer_converters.lower import lower
from intinfer_converters.lowered import Lowered
from intinfer_converters.primitives import primitive

RNG = np.random.default_rng


def pointwise(kind, *numbers):
    return primitive(kind, np.array(numbers, dtype=F32) if numbers else None)


def bit(*chain):
    return Quantise(chain, 0, 1, 1)


# ---------------------------------------------------------------------------------------- thresholded means


@pytest.mark.parametrize("mean", [GlobalAverage(), GlobalSum()])
def test_the_mean_of_a_map_above_half_of_its_top_is_tgap(mean):
    net = two_branches(quantise(bits=2), quantise(bits=2))
    net.gap(mean, "a")
    limit = 1.5 if isinstance(mean, GlobalAverage) else 54.0
    net.s(bit(pointwise("greater", limit)), "gap")
    net.m(Multiplex(), "s", "a", "b")
    graph = assert_equal_to_rationals(net.finish(y="m", bits="s"), images=6)
    assert kinds(graph)[-2:] == ["tgap", "mux"]
    assert "sum_pool" not in kinds(graph)


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [(1.25, ["sum_pool", "flatten", "threshold"]), (1.53, ["sum_pool", "flatten", "threshold"]), (1.51, ["tgap"])],
)
def test_the_limit_decides_by_the_sums_that_it_tells_apart(limit, wanted):
    """36 levels 0..3: TGAP is a sum of at least 55, a mean of 1.5278; above 1.51 is the same, above 1.53 is 56."""
    net = two_branches(quantise(bits=2), quantise(bits=2))
    net.gap(GlobalAverage(), "a")
    net.s(bit(pointwise("greater", limit)), "gap")
    graph = assert_equal_to_rationals(net.finish(y="s"), images=6)
    after = kinds(graph)[-len(wanted) :]
    assert after == wanted


def test_a_mean_that_something_else_reads_stays():
    net = two_branches(quantise(bits=2), quantise(bits=2))
    net.gap(GlobalAverage(), "a")
    net.s(bit(pointwise("greater", 1.5)), "gap")
    graph = assert_equal_to_rationals(net.finish(y="s", z="gap"), images=3)
    assert {"tgap", "sum_pool", "flatten"} <= set(kinds(graph))


def test_a_strict_comparison_is_not_confused_with_the_other():
    """Of 36 levels 0..3 the mean is often exactly 3/2: greater is TGAP, greater_equal is not."""
    net = two_branches(quantise(bits=2), quantise(bits=2))
    net.gap(GlobalAverage(), "a")
    net.s(bit(pointwise("greater_equal", 1.5)), "gap")
    net.t(bit(pointwise("greater", 1.5)), "gap")
    graph = lower(net.finish(y="s", z="t"))
    assert kinds(graph)[-2:] == ["threshold", "tgap"]


# --------------------------------------------------------------------------------------------- bitshift


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_half_of_a_sum_rounded_down_is_a_bitshift(bits):
    net = two_branches(quantise(bits=bits), quantise(bits=bits, multiplier=-1 / 64, shift=2.0))
    net.s(Sum(), "a", "b")
    net.h(Pointwise((mul(0.5),)), "s")
    net.q(Quantise((pointwise("floor" if bits > 1 else "ceil"),), 0, 1, 2**bits - 1), "h")
    graph = assert_equal_to_rationals(net.finish(y="q"), images=4)
    assert kinds(graph)[-1] == "bitshift"
    assert "add" not in kinds(graph)
    assert graph.nodes[-1].op.bits == bits


@pytest.mark.parametrize("kind", ["rint", "ceil"])
def test_half_of_a_sum_rounded_otherwise_stays_a_sum(kind):
    net = two_branches(quantise(bits=2), quantise(bits=2))
    net.s(Sum(), "a", "b")
    net.q(Quantise((mul(0.5), primitive(kind)), 0, 1, 3), "s")
    graph = assert_equal_to_rationals(net.finish(y="q"))
    assert kinds(graph)[-2:] == ["add", "threshold"]


# -------------------------------------------------------------------------------------- generated weights


def rule_30(seed, rows):
    states = [list(seed)]
    for _ in range(rows - 1):
        s, n = states[-1], len(seed)
        states.append([s[i - 1] ^ (s[i] | s[(i + 1) % n]) for i in range(n)])
    return 2 * np.array(states).T[:, :, None, None] - 1


@pytest.mark.parametrize(("rows", "changed", "found"), [(8, False, True), (7, False, False), (8, True, False)])
def test_rows_of_rule_30_are_generated_weights(rows, changed, found):
    values = rule_30((0, 1, 0, 0, 1, 1), rows)
    values[-1, -1] *= -1 if changed else 1
    net = Net(channels=rows, size=2)
    net.c(conv(values, pads=(0, 0, 0, 0)), "image")
    graph = assert_equal_to_rationals(net.finish(y="c"))
    assert isinstance(graph.node("c").op.weight, CellularWeights) == found


def test_a_uniform_seed_is_no_automaton():
    net = Net(channels=8, size=2)
    net.c(conv(-np.ones((4, 8, 1, 1), dtype=int), pads=(0, 0, 0, 0)), "image")
    graph = assert_equal_to_rationals(net.finish(y="c"))
    assert not isinstance(graph.node("c").op.weight, CellularWeights)


# ------------------------------------------------------------------------------------------------ merges


def raw_branches():
    net = Net()
    net.a(conv(ternary(RNG(1), 2, 3, 3, 3)), "image")
    net.b(conv(ternary(RNG(2), 2, 3, 3, 3)), "image")
    return net


def test_a_concat_of_pending_ops_of_one_kind_keeps_them():
    net = raw_branches()
    net.na(Pointwise((mul(0.25, -0.5), add(1.5), pointwise("clip", 0, 5.25))), "a")
    net.nb(Pointwise((mul(0.125), add(0.25, 0.75), pointwise("clip", 0, 5.25))), "b")
    net.cat(Concatenate(), "na", "nb")
    net.q(Quantise((pointwise("rint"),), 0, 1, 5), "cat")
    net.r(Quantise((mul(2.0), pointwise("floor")), 0, 1, 10), "cat")
    graph = assert_equal_to_rationals(net.finish(y="q", z="r"))
    assert kinds(graph) == ["conv2d", "conv2d", "concat", "threshold", "threshold"]


@pytest.mark.parametrize("other", [(mul(0.125), pointwise("clip", 0, 5.5)), (add(0.5), pointwise("clip", 0, 5.25))])
def test_a_concat_of_other_pending_ops_is_refused_when_they_have_no_integers(other):
    net = raw_branches()
    net.na(Pointwise((mul(2.0), pointwise("clip", 0, 5.25))), "a")
    net.nb(Pointwise(other), "b")
    net.cat(Concatenate(), "na", "nb")
    (line,) = refusals(net.finish(y="cat"))
    assert line.startswith("cat (Concatenate): its input is clipped to 0..5.25 (na), which is 0..2.625 in its integers")


def test_a_multiplexer_of_equal_pending_ops_keeps_them():
    net = raw_branches()
    chain = (mul(0.25, -0.5), pointwise("leaky", 0.25))
    net.na(Pointwise(chain), "a")
    net.nb(Pointwise(tuple(primitive(p.kind, p.operand.copy()) for p in chain)), "b")
    net.gap(GlobalAverage(), "a")
    net.s(bit(pointwise("greater", 0.0)), "gap")
    net.m(Multiplex(), "s", "na", "nb")
    net.q(Quantise((pointwise("rint"), pointwise("clip", -9, 9)), -9, 1, 18), "m")
    assert_equal_to_rationals(net.finish(y="q"))


def test_merges_look_through_dequantisation():
    """Levels of two zero points become equal affines behind their own dequantisation."""
    net = two_branches(quantise(bits=2), quantise(bits=2))
    net.da(Pointwise((pointwise("sub", 1), mul(0.5))), "a")
    net.db(Pointwise((mul(0.5), add(-0.5))), "b")
    net.gap(GlobalAverage(), "a")
    net.s(bit(pointwise("greater", 1.0)), "gap")
    net.m(Multiplex(), "s", "da", "db")
    net.h(BitshiftMean(2), "a", "b")
    graph = assert_equal_to_rationals(net.finish(y="m", z="h"))
    assert kinds(graph)[-2:] == ["mux", "bitshift"]


def test_depthwise_scales_and_pending_norms():
    net = two_branches(quantise(), quantise())
    net.n(Pointwise((mul(0.5, 1.25, 3.0, -1.0),)), "a")
    net.d(conv(ternary(RNG(3), 4, 1, 3, 3), groups=4, scale=(1, H, 2, 1)), "n")
    net.q(Quantise((mul(0.25), pointwise("half_up"), pointwise("clip", -4, 4)), -4, 1, 8), "d")
    graph = assert_equal_to_rationals(net.finish(y="q", z="d"))
    assert not [node for node in graph.nodes if node.name.startswith("d.scale")]


def test_one_clamp_serves_all_readers():
    net = raw_branches()
    net.relu(Pointwise((RELU,)), "a")
    net.d(conv(ternary(RNG(4), 2, 2, 3, 3)), "relu")
    net.e(conv(ternary(RNG(5), 2, 2, 3, 3)), "relu")
    net.q(Quantise((mul(1 / 64), pointwise("rint"), pointwise("clip", 0, 3)), 0, 1, 3), "relu")
    graph = assert_equal_to_rationals(net.finish(y="d", z="e", w="q"))
    assert kinds(graph).count("clamp") == 1


# --------------------------------------------------------------------------------------- borders and moves


@given(
    st.integers(1, 3),
    st.integers(-3, 3),
    st.tuples(*[st.integers(0, 1)] * 4),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
@settings(max_examples=20, deadline=None)
def test_average_pools_with_borders_equal_rationals(bits, zero_point, pads, stride):
    net = Net(size=5)
    net.c(conv(ternary(RNG(1), 2, 3, 2, 2)), "image")
    net.q(quantise(bits, scale=H, offset=-H * zero_point, multiplier=1 / 32), "c")
    net.p(AveragePool((2, 3), stride, pads), "q")
    assert_equal_to_rationals(net.finish(y="p"), images=1)


def test_a_border_of_a_value_that_no_level_has_is_a_frame():
    """Levels that mean 1, 3/2, ... are never 0, but 0 is the integer -2."""
    net = Net(size=4)
    net.c(conv(ternary(RNG(1), 2, 3, 2, 2)), "image")
    net.q(quantise(2, scale=H, offset=1, multiplier=1 / 32), "c")
    net.d(conv(ternary(RNG(2), 2, 2, 3, 3), pads=(1, 0, 2, 1)), "q")
    graph = assert_equal_to_rationals(net.finish(y="d"))
    assert graph.node("d.pad").op.fill == -2
    assert graph.node("d").op.pads == (0, 0, 0, 0)


def test_a_frame_of_several_integers_is_refused():
    net = Net(size=4)
    net.c(conv(ternary(RNG(1), 2, 3, 2, 2)), "image")
    net.q(quantise(2, multiplier=1 / 32), "c")
    net.n(Pointwise((add(5.0, 6.0),)), "q")
    net.d(conv(ternary(RNG(2), 2, 2, 3, 3)), "n")
    assert refusals(net.finish(y="d")) == [
        "d (Conv): its padding is real 0, which is other integers in other channels (-6..-5); put one quantiser "
        "before it"
    ]


def test_gathers_carry_scales_and_pending_ops_of_their_channels():
    net = raw_branches()
    net.n(Pointwise((mul(0.25, -0.5), add(1.0, 2.5), RELU)), "a")
    place = np.arange(2 * 36).reshape(2, 6, 6)
    net.g(Gather((2, 3, 6), place[::-1, ::2].reshape(-1)), "n")
    net.q(Quantise((pointwise("rint"), pointwise("clip", 0, 31)), 0, 1, 31), "g")
    graph = assert_equal_to_rationals(net.finish(y="q"))
    assert kinds(graph)[-2:] == ["gather", "threshold"]


def test_a_gather_between_channels_brings_them_to_one_scale():
    net = raw_branches()
    net.n(Pointwise((mul(0.25, -0.5), add(1.0, 0.5))), "a")
    index = np.arange(72).reshape(2, 36).T.reshape(-1)
    index[5] = -1
    net.g(Gather((2, 6, 6), index, Fraction(1, 8)), "n")
    graph = assert_equal_to_rationals(net.finish(y="g"))
    op = graph.node("g.scale").op
    assert (op.multiplier.values.tolist(), op.offset.values.tolist()) == ([2, -4], [8, 4])
    assert graph.node("g").op.fill == 1


def test_a_gather_between_channels_of_one_meaning_keeps_pending_ops():
    net = raw_branches()
    net.n(Pointwise((mul(0.25), RELU)), "a")
    net.g(Gather((2, 6, 6), np.arange(72).reshape(2, 36).T.reshape(-1)), "n")
    net.q(Quantise((pointwise("rint"), pointwise("clip", 0, 31)), 0, 1, 31), "g")
    graph = assert_equal_to_rationals(net.finish(y="q"))
    assert kinds(graph)[-2:] == ["gather", "threshold"]


def test_a_border_of_zeros_behind_a_relu_is_what_the_relu_makes_zero():
    net = raw_branches()
    net.n(Pointwise((mul(0.25, 0.5), add(0.3, -0.2), RELU)), "a")
    index = np.pad(np.arange(72).reshape(2, 6, 6), ((0, 0), (1, 0), (0, 1)), constant_values=-1)
    net.g(Gather((2, 7, 7), index.reshape(-1)), "n")
    net.p(MaximumPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), "g")
    net.q(Quantise((pointwise("rint"), pointwise("clip", 0, 31)), 0, 1, 31), "p")
    graph = assert_equal_to_rationals(net.finish(y="q"))
    assert kinds(graph)[-3:] == ["gather", "max_pool", "requant"]
    assert graph.node("g").op.fill == graph.node("a").output.type.lo


def test_channels_too_far_apart_for_one_scale_are_refused():
    net = raw_branches()
    net.n(Pointwise((mul(2.0**-30, 2.0**30),)), "a")
    net.g(Gather((2, 6, 6), np.arange(72).reshape(2, 36).T.reshape(-1)), "n")
    assert refusals(net.finish(y="g")) == [
        "g (Gather): it needs one scale for all channels, which takes integers of 61 bits, over 40; put one quantiser "
        "before it"
    ]


def test_flat_maps_keep_the_ops_of_their_channels():
    net = raw_branches()
    net.n(Pointwise((mul(0.25, -0.5), pointwise("leaky", 0.5, 0.25))), "a")
    net.f(FlattenMap(), "n")
    net.q(Quantise((pointwise("rint"), pointwise("clip", -9, 9)), -9, 1, 18), "f")
    net.p(MaximumPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), "b")
    net.t(Quantise((primitive("count", np.array([[1.0, 9.0], [0.0, 4.0]], F32)),), 0, 1, 2), "p")
    assert_equal_to_rationals(net.finish(y="q", z="t"))


# ----------------------------------------------------------------------------------------- scores, refusals


def test_argmax_of_scores_with_scales_of_their_own():
    builder = FloatNetBuilder(F32)
    builder.add("x", Pixels((6,), 0, 255))
    values = ternary(RNG(5), 4, 6)
    builder.add(
        "d", Dense(weight(values, (1, H, Fraction(3, 8), 2)), bias=(Fraction(1, 3), *map(Fraction, (5, -7, 0)))), "x"
    )
    builder.add("y", IntegerOp(ArgMax(), (1,)), "d")
    graph = lower(builder.finish({"y": "y"}, None))
    x = RNG(6).integers(0, 256, (50, 6))
    scale, bias = (1, H, Fraction(3, 8), 2), (Fraction(1, 3), 5, -7, 0)
    for row, got in zip(x.tolist(), reference.run(graph, x)["y"], strict=True):
        scores = [
            s * sum(q * v for q, v in zip(w, row, strict=True)) + b
            for w, s, b in zip(values.tolist(), scale, bias, strict=True)
        ]
        assert int(got[0]) == max(range(4), key=lambda i: (scores[i], -i))


def test_an_integer_op_on_fractions_is_refused():
    net = two_branches(quantise(scale=H), quantise())
    net.i(IntegerOp(Clamp(0, 1), (4, 6, 6)), "a")
    assert refusals(net.finish(y="i")) == [
        "i (IntegerOp): it works on integers, its input is none; dequantise behind it, not before"
    ]


def test_an_integer_op_takes_integers_of_another_scale():
    net = two_branches(affine_levels(3, -2), quantise())
    net.i(IntegerOp(Clamp(0, 1), (4, 6, 6)), "a")
    graph = lower(net.finish(y="i", z="a"))
    pixels = RNG(7).integers(0, 256, (2, 3, 6, 6))
    got = reference.run(graph, pixels)
    assert (got["y"] == np.clip(3 * got["z"] - 2, 0, 1)).all()


def affine_levels(scale, offset):
    op, _ = quantise(scale=scale, offset=offset)
    return op, affine(Fraction(scale), Fraction(offset))


def test_floating_point_weights_are_refused_with_what_to_do():
    net = Net()
    net.c(Conv(RealWeight(np.ones((2, 3, 1, 1), dtype=F32)), (1, 1), (0, 0, 0, 0), (1, 1), 1), "image")
    assert refusals(net.finish(y="c")) == [
        "c (Conv): its weights are floating point; give --weights, --act-bits and --calibrate"
    ]


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ((pointwise("div", 0.0),), "it divides by 0; repair the checkpoint"),
        ((mul(np.nan),), "the constant of its mul holds NaN or infinity; repair the checkpoint"),
        ((add(np.inf),), "the constant of its add holds NaN or infinity; repair the checkpoint"),
        ((pointwise("greater", np.nan),), "the constant of its greater holds NaN or infinity; repair the checkpoint"),
        ((pointwise("clip", 2, 1),), "it clips to 2..1, which is empty"),
    ],
)
def test_constants_that_are_no_numbers_are_refused(chain, reason):
    net = raw_branches()
    net.n(Pointwise(chain), "a")
    assert refusals(net.finish(y="n")) == [f"n (Pointwise): {reason}"]
    net.q(Quantise((*chain, pointwise("rint")), 0, 1, 3), "b")
    assert refusals(net.finish(y="q"))[-1] == f"q (Quantise): {reason}"


def test_many_notes_are_split_into_entries_of_a_limited_length():
    net = two_branches(quantise(scale=float(F32(0.1))), quantise(scale=float(F32(0.3))))
    for i in range(400):
        getattr(net, f"s{i:03}")(Sum(), "a", "b")
    graph = lower(net.finish(**{f"y{i}": f"s{i:03}" for i in range(400)}))
    assert list(graph.provenance) == ["wide multipliers", "wide multipliers 2"]
    lines = "; ".join(graph.provenance.values()).split("; ")
    assert lines == [f"s{i:03}: 26 bits" for i in range(400)]


def test_recorded_names_what_every_node_became():
    net = two_branches(quantise(scale=float(F32(0.1))), quantise(scale=float(F32(0.3))))
    net.s(Sum(), "a", "b")
    net.q(Quantise((pointwise("rint"), pointwise("clip", 0, 1)), 0, 1, 1), "s")
    float_net = net.finish(y="q")
    recorded = {}
    graph = lower(float_net, recorded=recorded)
    assert set(recorded) == {node.name for node in float_net.nodes}
    assert all(isinstance(x, Lowered) for x in recorded.values())
    assert recorded["s"].z.name not in graph.values
    assert recorded["q"].z.name == graph.outputs[0].value
