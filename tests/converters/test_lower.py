"""Lowering of hand-made float nets: integers times the stored affine equal exact rational arithmetic, or a refusal."""

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
from intinfer_converters.floatnet import (
    AveragePool,
    BitshiftMean,
    Concatenate,
    Dense,
    FlattenMap,
    GlobalAverage,
    MaximumPool,
    Multiplex,
    Pointwise,
    SelectChannels,
    Sum,
    ThresholdedMean,
)
from intinfer_converters.lower import LoweringError, lower
from intinfer_converters.primitives import primitive


def test_conv_weight_scale_and_bias_go_into_the_stored_affine():
    rng = np.random.default_rng(1)
    net = Net()
    net.c(
        conv(ternary(rng, 4, 3, 3, 3), scale=(H, 2, H, Fraction(3, 8)), bias=tuple(map(Fraction, (1, 0, -2, 5)))),
        "image",
    )
    graph = assert_equal_to_rationals(net.finish(y="c"))
    assert kinds(graph) == ["conv2d", "affine"]
    assert graph.outputs[0].scale == (Fraction(1, 8),)


def test_one_scale_needs_no_affine_node():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(2), 4, 3, 3, 3), scale=(H,)), "image")
    graph = assert_equal_to_rationals(net.finish(y="c"))
    assert kinds(graph) == ["conv2d"]
    assert graph.outputs[0].scale == (H,)


def test_threshold_is_named_after_the_sum_it_closes_and_keeps_every_source():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(3), 4, 3, 3, 3)), "image")
    net.bn(Pointwise((mul(0.25, -0.25, 0.5, 0.0), add(0.5))), "c")
    net.act(quantise(multiplier=1 / 16), "bn")
    graph = assert_equal_to_rationals(net.finish(y="act"))
    node = graph.node("c.act")
    assert node.source == ("bn", "act")
    assert node.op.descending.values.tolist() == [0, 1, 0, 0]


def test_two_quantisers_of_one_sum_get_two_thresholds():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(4), 4, 3, 3, 3)), "image")
    net.a(quantise(), "c")
    net.b(quantise(multiplier=-1 / 32), "c")
    graph = assert_equal_to_rationals(net.finish(y="a", w="b"))
    assert [node.name for node in graph.nodes] == ["c", "c.act", "c.act2"]


def test_an_input_quantiser_becomes_a_table():
    net = Net()
    net.norm(Pointwise((add(-125.307), mul(1 / 60))), "image")
    net.q(quantise(bits=3, multiplier=1.0, shift=3.5), "norm")
    net.c(conv(ternary(np.random.default_rng(5), 2, 3, 3, 3)), "q")
    graph = lower(net.finish(y="c"))
    assert kinds(graph) == ["table", "conv2d"]
    table = graph.node("image.act").op.entries.values
    x = (np.arange(256).astype(F32) + F32(-125.307)) * F32(1 / 60) * F32(1) + F32(3.5)
    assert table.tolist() == [np.rint(np.clip(x, 0, 7)).astype(int).tolist()]


def test_a_zero_point_goes_into_the_padding_and_a_constant():
    """Levels 0..3 mean -1, -1/2, 0, 1/2: real 0 is level 2, and the border holds it."""
    net = Net()
    net.c(conv(ternary(np.random.default_rng(6), 4, 3, 1, 1), pads=(0, 0, 0, 0)), "image")
    net.q(quantise(scale=H, offset=-1), "c")
    net.d(conv(ternary(np.random.default_rng(7), 3, 4, 3, 3)), "q")
    graph = assert_equal_to_rationals(net.finish(y="d"))
    assert graph.node("d").op.pad_value == (2,)


def test_padding_whose_zero_is_no_level_is_refused():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(6), 4, 3, 1, 1), pads=(0, 0, 0, 0)), "image")
    net.q(quantise(scale=H, offset=Fraction(-3, 4)), "c")
    net.d(conv(ternary(np.random.default_rng(7), 3, 4, 3, 3)), "q")
    assert refusals(net.finish(y="d")) == [
        "d (Conv): its padding is real 0, which is 1.5 in the integers of channel 0 (0..3), not one of them; "
        "quantise so that 0 is a level, or pad nothing"
    ]


