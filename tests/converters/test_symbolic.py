"""The readers' common ground: layouts, quantisers and integer types, each against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intinfer import reference
from intinfer.tensor import IntTensor
from intinfer_converters.floatnet import (
    Conv,
    FlattenMap,
    Gather,
    Pixels,
    Pointwise,
    Quantise,
    QuantisedWeight,
    RealWeight,
    SelectChannels,
    Sum,
)
from intinfer_converters.lower import lower
from intinfer_converters.symbolic import SymbolicNet, Unsupported, weight_of
from intinfer_converters.symbolic.pointwise import pointwise
from intinfer_converters.symbolic.vocabulary.arithmetic import add, sub, where
from intinfer_converters.symbolic.vocabulary.arrangement import gather, pad, reshape, take, transpose
from intinfer_converters.symbolic.vocabulary.elementwise import cast
from intinfer_converters.symbolic.vocabulary.layers import conv
from intinfer_converters.symbolic.vocabulary.reductions import Sliding, argmax, mean

F = np.float32


def ops(net, **outputs):
    """The float ops behind the input, in order."""
    return [node.op for node in net.finish(outputs).net.nodes if not isinstance(node.op, Pixels)]


def kinds(net, x):
    return [type(op) for op in ops(net, y=x)]


def integers(net, x, image):
    """What the lowered network gives for `image`, as real numbers, and the graph."""
    graph = lower(net.finish({"y": x}).net)
    out = graph.outputs[0]
    z = reference.run(graph, {graph.inputs[0].name: image})["y"]
    scale, offset = (np.array([float(n) for n in numbers]) for numbers in (out.scale, out.offset))
    column = (1, -1) + (1,) * (z.ndim - 2)
    return z * scale.reshape(column) + offset.reshape(column)


def images(shape, lo=0, hi=255, count=3):
    return np.random.default_rng(5).integers(lo, hi + 1, (count, *shape[1:]))


def rearrange(x, change):
    """`x` in the layout that `change` makes of an array of its shape."""
    return gather(x, change(np.arange(x.size).reshape(x.shape)))


LAYOUTS = {
    "channel shuffle": (
        (1, 6, 2, 3),
        lambda a: a.reshape(-1, 2, 3, 2, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 6, 2, 3),
        [SelectChannels],
    ),
    "slice of channels": ((1, 6, 2, 3), lambda a: a[:, 1:5:2], [SelectChannels]),
    "flatten": ((1, 2, 2, 3), lambda a: a.reshape(len(a), -1), [FlattenMap]),
    "channels last and flat": (
        (1, 2, 2, 3),
        lambda a: a.transpose(0, 2, 3, 1).reshape(len(a), -1),
        [FlattenMap, SelectChannels],
    ),
    "there and back": ((1, 2, 4, 3), lambda a: a.transpose(0, 2, 3, 1).transpose(0, 3, 1, 2), []),
    "depth to space": (
        (1, 8, 2, 3),
        lambda a: a.reshape(-1, 2, 2, 2, 2, 3).transpose(0, 3, 4, 1, 5, 2).reshape(-1, 2, 4, 6),
        [Gather],
    ),
    "nearest": ((1, 2, 2, 3), lambda a: a.repeat(2, 2).repeat(3, 3), [Gather]),
    "crop": ((1, 2, 4, 5), lambda a: a[:, :, 1:3, ::2], [Gather]),
    "vector": ((1, 7), lambda a: a[:, ::-1], [SelectChannels]),
    "sequence": ((1, 3, 5), lambda a: a[:, :, ::-1], [Gather]),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_what_it_computes(name):
    shape, change, expected = LAYOUTS[name]
    net = SymbolicNet()
    x = net.input("x", shape, 0, 255)
    y = rearrange(x, change)
    reading = net.finish({"y": y})
    assert [type(node.op) for node in reading.net.nodes[1:]] == expected
    size = reading.net.nodes[0].shape
    image = images((1, *size))
    wanted = change(image.reshape(-1, *shape[1:]))
    got = integers(*again(shape, change), image)
    assert np.array_equal(got.reshape(wanted.shape), wanted)


def again(shape, change):
    net = SymbolicNet()
    return net, rearrange(net.input("x", shape, 0, 255), change)


def test_an_image_with_channels_last_comes_in_channels_first():
    net = SymbolicNet()
    x = net.input("x", (1, 8, 9, 3), 0, 255)
    assert x.shape == (1, 8, 9, 3)
    y = transpose(x, (0, 3, 1, 2))
    reading = net.finish({"y": y})
    assert [node.shape for node in reading.net.nodes] == [(3, 8, 9)]


def quantiser(net, x):
    """The only Quantise of the net."""
    found = [op for op in ops(net, y=x) if isinstance(op, Quantise)]
    assert len(found) == 1
    return found[0]


def one(net, lo=0, hi=255):
    return net.input("x", (1, 1, 2, 2), lo, hi)


def test_clip_before_the_rounding():
    net = SymbolicNet()
    x = pointwise(net, one(net), "clip", np.array([0, 1], F))
    y = pointwise(net, pointwise(net, pointwise(net, x, "mul", F(7)), "rint"), "div", F(7))
    op = quantiser(net, y)
    assert (op.base, op.step, op.count, len(op.chain)) == (0, 1, 7, 3)


def test_clip_behind_the_rounding_and_the_zero_point_stay_in_the_quantiser():
    net = SymbolicNet()
    x = pointwise(net, pointwise(net, one(net, -9, 9), "div", F(0.1)), "rint")
    x = pointwise(net, pointwise(net, x, "add", F(3)), "clip", np.array([0, 15], F))
    x = cast(net, cast(net, x, np.uint8), F)
    y = pointwise(net, pointwise(net, x, "sub", F(3)), "mul", F(0.1))
    op = quantiser(net, y)
    assert (op.base, op.step, op.count) == (-3, 1, 15)
    assert isinstance(ops(net, z=y)[-1], Pointwise)


def test_two_levels_around_zero_have_step_two():
    net = SymbolicNet()
    bit = pointwise(net, one(net), "greater_equal", F(5))
    op = quantiser(net, where(net, bit, np.array(1, F), np.array(-1, F)))
    assert (op.base, op.step, op.count) == (-1, 2, 1)


def test_a_rounding_without_bounds_is_left_to_the_lowering():
    net = SymbolicNet()
    x = one(net)
    x = pointwise(net, pointwise(net, add(net, x, pointwise(net, x, "mul", F(3))), "mul", F(0.5)), "floor")
    half = pointwise(net, conv(net, x, weight_of(np.full((1, 1, 1, 1), F(0.3))), None, Sliding((1, 1))), "floor")
    assert [op.count for op in ops(net, y=half) if isinstance(op, Quantise)] == [510, None]
    pixels = images((1, 1, 2, 2))
    assert np.array_equal(integers(net, half, pixels), np.floor((2 * pixels).astype(F) * F(0.3)))


def test_one_quantiser_for_two_readers():
    net = SymbolicNet()
    x = pointwise(net, pointwise(net, one(net), "clip", np.array([0, 9], F)), "rint")
    y = add(net, pointwise(net, x, "mul", F(0.5)), x)
    assert [type(op) for op in ops(net, y=y)] == [Quantise, Pointwise, Sum]


@pytest.mark.parametrize("swapped", [False, True])
def test_where_of_the_compared_tensor_is_a_clip(swapped):
    net = SymbolicNet()
    x = one(net, -9, 9)
    bit = pointwise(net, x, "less" if swapped else "greater", F(2))
    limit = np.array(2, F)
    y = where(net, bit, limit, x) if swapped else where(net, bit, x, limit)
    assert [p.kind for p in ops(net, y=y)[0].chain] == ["clip"]
    assert np.array_equal(y.bounds, (2, 9))


def test_where_of_a_multiple_is_a_leaky_relu():
    net = SymbolicNet()
    x = pointwise(net, one(net), "sub", F(100))
    y = where(net, pointwise(net, x, "greater", F(0)), x, pointwise(net, x, "mul", F(0.125)))
    assert [p.kind for p in ops(net, y=y)[0].chain] == ["sub", "leaky"]


def test_a_condition_that_is_no_bit_is_refused():
    net = SymbolicNet()
    with pytest.raises(Unsupported, match="its condition may be other than 0 and 1: compare before it"):
        where(net, one(net, 0, 2), np.array(1, F), np.array(-1, F))


def test_where_of_a_multiple_of_other_elements_is_no_leaky_relu():
    net = SymbolicNet()
    x = pointwise(net, one(net), "sub", F(100))
    other = take(pointwise(net, x, "mul", F(0.125)), np.arange(x.shape[-1])[::-1], -1)
    with pytest.raises(Unsupported, match="not one bit a channel"):
        where(net, pointwise(net, x, "greater", F(0)), x, other)


def test_a_bit_a_channel_is_a_multiplexer():
    net = SymbolicNet()
    x = net.input("x", (1, 3, 2, 2), 0, 7)
    bit = pointwise(net, mean(net, x, (2, 3), keepdims=True), "greater", F(3.5))
    y = where(net, bit, x, np.zeros((), F))
    assert sorted(kind.__name__ for kind in kinds(net, y)) == ["Gather", "GlobalAverage", "Multiplex", "Quantise"]
    image = images((1, 3, 2, 2), 0, 7, 20)
    wanted = np.where(image.mean((2, 3), keepdims=True) > 3.5, image, 0)
    assert np.array_equal(integers(net, y, image), wanted)


def test_a_bit_a_pixel_is_refused():
    net = SymbolicNet()
    x = one(net)
    with pytest.raises(Unsupported, match="not one bit a channel: only whole channels are chosen between"):
        where(net, pointwise(net, x, "greater", F(2)), pointwise(net, x, "mul", F(2)), x)


def test_zero_padding_moves_into_the_convolution():
    net = SymbolicNet()
    x = pad(net, net.input("x", (1, 1, 3, 3), 0, 7), [(0, 0), (0, 0), (1, 0), (2, 1)])
    y = conv(net, x, weight_of(np.ones((1, 1, 2, 2), F)), None, Sliding((2, 2), pads=(0, 0, 1, 0)))
    (op,) = ops(net, y=y)
    assert isinstance(op, Conv)
    assert op.pads == (1, 2, 1, 1)


def test_other_padding_is_a_gather():
    net = SymbolicNet()
    x = pad(net, net.input("x", (1, 1, 3, 3), 0, 7), [(0, 0), (0, 0), (1, 0), (2, 1)], 3.0)
    y = conv(net, x, weight_of(np.ones((1, 1, 2, 2), F)), None, Sliding((2, 2)))
    assert kinds(net, y) == [Gather, Conv]
    image = images((1, 1, 3, 3), 0, 7)
    padded = np.pad(image, ((0, 0), (0, 0), (1, 0), (2, 1)), constant_values=3)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), axis=(2, 3))
    assert np.array_equal(integers(net, y, image), windows.sum((4, 5)))


@pytest.mark.parametrize("axes", [(), (1,), (2,), (3,), (1, 2), (2, 3), (1, 3), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("last", [False, True])
def test_a_constant_that_varies_within_a_channel_makes_channels_of_its_axes(axes, last):
    net = SymbolicNet()
    x = net.input("x", (1, 2, 4, 3), 0, 7)
    turned = transpose(x, (0, 2, 3, 1)) if last else x
    shape = [n if axis in axes else 1 for axis, n in enumerate(turned.shape)]
    offsets = np.arange(np.prod(shape), dtype=F).reshape(shape)
    y = add(net, turned, offsets)
    image = images((1, 2, 4, 3), 0, 7)
    wanted = (image.transpose(0, 2, 3, 1) if last else image) + offsets
    assert np.array_equal(integers(net, reshape(y, (1, 24)), image), wanted.reshape(-1, 24))
    as_it_is = {(3,), ()} if last else {(1,), ()}
    assert net.value_shape(y.node)[0] == (2 if axes in as_it_is else np.prod(shape))


def test_a_map_with_channels_last_is_turned_once():
    net = SymbolicNet()
    x = net.input("x", (1, 512, 400, 5), 0, 7)
    x = pointwise(net, add(net, x, np.arange(5, dtype=F)), "mul", F(0.5))
    x = conv(net, transpose(x, (0, 3, 1, 2)), weight_of(np.ones((2, 5, 1, 1), F)), None, Sliding((1, 1)))
    assert kinds(net, x) == [Gather, Pointwise, Conv]
    assert net.value_shape(x.node) == (2, 512, 400)


def test_a_constant_a_pixel_of_a_large_map_is_refused():
    net = SymbolicNet()
    x = net.input("x", (1, 1, 300, 300), 0, 7)
    with pytest.raises(Unsupported, match=r"varies within a channel of .*one number, one a channel, or up to 65,536"):
        add(net, x, np.arange(90000, dtype=F).reshape(300, 300))


@pytest.mark.parametrize(
    ("kind", "operand", "wanted"),
    [
        ("add", 100, lambda a: a + np.int8(100)),
        ("mul", -3, lambda a: a * np.int8(-3)),
        ("clip", (-5, 50), lambda a: a.clip(-5, 50)),
    ],
)
def test_integer_types_wrap_around(kind, operand, wanted):
    net = SymbolicNet()
    x = net.input("x", (1, 256), -128, 127, np.int8)
    y = pointwise(net, x, kind, np.array(operand))
    assert y.dtype == np.int8
    image = np.arange(-128, 128)[None]
    assert np.array_equal(integers(net, y, image), wanted(image.astype(np.int8)))


def test_wide_integers_are_refused_with_their_range():
    net = SymbolicNet()
    x = net.input("x", (1, 4), -(2**31), 2**31 - 1, np.int32)
    message = r"its result may reach -2147483641..2147483654, outside int32, and wrap around; state the range"
    with pytest.raises(Unsupported, match=message):
        add(net, x, np.array(7, np.int32))


def test_wide_integers_in_range_are_exact():
    net = SymbolicNet()
    x = net.input("x", (1, 2), -(2**30), 2**30, np.int32)
    y = pointwise(net, pointwise(net, x, "add", np.array([2**25 + 1, 0])), "clip", np.array([-(2**29) - 1, 2**30]))
    image = np.array([[2**29, -(2**30)]])
    assert integers(net, y, image).tolist() == [[2**29 + 2**25 + 1, -(2**29) - 1]]


@given(
    st.lists(st.integers(-127, 127), min_size=1, max_size=12).filter(any),
    st.floats(2.0**-20, 2.0**10, width=32),
)
def test_weights_are_found_as_integers_times_a_scale(levels, scale):
    q = np.array([levels])
    found = weight_of((q.astype(F) * F(scale)).astype(F))
    assert isinstance(found, QuantisedWeight)
    assert isinstance(found.tensor, IntTensor)
    # Whatever the scale that was found, it means the same numbers.
    products = [[float(F(float(int(n) * found.scale[0]))) for n in row] for row in found.tensor.values]
    assert products == (q.astype(F) * F(scale)).astype(F).tolist()
    assert np.abs(found.tensor.values).max() <= np.abs(q).max()


def test_a_scale_a_channel():
    q = np.array([[1, -1, 1], [0, 3, -2]])
    scale = np.array([[0.1], [0.3]], F)
    found = weight_of(q * scale, (q, scale))
    assert np.array_equal(found.tensor.values, q)
    assert [float(s) for s in found.scale] == scale.reshape(-1).tolist()


def test_trained_floats_are_real_weights():
    values = np.random.default_rng(3).standard_normal((4, 9)).astype(F)
    found = weight_of(values)
    assert isinstance(found, RealWeight)
    assert np.array_equal(found.values, values)


def test_tensors_are_found_again():
    net = SymbolicNet()
    x = one(net)
    rounded = pointwise(net, pointwise(net, pointwise(net, x, "mul", F(0.5)), "clip", np.array([0, 3], F)), "rint")
    flat = reshape(rounded, (1, rounded.size))
    reading = net.finish({"y": flat}, {"x": x, "rounded": rounded, "flat": flat})
    assert reading.tensors["x"].node == "x"
    levels = next(node.name for node in reading.net.nodes if isinstance(node.op, Quantise))
    assert reading.tensors["rounded"].node == reading.tensors["flat"].node == levels
    assert reading.tensors["flat"].chain == ()


@pytest.mark.parametrize("form", ["x + (q - x)", "(q - x) + x", "(x - x) + q"])
def test_a_straight_through_estimator_is_its_quantiser(form):
    net = SymbolicNet()
    x = pointwise(net, pointwise(net, one(net), "mul", F(0.1)), "clip", np.array([0, 3], F))
    q = pointwise(net, x, "rint")
    y = {
        "x + (q - x)": lambda: add(net, x, sub(net, q, x)),
        "(q - x) + x": lambda: add(net, sub(net, q, x), x),
        "(x - x) + q": lambda: add(net, sub(net, x, x), q),
    }[form]()
    assert kinds(net, y) == [Quantise]


def test_what_no_output_needs_is_left_out():
    net = SymbolicNet()
    x = one(net)
    add(net, pointwise(net, x, "mul", F(2)), x)
    assert kinds(net, pointwise(net, x, "add", F(1))) == [Pointwise]


def test_a_quantiser_that_always_gives_one_level():
    net = SymbolicNet()
    x = pointwise(net, pointwise(net, one(net), "add", F(300)), "clip", np.array([0, 7], F))
    y = pointwise(net, pointwise(net, x, "rint"), "mul", F(0.5))
    assert (quantiser(net, y).base, quantiser(net, y).count) == (7, 1)
    assert (integers(net, y, images((1, 1, 2, 2))) == 3.5).all()


def test_half_precision_is_exact_up_to_its_own_limit():
    net = SymbolicNet(np.float16)
    x = cast(net, net.input("x", (1, 1, 1, 1), 0, 4096, np.int32), np.float16)
    assert pointwise(net, x, "add", np.array(1, np.float16)).whole is False
    assert pointwise(net, pointwise(net, x, "clip", np.array([0, 100])), "add", np.array(1, np.float16)).whole


def test_an_eight_bit_tensor_is_found_behind_the_quantiser_that_took_its_zero_point_in():
    net = SymbolicNet()
    x = conv(net, one(net), weight_of(np.ones((1, 1, 1, 1), F)), None, Sliding((1, 1)))
    q = pointwise(net, pointwise(net, pointwise(net, x, "rint"), "add", F(3)), "clip", np.array([0, 15], F))
    codes = cast(net, q, np.uint8)
    y = pointwise(net, pointwise(net, cast(net, codes, F), "sub", F(3)), "mul", F(0.1))
    reading = net.finish({"y": y}, {"codes": codes, "y": y})
    tap = reading.tensors["codes"]
    assert tap.node == reading.tensors["y"].node
    assert [(op.kind, op.operand.tolist()) for op in tap.chain] == [("add", [3.0])]


def test_arithmetic_of_another_float_type_is_refused_unless_it_is_exact():
    net = SymbolicNet()
    x = cast(net, one(net), np.float64)
    assert pointwise(net, x, "add", np.float64(3)).whole
    for kind, number in (("mul", 0.1), ("greater", 2.9999999999), ("div", 3.0)):
        with pytest.raises(Unsupported, match="computes in float64; the float ops of a network are all in float32"):
            pointwise(net, x, kind, np.float64(number))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_argmax_along_any_axis(axis):
    net = SymbolicNet()
    y = argmax(net, net.input("x", (1, 3, 4, 2), 0, 5), axis)
    image = images((1, 3, 4, 2), 0, 5, 9)
    wanted = image.argmax(axis)
    assert y.shape == (1, *wanted.shape[1:])
    assert np.array_equal(integers(net, y, image).reshape(wanted.shape), wanted)


def test_weights_with_the_noise_of_several_roundings_state_it():
    levels = np.random.default_rng(1).integers(0, 4, (6, 30))
    values = F(2) * (levels.astype(F) / F(3)) - F(1)
    found = weight_of(values)
    assert np.array_equal(found.tensor.values, 2 * levels - 3)
    deviation = np.abs(values - found.tensor.values / 3).max()
    assert deviation <= found.error <= 2.0**-22
    assert weight_of((levels.astype(F) / F(3)).astype(F)).error == 0


def test_a_tensor_that_changes_is_no_longer_a_comparison_or_a_difference():
    net = SymbolicNet()
    x = one(net)
    bit, rest = pointwise(net, x, "greater", F(2)), sub(net, x, pointwise(net, x, "mul", F(2)))
    assert bit.compared is not None
    assert bit.changed(bounds=(0, 1)).compared is None
    assert rest.difference is not None
    assert rest.changed(whole=False).difference is None
