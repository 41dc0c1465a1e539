"""Weighted addition: all pairs of small values and multipliers, ranges attained, refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Add
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal

SMALL = IntType(-2, 3)


@pytest.mark.parametrize("multipliers", [(1, 1), (1, -1), (-3, 2), (7, 5)])
def test_all_pairs_and_the_range_is_attained(multipliers):
    pairs = list(product(range(-2, 4), repeat=2))
    a, b = (np.array([[pair[i]] for pair in pairs]) for i in (0, 1))
    expected = [[multipliers[0] * p + multipliers[1] * q] for p, q in pairs]
    inferred = check_op(Add(multipliers), [(a, SMALL), (b, SMALL)], expected)
    assert [[inferred.lo], [inferred.hi]] == [min(expected), max(expected)]


@given(cases("add"))
def test_any_sum_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_three_maps():
    maps = [np.full((1, 2, 1, 2), z) for z in (1, 2, 3)]
    check_op(Add((1, 10, -100)), [(x, SMALL) for x in maps], np.full((1, 2, 1, 2), -279))


def test_sums_at_the_limit():
    half = IntType(-(2**61), 2**61)
    ends = np.array([[2**61], [-(2**61)]])
    check_op(Add((1, 1)), [(ends, half), (ends, half)], [[2**62], [-(2**62)]])
    check_op(Add((1, -1)), [(ends, half), (ends[::-1].copy(), half)], [[2**62], [-(2**62)]])
    assert refusal(Add((1, 1)), ((1,), half), ((1,), IntType(0, 2**61 + 1))) == (
        "the sum with multipliers (1, 1) may leave ±2^62"
    )


def test_a_partial_sum_beyond_the_limit_is_refused_even_if_the_rest_brings_it_back():
    type_ = IntType(2**61, 2**61)
    assert refusal(Add((1, 1, -1)), *[((1,), type_)] * 3) == "the sum with multipliers (1, 1, -1) may leave ±2^62"


@pytest.mark.parametrize(("multipliers", "count"), [((1,), 1), ((1,), 2), ((1, 1, 1), 2), ((1, 0), 2), ((), 2)])
def test_multipliers_that_do_not_fit_are_refused(multipliers, count):
    assert refusal(Add(multipliers), *[((2,), SMALL)] * count) == (
        f"{count} inputs need as many non-zero multipliers, at least 2: {multipliers}"
    )


def test_other_refusals():
    assert refusal(Add((1, 1))) == "takes at least 1 input(s), got 0"
    assert (
        refusal(Add((1, 1)), ((2,), SMALL), ((1, 1, 2), SMALL)) == "inputs differ in shape: 'x0' (2,), 'x1' (1, 1, 2)"
    )


def test_a_multiplier_beyond_int64_is_refused_even_where_the_input_is_zero():
    assert refusal(Add((2**70, 1)), ((1,), IntType(0, 0)), ((1,), IntType(0, 0))) == (
        "the sum with multipliers (1180591620717411303424, 1) may leave ±2^62"
    )