def test_add_of_different_scales_uses_their_integer_ratio():
    net = two_branches(quantise(scale=Fraction(3, 4)), quantise(scale=Fraction(1, 2), offset=1))
    net.s(Sum(), "a", "b")
    graph = assert_equal_to_rationals(net.finish(y="s"))
    assert graph.node("s").op.multipliers == (3, 2)


def test_add_of_equal_scales_is_plain():
    net = two_branches(quantise(scale=H), quantise(scale=H))
    net.s(Sum(), "a", "b")
    graph = assert_equal_to_rationals(net.finish(y="s"))
    assert graph.node("s").op.multipliers == (1, 1)


def test_concat_keeps_scales_until_a_conv_brings_them_together():
    net = two_branches(quantise(scale=Fraction(3, 4)), quantise(scale=Fraction(1, 2)))
    net.cat(Concatenate(), "a", "b")
    net.d(conv(ternary(np.random.default_rng(9), 2, 8, 3, 3)), "cat")
    graph = assert_equal_to_rationals(net.finish(y="d"))
    assert graph.node("d.scale").op.multiplier.values.tolist() == [3] * 4 + [2] * 4


def test_depthwise_and_grouped_convs_take_a_scale_a_group():
    net = two_branches(quantise(scale=Fraction(3, 7)), quantise(scale=Fraction(1, 1000)))
    net.cat(Concatenate(), "a", "b")
    net.dw(conv(ternary(np.random.default_rng(10), 8, 1, 3, 3), groups=8), "cat")
    net.g(conv(ternary(np.random.default_rng(11), 4, 4, 3, 3), groups=2), "cat")
    graph = assert_equal_to_rationals(net.finish(y="dw", w="g"))
    assert "d.scale" not in graph.values
    assert kinds(graph).count("affine") == 2  # one an output: their channels have two scales


def test_scales_without_a_small_ratio_are_brought_together_by_wide_multipliers():
    net = two_branches(quantise(scale=float(F32(0.1))), quantise(scale=float(F32(0.3))))
    net.cat(Concatenate(), "a", "b")
    net.d(conv(ternary(np.random.default_rng(9), 2, 8, 3, 3)), "cat")
    graph = assert_equal_to_rationals(net.finish(y="d"))
    assert graph.node("d.scale").op.multiplier.values.tolist() == [13421773] * 4 + [40265320] * 4
    assert graph.provenance == {"wide multipliers": "d.scale: 26 bits"}


def test_scales_too_far_apart_are_refused_before_a_conv():
    net = two_branches(quantise(scale=2.0**-30), quantise(scale=float(F32(3e6 + 0.25))))
    net.cat(Concatenate(), "a", "b")
    net.d(conv(ternary(np.random.default_rng(9), 2, 8, 3, 3)), "cat")
    (line,) = refusals(net.finish(y="d"))
    assert line == (
        "d (Conv): its input channels have scales that need multipliers of 52 bits, over 40; put a quantiser here"
    )


def test_select_permutes_scales_and_pending_ops():
    net = two_branches(quantise(scale=Fraction(3, 4)), quantise(scale=Fraction(1, 2)))
    net.cat(Concatenate(), "a", "b")
    net.sel(SelectChannels((7, 0, 4, 0)), "cat")
    net.bn(Pointwise((mul(1, 2, 3, 4), add(1, 1, 2, 3))), "cb")
    net.raw(SelectChannels((3, 1)), "bn")
    assert_equal_to_rationals(net.finish(y="sel", w="raw"))


def test_merges_of_levels_equal_rationals():
    net = two_branches(quantise(bits=2), quantise(bits=2, multiplier=-1 / 64, shift=2.0))
    net.shift(BitshiftMean(2), "a", "b")
    net.s(ThresholdedMean(3), "a")
    net.m(Multiplex(), "s", "b", "shift")
    graph = assert_equal_to_rationals(net.finish(y="m", bits="s"), images=6)
    assert kinds(graph)[-3:] == ["bitshift", "tgap", "mux"]


