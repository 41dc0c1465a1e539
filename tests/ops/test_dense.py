"""The fully connected layer: exact sums, accumulator rules without a pixel, refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer import reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.errors import RangeError
from intinfer.ops import Dense
from intinfer.strategies import cases
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from ops.check import check_op, op_graph, refusal

LEVELS = IntType(0, 3)
WIDE = Accumulator.prove(62)


@given(cases("dense"))
def test_any_dense_layer_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_all_inputs_of_all_ternary_rows():
    rows = np.array(list(product((-1, 0, 1), repeat=3)))
    every_input = np.array(list(product(range(4), repeat=3)))
    op = Dense(IntTensor(rows, "ternary"), WIDE)
    expected = [[sum(w * z for w, z in zip(row, image, strict=True)) for row in rows] for image in every_input.tolist()]
    assert check_op(op, [(every_input, LEVELS)], expected) == IntType(-9, 9)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_narrow_accumulators_over_all_inputs(bits):
    every_input = np.array(list(product(range(-2, 3), repeat=4)))
    for rule in (Accumulator.wrap(bits), *(Accumulator.saturate(bits, order) for order in TapOrder)):
        op = Dense(IntTensor([[1, 1, 1, 1], [1, -1, 1, -1], [3, -2, 1, 0]]), rule)
        check_op(op, [(every_input, IntType(-2, 2))], naive.apply(op, every_input))


def test_both_orders_of_a_vector_are_the_same():
    every_input = np.array(list(product(range(-2, 3), repeat=4)))
    weight = IntTensor([[1, 1, -1, 1]])
    answers = []
    for order in TapOrder:
        op = Dense(weight, Accumulator.saturate(3, order, fold=3))
        answers.append(naive.apply(op, every_input).tolist())
        check_op(op, [(every_input, IntType(-2, 2))], answers[-1])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("largest", [2**53 - 1, 2**53, 2**53 + 1, 2**61 - 1])
def test_exact_on_both_sides_of_the_float64_limit(largest):
    op = Dense(IntTensor([[1], [-1]]), WIDE)
    batch = np.array([[largest], [largest - 1], [-largest]])
    check_op(op, [(batch, IntType(-largest, largest))], np.concatenate([batch, -batch], axis=1))


def test_the_inferred_range_is_attained():
    rows = np.array([[5, -7, 0], [-1, -2, -3]])
    type_ = IntType(-3, 4)
    batch = np.array([np.where(sign * row > 0, type_.hi, type_.lo) for row in rows for sign in (1, -1)])
    op = Dense(IntTensor(rows), WIDE)
    expected = naive.apply(op, batch)
    inferred = check_op(op, [(batch, type_)], expected)
    assert (inferred.lo, inferred.hi) == (expected.min(), expected.max())


def test_the_error_of_a_trap_names_image_and_channel():
    op = Dense(IntTensor([[1, 1, 1], [-2, -2, 1]]), Accumulator.trap(4, TapOrder.CKK, fold=2))
    with pytest.raises(RangeError) as caught:
        reference.run(op_graph(op, [((3,), LEVELS)]), np.array([[3, 1, 3], [3, 3, 3]]))
    assert str(caught.value) == (
        "node 'y' (dense): accumulator of 4 bits holds -8..7 and reaches -12 after 2 of 3 products "
        "at image 1, channel 1"
    )


@pytest.mark.parametrize(
    ("weight", "shape", "message"),
    [
        ([[1]], (1, 1, 1), "needs a (C,) input, 'x0' has shape (1, 1, 1); flatten it first"),
        ([1], (1,), "weight has shape (1,), (O, 1) is needed"),
        ([[1, 2]], (3,), "weight has shape (1, 2), (O, 3) is needed"),
        (np.zeros((0, 3), dtype=int), (3,), "weight has shape (0, 3), (O, 3) is needed"),
        ([[2**61, 0]], (2,), f"a sum of 2 products may reach {6 * 2**61}, beyond 2^62"),
    ],
)
def test_refusals(weight, shape, message):
    assert refusal(Dense(IntTensor(weight), WIDE), (shape, LEVELS)) == message


def test_weights_whose_magnitude_int64_cannot_hold_are_refused():
    op = Dense(IntTensor([[-(2**63), -(2**63)]], "s64"), Accumulator.wrap(8))
    assert refusal(op, ((2,), LEVELS)) == f"a sum of 2 products may reach {6 * 2**63}, beyond 2^62"
    # the only input is 0: every product is 0
    assert check_op(op, [(np.zeros((1, 2), dtype=int), IntType(0, 0))], [[0]]) == IntType(0, 0)


def test_an_unprovable_width_is_refused():
    assert refusal(Dense(IntTensor([[1, -1]]), Accumulator.prove(2)), ((2,), LEVELS)) == (
        "sums reach -3..3 and need 3 signed bits, the accumulator has 2: widen it, or state wrap, saturate or trap"
    )
