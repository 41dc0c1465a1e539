"""Argmax: every small score vector, ties to the lowest index."""

from itertools import product

import numpy as np
from hypothesis import given
from oracles import naive

from intinfer.ops import ArgMax
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal


def test_every_vector_of_up_to_four_small_scores():
    for channels in (1, 2, 3, 4):
        scores = list(product((-1, 0, 1), repeat=channels))
        expected = [[vector.index(max(vector))] for vector in scores]
        inferred = check_op(ArgMax(), [(np.array(scores), IntType(-1, 1))], expected)
        assert inferred == IntType(0, channels - 1)


def test_every_pixel_of_a_map_on_its_own():
    batch = np.array([[[[1, 5, 2]], [[3, 5, 2]], [[2, 6, 2]]]])
    check_op(ArgMax(), [(batch, IntType(0, 6))], [[[[1, 2, 0]]]])


def test_neighbours_at_the_limit_are_told_apart():
    batch = np.array([[2**62 - 1, 2**62], [2**62, 2**62 - 1], [-(2**62), -(2**62) + 1]])
    check_op(ArgMax(), [(batch, IntType(-(2**62), 2**62))], [[1], [0], [1]])


@given(cases("argmax"))
def test_any_scores_equal_the_naive_search(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_two_inputs_are_refused():
    assert refusal(ArgMax(), ((1,), IntType(0, 1)), ((1,), IntType(0, 1))) == "takes 1 input(s), got 2"