def test_merges_of_different_scales_are_refused_together():
    net = two_branches(quantise(scale=1), quantise(scale=H))
    net.shift(BitshiftMean(2), "a", "b")
    net.s(ThresholdedMean(3), "a")
    net.m(Multiplex(), "s", "a", "b")
    net.after(MaximumPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), "m")
    assert refusals(net.finish(y="after")) == [
        "shift (BitshiftMean): its inputs have different scales; give both branches the same quantiser",
        "m (Multiplex): its inputs have different scales; give both branches the same quantiser",
    ]


def test_tgap_of_shifted_levels_is_refused():
    net = two_branches(quantise(offset=1), quantise())
    net.s(ThresholdedMean(3), "a")
    assert refusals(net.finish(y="s")) == [
        "s (ThresholdedMean): it compares levels from 0 up; its input has an offset or a negative scale"
    ]


def test_max_pool_passes_a_rising_chain_and_turns_channels_that_fall():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(12), 4, 3, 3, 3)), "image")
    net.bn(Pointwise((mul(0.5, 0.25, 1.0, 0.0), add(0.5))), "c")
    net.p(MaximumPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), "bn")
    net.q(quantise(), "p")
    graph = assert_equal_to_rationals(net.finish(y="q"))
    assert kinds(graph) == ["conv2d", "max_pool", "threshold"]

    falling = Net()
    falling.c(conv(ternary(np.random.default_rng(12), 4, 3, 3, 3)), "image")
    falling.bn(Pointwise((mul(0.5, -0.25, 1.0, -1.0),)), "c")
    falling.p(MaximumPool((2, 2), (2, 2), (0, 0, 0, 0), (1, 1)), "bn")
    falling.q(quantise(), "p")
    graph = assert_equal_to_rationals(falling.finish(y="q"))
    assert kinds(graph) == ["conv2d", "affine", "max_pool", "affine", "threshold"]
    assert graph.nodes[1].op.multiplier.values.tolist() == [1, -1, 1, -1]


def test_average_pools_put_the_count_into_the_scale():
    net = two_branches(quantise(scale=H), quantise(offset=2))
    net.p(AveragePool((3, 2), (2, 1)), "a")
    net.bn(Pointwise((mul(0.3, -0.7, 1.1, 0.0), add(0.1, 0.2, 0.3, 0.4))), "cb")
    net.gap(GlobalAverage(), "bn")
    graph = assert_equal_to_rationals(net.finish(y="p", logits="gap"))
    assert [name for name in graph.values if name.startswith("cb.gap")] == ["cb.gap", "cb.gap.flat"]
    assert graph.outputs[1].value == "logits"


def test_a_relu_at_an_integer_is_a_clamp():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(13), 4, 3, 3, 3)), "image")
    net.bn(Pointwise((mul(0.5), add(3.0))), "c")
    net.relu(Pointwise((RELU,)), "bn")
    net.gap(GlobalAverage(), "relu")
    graph = assert_equal_to_rationals(net.finish(y="gap", r="relu"))
    assert [(node.op.lo, node.op.hi > 0) for node in graph.nodes if node.op.kind == "clamp"] == [(-6, True)]


def test_falling_channels_are_clipped_from_the_other_side():
    net = Net(channels=1)
    net.c(conv(ternary(np.random.default_rng(13), 2, 1, 3, 3)), "image")
    net.relu(Pointwise((mul(-0.25, -0.25), RELU)), "c")
    graph = assert_equal_to_rationals(net.finish(y="relu"))
    assert [node.op.hi for node in graph.nodes if node.op.kind == "clamp"] == [0]


def test_a_clip_between_integers_is_refused():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(13), 4, 3, 3, 3)), "image")
    net.relu6(Pointwise((mul(4.0), primitive("clip", np.array([0, 6], dtype=F32)))), "c")
    net.gap(GlobalAverage(), "relu6")
    assert refusals(net.finish(y="relu6", z="gap")) == [
        "gap (GlobalAverage): its input is clipped to 0..6 (relu6), which is 0..1.5 in its integers; put a quantiser "
        "behind it",
        "output y: its input is clipped to 0..6 (relu6), which is 0..1.5 in its integers; put a quantiser behind it",
    ]


