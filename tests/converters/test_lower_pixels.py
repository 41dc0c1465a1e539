"""Pixels that the source normalises: refused with both ways out, or exact integers of a stated width."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.exact_floatnet import apply
from oracles.float32 import round_float32

from converters.float_nets import (
    F32,
    Net,
    add,
    assert_equal_to_rationals,
    conv,
    kinds,
    mul,
    quantise,
    refusals,
    ternary,
    weight,
)
from intinfer import reference
from intinfer_converters.floatnet import (
    Dense,
    FloatNetBuilder,
    Gather,
    Pixels,
    Pointwise,
    Quantise,
    SelectChannels,
)
from intinfer_converters.lower import lower
from intinfer_converters.primitives import primitive

RNG = np.random.default_rng


def div(*numbers):
    return primitive("div", np.array(numbers, dtype=F32))


def sub(*numbers):
    return primitive("sub", np.array(numbers, dtype=F32))


IMAGENET = (div(255), sub(0.485, 0.456, 0.406), div(0.229, 0.224, 0.225))


def normalised(*chain, pads=(1, 1, 1, 1), select=None):
    net = Net(size=5)
    source = net.sel(SelectChannels(select), "image") if select else "image"
    net.norm(Pointwise(chain), source)
    net.c(conv(ternary(RNG(1), 2, 3, 3, 3), pads=pads), "norm")
    return net


def test_a_uniform_affine_without_padding_needs_nothing():
    net = normalised(mul(1 / 128), add(-1.0), pads=(0, 0, 0, 0))
    graph = assert_equal_to_rationals(net.finish(y="c"))
    assert kinds(graph) == ["conv2d", "affine"]  # the second brings offsets a channel to the output


def test_a_mean_that_is_a_pixel_goes_into_the_padding():
    net = normalised(add(-128.0), div(64.0))
    graph = assert_equal_to_rationals(net.finish(y="c"))
    assert graph.node("c").op.pad_value == (128,)


def test_a_mean_between_pixels_is_refused_naming_both_ways():
    net = normalised(add(-125.5), div(64.0))
    assert refusals(net.finish(y="c")) == [
        "c (Conv): its padding is real 0, which is 125.5 in the integers of channel 0 (0..255), not one of them; "
        "quantise so that 0 is a level, or pad nothing. These are the pixels behind a float preprocessing: quantise "
        "them in the source (they become a table), or give --pixels exact (wide integers)"
    ]


def test_exact_pixels_of_a_simple_mean_are_a_small_affine():
    net = normalised(add(-125.5), div(64.0))
    graph = assert_equal_to_rationals(net.finish(y="c"), exact_pixels=True)
    assert kinds(graph) == ["affine", "conv2d"]
    op = graph.node("image.pixels").op
    assert (op.multiplier.values.tolist(), op.offset.values.tolist()) == ([2] * 3, [-251] * 3)
    assert graph.node("c").op.pad_value == (0,)
    assert graph.provenance == {"exact pixels": "image.pixels: -251..259, 10 bits"}


def test_exact_pixels_of_any_normalisation_are_the_floats_of_the_source():
    """The table's integers times their unit are the float32 values that the source itself computes."""
    net = normalised(*IMAGENET)
    graph = lower(net.finish(y="c"), exact_pixels=True)
    assert kinds(graph) == ["table", "conv2d"]
    entries = graph.node("image.pixels").op.entries.values
    scale = graph.outputs[0].scale[0]
    for channel in range(3):
        for pixel in range(256):
            value = Fraction(pixel)
            for op in IMAGENET:
                value = round_float32(apply(op, value, channel))
            assert scale * int(entries[channel, pixel]) == value
    note = graph.provenance["exact pixels"]
    assert note == f"image.pixels: {graph.node('image.pixels').output.type}, {int(note.split()[-2])} bits"
    assert int(note.split()[-2]) < 48


def test_what_needs_no_wide_integers_gets_none():
    net = normalised(add(-128.0), div(64.0))
    assert lower(net.finish(y="c"), exact_pixels=True).provenance == {}


def test_two_layers_share_the_exact_pixels():
    net = normalised(*IMAGENET)
    net.d(conv(ternary(RNG(2), 2, 3, 1, 1), pads=(0, 0, 0, 0)), "norm")
    graph = lower(net.finish(y="c", z="d"), exact_pixels=True)
    assert kinds(graph) == ["table", "conv2d", "conv2d"]


