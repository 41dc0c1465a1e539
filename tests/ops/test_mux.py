"""The channel multiplexer."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Mux
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal

BIT, SMALL = IntType(0, 1), IntType(-2, 3)


def test_every_selection_of_four_channels():
    selects = np.array(list(product((0, 1), repeat=4)))
    one = np.arange(16 * 4 * 2 * 3).reshape(16, 4, 2, 3)
    zero = -1 - one
    expected = [[one[n, c] if bit else zero[n, c] for c, bit in enumerate(bits)] for n, bits in enumerate(selects)]
    types = IntType(0, 383), IntType(-384, -1)
    assert check_op(Mux(), [(selects, BIT), (one, types[0]), (zero, types[1])], expected) == IntType(-384, 383)


@given(cases("mux"))
def test_any_selection_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_a_constant_select_is_allowed():
    one, zero = np.array([[[[1]]]]), np.array([[[[2]]]])
    check_op(Mux(), [(np.array([[1]]), IntType(1, 1)), (one, SMALL), (zero, SMALL)], one)
    check_op(Mux(), [(np.array([[0]]), IntType(0, 0)), (one, SMALL), (zero, SMALL)], zero)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([((2,), BIT), ((2,), SMALL), ((2,), SMALL)], "needs a (C, H, W) input, 'x1' has shape (2,)"),
        (
            [((2,), BIT), ((2, 1, 1), SMALL), ((2, 1, 2), SMALL)],
            "inputs differ in shape: 'x1' (2, 1, 1), 'x2' (2, 1, 2)",
        ),
        (
            [((3,), BIT), ((2, 1, 1), SMALL), ((2, 1, 1), SMALL)],
            "select 'x0' must be (2,) of 0 and 1, it is (3,) of 0..1",
        ),
        (
            [((2, 1, 1), BIT), ((2, 1, 1), SMALL), ((2, 1, 1), SMALL)],
            "select 'x0' must be (2,) of 0 and 1, it is (2, 1, 1) of 0..1",
        ),
        (
            [((2,), IntType(0, 2)), ((2, 1, 1), SMALL), ((2, 1, 1), SMALL)],
            "select 'x0' must be (2,) of 0 and 1, it is (2,) of 0..2",
        ),
        ([((2,), BIT), ((2, 1, 1), SMALL)], "takes 3 input(s), got 2"),
    ],
)
def test_refusals(inputs, message):
    assert refusal(Mux(), *inputs) == message
