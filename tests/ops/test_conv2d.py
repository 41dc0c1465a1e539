"""Convolution: every small geometry, groups, accumulator rules, ranges that are attained, refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.errors import RangeError
from intinfer.ops import Conv2d
from intinfer.strategies import cases
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntType
from ops.check import check_op, op_graph, refusal
from ops.geometries import both, pairs

RNG = np.random.default_rng(0)
LEVELS = IntType(0, 3)
WIDE = Accumulator.prove(62)


def conv(weight, stride=(1, 1), pads=(0, 0, 0, 0), pad_value=(0,), dilation=(1, 1), groups=1, accumulator=WIDE):
    weight = weight if isinstance(weight, IntTensor | CellularWeights) else IntTensor(weight)
    return Conv2d(weight, stride, pads, pad_value, dilation, groups, accumulator)


def uniform(type_, shape):
    return RNG.integers(type_.lo, type_.hi, shape, endpoint=True)


def ternary(*shape):
    return uniform(IntType(-1, 1), shape)


def test_every_geometry():
    height, width = 4, 3
    type_ = IntType(-2, 5)
    for y, x in pairs():
        op = conv(ternary(2, 1, y.kernel, x.kernel), pad_value=(-2,), **both(y, x))
        if y.fits(height) and x.fits(width):
            batch = uniform(type_, (1, 1, height, width))
            check_op(op, [(batch, type_)], naive.apply(op, batch))
        else:
            reach = [axis.dilation * (axis.kernel - 1) + 1 for axis in (y, x)]
            padded = height + y.before + y.after, width + x.before + x.after
            assert refusal(op, ((1, height, width), type_)) == (
                f"a kernel reaching {reach[0]}x{reach[1]} does not fit the padded map {padded[0]}x{padded[1]}"
            )


def test_geometries_and_groups_equal_torch():
    torch = pytest.importorskip("torch")
    type_ = IntType(-9, 9)
    for y, x in pairs(1):
        for groups in (1, 2, 6):
            op = conv(ternary(6, 6 // groups, y.kernel, x.kernel), groups=groups, pad_value=(7,), **both(y, x))
            batch = uniform(type_, (2, 6, 5, 6))
            padded = torch.nn.functional.pad(
                torch.from_numpy(batch).double(), (x.before, x.after, y.before, y.after), value=7.0
            )
            weight = torch.from_numpy(np.array(op.weight.values)).double()
            expected = torch.nn.functional.conv2d(padded, weight, None, op.stride, 0, op.dilation, groups)
            check_op(op, [(batch, type_)], expected.long().numpy())


@given(cases("conv2d"))
def test_any_convolution_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_every_group_count_and_a_pad_value_for_each_channel():
    type_ = IntType(-4, 4)
    for groups, outputs in product((1, 2, 3, 6), (6, 12)):
        op = conv(ternary(outputs, 6 // groups, 2, 2), pads=(1, 0, 0, 1), pad_value=(-4, 4, 1, 0, -1, 3), groups=groups)
        batch = uniform(type_, (2, 6, 3, 3))
        check_op(op, [(batch, type_)], naive.apply(op, batch))


@pytest.mark.parametrize("type_", [IntType(0, 15), IntType(-8, 7), IntType(3, 9), IntType(-9, -2)])
def test_the_inferred_range_is_attained_without_pads(type_):
    weight = ternary(4, 3, 2, 3)
    op = conv(weight)
    highest = np.where(weight > 0, type_.hi, type_.lo)
    lowest = np.where(weight > 0, type_.lo, type_.hi)
    batch = np.concatenate([highest, lowest])
    inferred = check_op(op, [(batch, type_)], naive.apply(op, batch))
    sums = [int((weight[o] * image).sum()) for o in range(4) for image in batch]
    assert (inferred.lo, inferred.hi) == (min(sums), max(sums))


def test_weights_of_a_cellular_automaton():
    op = conv(CellularWeights.of(30, (1, 0, 0, 1, 0), rows=7))
    batch = uniform(LEVELS, (2, 7, 2, 3))
    check_op(op, [(batch, LEVELS)], naive.apply(op, batch))


@pytest.mark.parametrize("largest", [2**53 - 1, 2**53, 2**53 + 1, 2**60 + 1, 2**61 - 1])
def test_sums_around_the_float64_limit_and_near_the_accumulator_limit_are_exact(largest):
    type_ = IntType(-largest, largest)
    one_tap = conv([[[[1]]]])
    batch = np.array([largest, -largest, largest - 1, 0]).reshape(4, 1, 1, 1)
    assert check_op(one_tap, [(batch, type_)], batch) == type_
    third = largest // 3
    three_taps = conv([[[[1, -1, 1]]]])
    batch = np.array([[third, -third, third], [-third, third, -third], [third, third, 1]]).reshape(3, 1, 1, 3)
    check_op(three_taps, [(batch, IntType(-third, third))], naive.apply(three_taps, batch))


def test_a_wrapping_accumulator_takes_sums_up_to_2_to_the_62():
    type_ = IntType(-(2**61), 2**61)
    for bits in (2, 31, 32, 33, 61, 62):
        op = conv([[[[1, 1]]], [[[1, -1]]]], accumulator=Accumulator.wrap(bits))
        batch = np.array([[2**61, 2**61], [-(2**61), -(2**61)], [2**61, -(2**61)], [2**61 - 1, 1]]).reshape(4, 1, 1, 2)
        check_op(op, [(batch, type_)], naive.apply(op, batch))


def test_padded_taps_take_part_in_a_saturating_sum():
    rule = Accumulator.saturate(3, TapOrder.CKK)  # -4..3
    op = conv([[[[1, 1, -1]]]], pads=(0, 1, 0, 1), pad_value=(3,), accumulator=rule)
    # windows 3 2 1: 3, 3 (5 clipped), 2; and 2 1 3: 2, 3, 0
    assert check_op(op, [(np.array([[[[2, 1]]]]), LEVELS)], [[[[2, 0]]]]) == IntType(-4, 3)


def test_the_order_of_saturating_additions_is_part_of_the_definition():
    weight = [[[[1, 1]], [[1, -1]]]]  # channel 0: +1 +1, channel 1: +1 -1
    batch = np.array([[[[3, 3]], [[0, 3]]]])
    # CKK adds 3 3 0 -3: 3, 3 (6 clipped), 3, 0. KKC adds 3 0 3 -3: 3, 3, 3 (6 clipped), 0.
    for order in TapOrder:
        op = conv(weight, accumulator=Accumulator.saturate(3, order))
        check_op(op, [(batch, LEVELS)], [[[[0]]]])
    batch = np.array([[[[3, 0]], [[1, 3]]]])  # CKK: 3, 3, 3 (4 clipped), 0. KKC: the same additions 3 1 0 -3: 0
    check_op(conv(weight, accumulator=Accumulator.saturate(3, TapOrder.CKK)), [(batch, LEVELS)], [[[[0]]]])
    weight = [[[[1, -1]], [[1, 1]]]]
    batch = np.array([[[[3, 3]], [[2, 0]]]])
    # CKK: 3, 0, 2, 2. KKC: 3, 3 (5 clipped), 0, 0.
    check_op(conv(weight, accumulator=Accumulator.saturate(3, TapOrder.CKK)), [(batch, LEVELS)], [[[[2]]]])
    check_op(conv(weight, accumulator=Accumulator.saturate(3, TapOrder.KKC)), [(batch, LEVELS)], [[[[0]]]])
    # a fold of two adds pairs exactly. KKC: 3 + 2 = 5 clipped to 3, then -3 + 0: 0.
    check_op(conv(weight, accumulator=Accumulator.saturate(3, TapOrder.KKC, 2)), [(batch, LEVELS)], [[[[0]]]])
    check_op(conv(weight, accumulator=Accumulator.saturate(3, TapOrder.KKC, 3)), [(batch, LEVELS)], [[[[2]]]])


@pytest.mark.parametrize("order", TapOrder)
@pytest.mark.parametrize("fold", [1, 2, 3, 5, 8, 9])
def test_saturation_in_groups_equals_the_sequential_loop(order, fold):
    type_ = IntType(-3, 3)
    for bits in (2, 3, 4, 5):
        op = conv(ternary(4, 2, 2, 2), groups=2, pads=(1, 0, 0, 1), accumulator=Accumulator.saturate(bits, order, fold))
        batch = uniform(type_, (3, 4, 4, 3))
        check_op(op, [(batch, type_)], naive.apply(op, batch))


@pytest.mark.parametrize("order", TapOrder)
@pytest.mark.parametrize("fold", [1, 2, 3, 8])
def test_a_trap_springs_exactly_where_the_sequential_loop_leaves_the_range(order, fold):
    type_ = IntType(-3, 3)
    op = conv(ternary(4, 2, 2, 2), groups=2, accumulator=Accumulator.trap(4, order, fold))
    graph = op_graph(op, [((4, 2, 3), type_)])
    sprung = 0
    for _ in range(60):
        batch = uniform(type_, (1, 4, 2, 3))
        try:
            expected = naive.apply(op, batch)
        except naive.LeftRangeError:
            sprung += 1
            with pytest.raises(RangeError, match=r"^node 'y' \(conv2d\): accumulator of 4 bits holds -8\.\.7 and"):
                reference.run(graph, batch)
        else:
            check_op(op, [(batch, type_)], expected)
    assert 0 < sprung < 60


def test_the_error_of_a_trap_names_the_first_partial_sum_outside():
    op = conv([[[[1]], [[1]]], [[[1]], [[-1]]]] * 2, groups=2, accumulator=Accumulator.trap(3, TapOrder.CKK))
    batch = np.zeros((3, 4, 2, 3), dtype=np.int64)
    batch[1, 2:, 1, 2] = 3, 2
    with pytest.raises(RangeError) as caught:
        reference.run(op_graph(op, [((4, 2, 3), LEVELS)]), batch)
    assert str(caught.value) == (
        "node 'y' (conv2d): accumulator of 3 bits holds -4..3 and reaches 5 after 2 of 2 products "
        "at image 1, channel 2, pixel (y=1, x=2)"
    )


def test_a_proof_that_just_fits_and_one_that_just_does_not():
    weight = np.ones((1, 1, 1, 5), dtype=int)  # 0..15
    assert check_op(conv(weight, accumulator=Accumulator.prove(5)), [(np.full((1, 1, 1, 5), 3), LEVELS)], [[[[15]]]])
    assert refusal(conv(weight, accumulator=Accumulator.prove(4)), ((1, 1, 5), LEVELS)) == (
        "sums reach 0..15 and need 5 signed bits, the accumulator has 4: widen it, or state wrap, saturate or trap"
    )
    assert refusal(conv(-weight, accumulator=Accumulator.prove(4)), ((1, 1, 5), LEVELS)) == (
        "sums reach -15..0 and need 5 signed bits, the accumulator has 4: widen it, or state wrap, saturate or trap"
    )


@pytest.mark.parametrize(
    ("op", "shape", "message"),
    [
        (conv([[[[1]]]]), (3,), "needs a (C, H, W) input, 'x0' has shape (3,)"),
        (conv([[1, 2]]), (1, 2, 2), "weight has shape (1, 2), (O, I/groups, KH, KW) is needed"),
        (
            conv(np.zeros((0, 1, 1, 1), dtype=int)),
            (1, 2, 2),
            "weight has shape (0, 1, 1, 1), (O, I/groups, KH, KW) is needed",
        ),
        (
            conv([[[[1]]]]),
            (2, 2, 2),
            "2 input channels, weight (1, 1, 1, 1) and 1 groups do not fit: "
            "I = weight.shape[1] * groups, and groups must divide O",
        ),
        (
            conv(np.ones((3, 1, 1, 1), dtype=int), groups=2),
            (2, 2, 2),
            "2 input channels, weight (3, 1, 1, 1) and 2 groups do not fit: "
            "I = weight.shape[1] * groups, and groups must divide O",
        ),
        (
            conv([[[[1]]]], groups=0),
            (1, 2, 2),
            "1 input channels, weight (1, 1, 1, 1) and 0 groups do not fit: "
            "I = weight.shape[1] * groups, and groups must divide O",
        ),
        (conv([[[[1]]]], pad_value=(0, 0)), (1, 2, 2), "2 pad values for 1 channels; give 1 or one a channel"),
        (conv([[[[1]]]], pad_value=(2**70,)), (1, 2, 2), f"pad value {2**70} is beyond ±2^62"),
        (conv([[[[1]]]], pad_value=()), (1, 2, 2), "0 pad values for 1 channels; give 1 or one a channel"),
        (
            conv([[[[1]]]], pads=(0, 0, 0, 1), pad_value=(4,)),
            (1, 2, 2),
            "pad value 4 is outside the input's type 0..3",
        ),
        (conv([[[[1]]]], stride=(0, 1)), (1, 2, 2), "stride (0, 1) must be two numbers of at least 1"),
        (conv([[[[1]]]], stride=(1,)), (1, 2, 2), "stride (1,) must be two numbers of at least 1"),
        (conv([[[[1]]]], dilation=(1, 0)), (1, 2, 2), "dilation (1, 0) must be two numbers of at least 1"),
        (
            conv([[[[1]]]], pads=(0, -1, 0, 0)),
            (1, 2, 2),
            "pads (0, -1, 0, 0) must be (top, left, bottom, right), each at least 0",
        ),
        (
            conv([[[[1]]]], pads=(0, 0)),
            (1, 2, 2),
            "pads (0, 0) must be (top, left, bottom, right), each at least 0",
        ),
        (
            conv([[[[2**61, 1]]]]),
            (1, 2, 2),
            f"a sum of 2 products may reach {2 * 3 * 2**61}, beyond 2^62",
        ),
        (
            conv(IntTensor([[[[-(2**63)]]], [[[-(2**63)]]]], "s64")),
            (1, 2, 2),
            f"a sum of 1 products may reach {3 * 2**63}, beyond 2^62",
        ),
    ],
)
def test_refusals(op, shape, message):
    assert refusal(op, (shape, LEVELS)) == message


def test_a_pad_value_outside_the_type_is_of_no_consequence_without_pads():
    check_op(conv([[[[2]]]], pad_value=(-1,)), [(np.array([[[[3]]]]), LEVELS)], [[[[6]]]])