def test_pixels_in_another_order_are_pixels():
    net = normalised(*IMAGENET, select=(2, 1, 0))
    (line,) = refusals(net.finish(y="c"))
    assert line.endswith("or give --pixels exact (wide integers)")
    graph = lower(net.finish(y="c"), exact_pixels=True)
    assert kinds(graph) == ["channel_select", "table", "conv2d"]


def test_other_tensors_are_not_called_pixels():
    net = normalised(mul(1.0))
    net.n(Pointwise((add(0.5),)), "c")
    net.d(conv(ternary(RNG(1), 2, 2, 3, 3)), "n")
    (line,) = refusals(net.finish(y="d"), exact_pixels=True)
    assert line.endswith("not one of them; quantise so that 0 is a level, or pad nothing")


def test_a_dense_layer_brings_normalised_numbers_together():
    builder = FloatNetBuilder(F32)
    builder.add("x", Pixels((4,), 0, 255))
    builder.add("n", Pointwise((sub(0.5), mul(0.3, 0.7, 0.1, -0.2))), "x")
    builder.add("y", Dense(weight(ternary(RNG(3), 3, 4))), "n")
    graph = assert_equal_to_rationals(builder.finish({"y": "y"}, None))
    assert kinds(graph) == ["affine", "dense", "affine"]
    assert graph.provenance == {"wide multipliers": "y.scale: 27 bits"}


def test_pixels_that_are_never_0_leave_room_for_the_border():
    net = normalised(add(-300.5))
    graph = assert_equal_to_rationals(net.finish(y="c"), exact_pixels=True)
    assert str(graph.node("image.pixels").output.type) == "-601..0"


@pytest.mark.parametrize(("lo", "hi", "kind"), [(0, 255, "table"), (-2048, 2047, "table"), (0, 4096, "threshold")])
def test_an_input_quantiser_is_a_table_up_to_4096_values(lo, hi, kind):
    builder = FloatNetBuilder(F32)
    builder.add("x", Pixels((2,), lo, hi))
    builder.add("y", quantise(bits=3, multiplier=1 / 512), "x")
    graph = lower(builder.finish({"y": "y"}, None))
    assert kinds(graph) == [kind]
    x = np.arange(lo, hi + 1)[:, None].repeat(2, axis=1)
    wanted = np.rint(np.clip(x / 512, 0, 7)).astype(int)
    assert (reference.run(graph, x)["y"] == wanted).all()


def test_too_many_pixel_values_have_no_exact_table():
    builder = FloatNetBuilder(F32)
    builder.add("x", Pixels((1, 4, 4), 0, 4096))
    builder.add("n", Pointwise((sub(0.1), div(0.3))), "x")
    builder.add("y", conv(ternary(RNG(1), 2, 1, 3, 3)), "n")
    assert refusals(builder.finish({"y": "y"}, None), exact_pixels=True) == [
        "y (Conv): its input has 4097 values, exact pixels at most 4096; quantise it"
    ]


@given(
    st.integers(0, 252),
    st.integers(1, 9),
    st.sampled_from([1, 2, 4, 8, 3, 5]),
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
)
@settings(max_examples=20, deadline=None)
def test_random_small_normalisations_equal_rationals(mean, quarter, divisor, factors):
    net = normalised(add(-mean - quarter / 4), div(divisor), mul(*factors))
    assert_equal_to_rationals(net.finish(y="c"), images=1, exact_pixels=True)


def test_a_border_of_pixels_is_filled_with_the_integer_that_means_it():
    """Pixels padded by a gather with real -2 behind (x - 128) / 64: the pixel 0."""
    net = Net(channels=1, size=3)
    net.n(Pointwise((add(-128.0), div(64.0))), "image")
    index = np.pad(np.arange(9).reshape(3, 3), 1, constant_values=-1).reshape(-1)
    net.g(Gather((1, 5, 5), index, Fraction(-2)), "n")
    graph = assert_equal_to_rationals(net.finish(y="g"))
    assert graph.node("g").op.fill == 0
    net.h(Gather((1, 5, 5), index, Fraction(1, 3)), "n")
    assert refusals(net.finish(y="h")) == [
        "h (Gather): its constant 0.333333 is 149.333 in the integers of its input, not one of them in every channel; "
        "quantise so that it is a level"
    ]


def test_a_quantiser_may_state_no_range_on_pixels():
    net = Net(channels=1, size=2)
    net.q(Quantise((mul(1 / 64), primitive("rint")), None, 1, None), "image")
    graph = assert_equal_to_rationals(net.finish(y="q"))
    assert str(graph.node("image.act").output.type) == "0..4"
