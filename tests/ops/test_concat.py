"""Concatenation along channels."""

import numpy as np
from hypothesis import given
from oracles import naive

from intinfer.ops import Concat
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal

SMALL = IntType(-2, 30)


def test_channels_stand_in_the_order_of_the_inputs():
    a = np.arange(8).reshape(2, 2, 1, 2)
    b = 10 + np.arange(4).reshape(2, 1, 1, 2)
    expected = [[[[0, 1]], [[2, 3]], [[10, 11]]], [[[4, 5]], [[6, 7]], [[12, 13]]]]
    assert check_op(Concat(), [(a, IntType(0, 7)), (b, IntType(-1, 13))], expected) == IntType(-1, 13)


def test_vectors_and_a_single_input():
    check_op(Concat(), [([[1, 2]], SMALL), ([[3]], SMALL), ([[4]], IntType(4, 4))], [[1, 2, 3, 4]])
    assert check_op(Concat(), [([[1, 2]], SMALL)], [[1, 2]]) == SMALL


def test_the_range_is_the_smallest_that_holds_all():
    inputs = [([[5]], IntType(5, 6)), ([[-3]], IntType(-3, -3)), ([[0]], IntType(0, 1))]
    assert check_op(Concat(), inputs, [[5, -3, 0]]) == IntType(-3, 6)


@given(cases("concat"))
def test_any_concatenation_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_refusals():
    assert refusal(Concat(), ((2, 1, 2), SMALL), ((2, 2, 1), SMALL)) == (
        "inputs differ beyond channels: 'x0' (2, 1, 2), 'x1' (2, 2, 1)"
    )
    assert refusal(Concat(), ((2,), SMALL), ((2, 1, 1), SMALL)) == (
        "inputs differ beyond channels: 'x0' (2,), 'x1' (2, 1, 1)"
    )
    assert refusal(Concat()) == "takes at least 1 input(s), got 0"
