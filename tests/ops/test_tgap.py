"""The thresholded global average pool: every small map, exact ties, sums at the limit."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Tgap
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal


@pytest.mark.parametrize(("top", "height", "width"), [(1, 2, 3), (3, 2, 2), (7, 1, 3), (7, 3, 1), (2, 2, 2)])
def test_every_map_is_compared_with_the_exact_mean(top, height, width):
    maps = list(product(range(top + 1), repeat=height * width))
    batch = np.array(maps).reshape(-1, 1, height, width)
    expected = [[int(Fraction(sum(x), len(x)) > Fraction(top, 2))] for x in maps]
    assert check_op(Tgap(top), [(batch, IntType(0, top))], expected) == IntType(0, 1)


@given(cases("tgap"))
def test_any_map_equals_the_naive_compare(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_equality_gives_0_channel_by_channel():
    tie, above, below = [[15, 0], [7, 8]], [[15, 0], [8, 8]], [[15, 0], [7, 7]]
    check_op(Tgap(15), [(np.array([[tie, above, below]]), IntType(0, 15))], [[0, 1, 0]])


def test_levels_that_stay_below_the_top_level():
    check_op(Tgap(7), [(np.array([[[[3]]], [[[4]]]]), IntType(2, 5))], [[0], [1]])


def test_sums_at_the_limit():
    top = 2**59
    batch = np.array([[top] * 4, [top, top, 0, 0], [top, top, 0, 1]]).reshape(3, 1, 2, 2)
    check_op(Tgap(top), [(batch, IntType(0, top))], [[1], [0], [1]])
    assert refusal(Tgap(top + 1), ((1, 2, 2), IntType(0, top + 1))) == (
        f"twice the sum of 4 levels 0..{top + 1} may leave ±2^62"
    )


@pytest.mark.parametrize(
    ("top", "shape", "type_", "message"),
    [
        (7, (3,), IntType(0, 7), "needs a (C, H, W) input, 'x0' has shape (3,)"),
        (7, (1, 2, 2), IntType(0, 8), "'x0' holds 0..8, not levels 0..7"),
        (7, (1, 2, 2), IntType(-1, 7), "'x0' holds -1..7, not levels 0..7"),
        (0, (1, 2, 2), IntType(0, 0), "'x0' holds 0..0, not levels 0..0"),
    ],
)
def test_refusals(top, shape, type_, message):
    assert refusal(Tgap(top), (shape, type_)) == message