def test_an_affine_output_beyond_62_bits_is_stored_for_each_channel():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(13), 2, 3, 3, 3)), "image")
    net.bn(Pointwise((mul(2.0**-40, -(2.0**40)), add(0.5))), "c")
    graph = assert_equal_to_rationals(net.finish(y="bn"))
    assert kinds(graph) == ["conv2d"]
    assert graph.outputs[0].scale == (Fraction(1, 2**40), Fraction(-(2**40)))


def test_flatten_and_dense_follow_channels():
    rng = np.random.default_rng(14)
    net = two_branches(quantise(scale=Fraction(3, 4)), quantise(scale=Fraction(1, 2), offset=1))
    net.cat(Concatenate(), "a", "b")
    net.flat(FlattenMap(), "cat")
    net.fc(Dense(weight(ternary(rng, 5, 8 * 36), (1, 2, 1, 1, 3)), bias=tuple(map(Fraction, range(5)))), "flat")
    assert_equal_to_rationals(net.finish(y="fc"))


def test_a_conv_on_pending_ops_is_refused_by_name():
    net = Net()
    net.c(conv(ternary(np.random.default_rng(15), 4, 3, 3, 3)), "image")
    net.bn(Pointwise((mul(0.5),)), "c")
    net.relu6(Pointwise((primitive("leaky", np.array([0.5], dtype=F32)),)), "bn")
    net.d(conv(ternary(np.random.default_rng(15), 4, 4, 3, 3)), "relu6")
    assert refusals(net.finish(y="d")) == [
        "d (Conv): its input still has float ops pending (bn, relu6), which have no exact integer value here; put a "
        "quantiser behind them"
    ]


def test_sums_beyond_the_accumulator_are_refused():
    from intinfer.accumulator import Accumulator

    net = Net()
    net.c(conv(np.ones((1, 3, 3, 3), dtype=int)), "image")
    with pytest.raises(LoweringError) as caught:
        lower(net.finish(y="c"), accumulator=Accumulator.prove(12))
    assert str(caught.value) == (
        "1 node(s) have no exact integer meaning: c (Conv): node 'c' (conv2d): sums reach 0..6885 and need 14 signed "
        "bits, the accumulator has 12: widen it, or state wrap, saturate or trap"
    )


def test_accumulators_are_as_wide_as_their_type_rule_proves():
    net = Net()
    net.c(conv(np.ones((1, 3, 3, 3), dtype=int)), "image")
    net.d(conv(np.array([[[[-1]]]])), "c")
    graph = lower(net.finish(y="d"))
    assert [(str(node.op.accumulator), str(node.output.type)) for node in graph.nodes] == [
        ("14 prove", "0..6885"),
        ("14 prove", "-6885..0"),
    ]


dyadic = st.integers(-16, 16).map(lambda i: i / 64)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_random_dyadic_nets_equal_rationals(data):
    """conv, batch norm, quantiser, pool, conv with random geometry; every parameter dyadic, so float32 is exact."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    bits = data.draw(st.integers(1, 4))
    pads = data.draw(st.tuples(*[st.integers(0, 2)] * 4))
    stride = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    groups = data.draw(st.sampled_from([1, 2, 4]))
    net = Net(size=5)
    net.c(conv(ternary(rng, 4, 3, 3, 3), pads=pads, stride=stride), "image")
    gamma = data.draw(st.lists(dyadic, min_size=4, max_size=4))
    beta = data.draw(st.lists(dyadic, min_size=4, max_size=4))
    net.bn(Pointwise((mul(*gamma), add(*beta))), "c")
    zero_point = data.draw(st.integers(0, 2**bits - 1))
    net.q(quantise(bits, scale=H, offset=-H * zero_point, multiplier=1 / 8), "bn")
    net.d(conv(ternary(rng, 4, 4 // groups, 2, 2), groups=groups, scale=(1, 2, H, 1)), "q")
    assert_equal_to_rationals(net.finish(y="d", levels="q"), images=1, seed=seed)
