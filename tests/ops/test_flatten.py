"""Flattening in C order."""

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Flatten
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 4), (3, 1, 2), (4, 2, 1)])
def test_every_element_stands_where_the_formula_says(shape):
    channels, height, width = shape
    batch = np.arange(2 * channels * height * width).reshape(2, *shape)
    expected = np.full((2, channels * height * width), -1)
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                expected[:, (c * height + y) * width + x] = batch[:, c, y, x]
    assert check_op(Flatten(), [(batch, IntType(0, 99))], expected) == IntType(0, 99)


def test_a_vector_stays_as_it_is():
    check_op(Flatten(), [([[3, 1, 2]], IntType(0, 3))], [[3, 1, 2]])


@given(cases("flatten"))
def test_any_map_equals_the_naive_order(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_two_inputs_are_refused():
    assert refusal(Flatten(), ((1,), IntType(0, 1)), ((1,), IntType(0, 1))) == "takes 1 input(s), got 2"
