"""Thresholds: all tables over small types in both directions, constants, bipolar codes, refusals."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Threshold, threshold
from intinfer.strategies import cases
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from ops.check import check_op, refusal


def op_of(rows, falling, base=0, step=1):
    return Threshold(IntTensor(rows), IntTensor(falling), base, step)


@pytest.mark.parametrize("compared", [0, threshold.COMPARED], ids=["searched", "compared"])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("type_", [IntType(0, 3), IntType(-2, 2), IntType(-5, -3)])
def test_every_table_on_every_value(type_, count, compared, monkeypatch):
    monkeypatch.setattr(threshold, "COMPARED", compared)
    values = range(type_.lo, type_.hi + 1)
    rising = list(combinations_with_replacement(range(type_.lo, type_.hi + 2), count))
    falling = [row[::-1] for row in combinations_with_replacement(range(type_.lo - 1, type_.hi + 1), count)]
    op = op_of(rising + falling, [0] * len(rising) + [1] * len(falling))
    batch = np.array([[z] * (len(rising) + len(falling)) for z in values])
    expected = [
        [sum(z >= t for t in row) for row in rising] + [sum(z <= t for t in row) for row in falling] for z in values
    ]
    assert check_op(op, [(batch, type_)], expected) == IntType(0, count)


@given(cases("threshold"))
def test_any_thresholds_equal_the_naive_ones(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("count", [threshold.COMPARED, threshold.COMPARED + 1, 255])
def test_many_thresholds(count, rows):
    """On both sides of what is compared one by one: uneven tables, with steps of two and more, up and down."""
    rng = np.random.default_rng(count)
    falling = [0, 1, 0][:rows] if rows > 1 else [1]
    limits = np.sort(rng.integers(-300, 301, (rows, count)), axis=1)
    limits = np.array([row[::-1] if down else row for row, down in zip(limits, falling, strict=True)])
    lines = np.stack([np.arange(-300, 301), rng.permutation(601) - 300, np.repeat(7, 601)])
    batch = lines[:, None, None].repeat(3, axis=1)
    crossed = [(lambda z, t: z <= t) if down else (lambda z, t: z >= t) for down in falling]
    expected = [
        [[[sum(crossed[c % rows](z, t) for t in limits[c % rows].tolist()) for z in line]] for c in range(3)]
        for line in lines.tolist()
    ]
    check_op(op_of(limits, falling, -2, 3), [(batch, IntType(-300, 300))], -2 + 3 * np.array(expected))


def test_one_row_serves_all_channels_of_a_map():
    batch = np.arange(8).reshape(1, 2, 2, 2)
    check_op(op_of([[2, 5]], [0]), [(batch, IntType(0, 7))], [[[[0, 0], [1, 1]], [[1, 2], [2, 2]]]])
    check_op(op_of([[5, 2]], [1]), [(batch, IntType(0, 7))], [[[[2, 2], [2, 1]], [[1, 1], [0, 0]]]])


def test_constant_channels_are_written_with_the_values_beyond_the_ends():
    type_ = IntType(-3, 3)
    op = op_of([[4, 4], [-3, -3], [-4, -4], [3, 3]], [0, 0, 1, 1])
    batch = np.array([[z] * 4 for z in range(-3, 4)])
    check_op(op, [(batch, type_)], [[0, 2, 0, 2]] * 7)


def test_bipolar_codes():
    op = op_of([[0]], [0], base=-1, step=2)
    assert check_op(op, [(np.array([[-1], [0], [1]]), IntType(-1, 1))], [[-1], [1], [1]]) == IntType(-1, 1)


def test_the_largest_type():
    type_ = IntType(-(2**62), 2**62)
    rows = [[-(2**62), 2**62, 2**62 + 1], [2**62, -(2**62), -(2**62) - 1]]
    op = Threshold(IntTensor(rows, "s64"), IntTensor([0, 1]), 0, 1)
    batch = np.array([[z, z] for z in (-(2**62), -1, 0, 2**62 - 1, 2**62)])
    check_op(op, [(batch, type_)], [[1, 2], [1, 1], [1, 1], [1, 1], [2, 1]])


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (op_of([1, 2], [0]), "thresholds have shape (2,), (2, N) or (1, N) with N >= 1 is needed"),
        (op_of([[1]] * 3, [0] * 3), "thresholds have shape (3, 1), (2, N) or (1, N) with N >= 1 is needed"),
        (
            op_of(np.zeros((2, 0), dtype=int), [0, 0]),
            "thresholds have shape (2, 0), (2, N) or (1, N) with N >= 1 is needed",
        ),
        (op_of([[1], [1]], [0]), "descending must be 2 times 0 or 1"),
        (op_of([[1], [1]], [0, 2]), "descending must be 2 times 0 or 1"),
        (op_of([[1]], [0], step=0), "step 0 must be at least 1; a falling code is a descending channel"),
        (op_of([[1]], [0], step=-1), "step -1 must be at least 1; a falling code is a descending channel"),
        (op_of([[1], [9]], [0, 0]), "channel 1: thresholds 9..9 leave 0..8; clip them"),
        (op_of([[-1, 3]], [0]), "channel 0: thresholds -1..3 leave 0..8; clip them"),
        (op_of([[8]], [1]), "channel 0: thresholds 8..8 leave -1..7; clip them"),
        (op_of([[3, -2]], [1]), "channel 0: thresholds -2..3 leave -1..7; clip them"),
        (op_of([[3, 2]], [0]), "channel 0: thresholds must be rising"),
        (op_of([[1, 2], [2, 3]], [0, 1]), "channel 1: thresholds must be falling, as descending channels cross them"),
        (
            op_of([[1]], [0], base=2**62),
            f"IntType {2**62}..{2**62 + 1} leaves ±2^62: narrow the values with a threshold, requant or clamp",
        ),
    ],
)
def test_refusals(op, message):
    assert refusal(op, ((2,), IntType(0, 7))) == message


def test_an_order_whose_difference_leaves_int64_is_still_seen():
    op = Threshold(IntTensor([[2**62, -(2**62)]], "s64"), IntTensor([0]), 0, 1)
    assert refusal(op, ((1,), IntType(-(2**62), 2**62))) == ("channel 0: thresholds must be rising")
