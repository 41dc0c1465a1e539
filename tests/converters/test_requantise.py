"""Requant in place of many thresholds: equal at every z, smallest shift, and None only when there is none."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.graph import Value
from intinfer.ops import Threshold
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_converters.primitives import primitive
from intinfer_converters.thresholds import Activation, LevelCode, find_requant, find_thresholds


def threshold(rows, descending, base=0):
    return Threshold(IntTensor(np.array(rows)), IntTensor(np.array(descending), "u1"), base, 1)


def every_z(type_, channels):
    return np.tile(np.arange(type_.lo, type_.hi + 1), (channels, 1))


def levels(z, rows, descending, base):
    """Counting in plain Python."""
    return [
        [base + sum(v <= t if down else v >= t for t in row) for v in line]
        for line, row, down in zip(z.tolist(), rows, descending, strict=True)
    ]


def assert_equal(requant, rows, descending, type_, base=0):
    z = every_z(type_, len(rows))
    requant.infer(Value("z", (len(rows),), type_))
    got = [
        [min(max((v * int(m) + int(b)) >> int(requant.shift.values[0]), requant.lo), requant.hi) for v in line]
        for line, m, b in zip(z.tolist(), requant.multiplier.values, requant.offset.values, strict=True)
    ]
    assert got == levels(z, rows, descending, base)
    assert requant.reference(z[None])[0].tolist() == got


@given(
    st.lists(
        st.tuples(st.floats(-2, 2, width=32).map(lambda f: f / 128), st.floats(-1, 2, width=32)),
        min_size=1,
        max_size=4,
    ),
    st.integers(5, 8),
)
@settings(max_examples=50, deadline=None)
def test_batch_norm_and_qrelu_become_one_multiply(parameters, bits):
    alpha, beta = (np.array(column, dtype=np.float32) for column in zip(*parameters, strict=True))
    chain = (
        primitive("mul", alpha),
        primitive("add", beta),
        primitive("clip", np.array([0, 1], dtype=np.float32)),
        primitive("mul", np.array([2**bits - 1], dtype=np.float32)),
        primitive("rint"),
    )
    type_ = IntType(-400, 300)
    op = find_thresholds(
        Activation(chain, (1,), (0,), np.float32, LevelCode(0, 1, 2**bits - 1)), type_, len(parameters)
    )
    requant = find_requant(op, type_)
    assert requant is not None
    rows = np.broadcast_to(op.thresholds.values, (len(parameters), 2**bits - 1)).tolist()
    down = np.broadcast_to(op.descending.values, (len(parameters),)).tolist()
    z = every_z(type_, len(parameters))
    assert requant.reference(z[None])[0].tolist() == op.reference(z[None])[0].tolist()
    if op.thresholds.shape[0] == len(parameters):
        assert_equal(requant, rows, down, type_)


def exists(row, type_, shift, reach):
    """Brute force: is there any M, B with clip((z*M + B) >> shift) equal to the count?"""
    wanted = [sum(z >= t for t in row) for z in range(type_.lo, type_.hi + 1)]
    return any(
        [min(max((z * m + b) >> shift, 0), len(row)) for z in range(type_.lo, type_.hi + 1)] == wanted
        for m, b in product(range(reach), range(-reach * 3, reach * 3))
    )


@pytest.mark.parametrize("row", [sorted(t) for t in product(range(-2, 5), repeat=2) if t[0] <= t[1]])
def test_the_smallest_shift_is_found_and_no_smaller_one_exists(row):
    type_ = IntType(-2, 3)
    requant = find_requant(threshold([row], [0]), type_)
    assert requant is not None
    assert_equal(requant, [row], [0], type_)
    shift = int(requant.shift.values[0])
    assert all(not exists(row, type_, smaller, 14) for smaller in range(shift))


def test_steps_of_uneven_width_have_none():
    """Widths 1, 8, 1, 8: no straight line passes between them."""
    assert find_requant(threshold([[0, 1, 9, 10, 18, 19, 40]], [0]), IntType(-5, 50)) is None


def test_descending_constant_and_shifted_channels():
    type_ = IntType(-20, 20)
    rows = [[-15, -5, 5, 15], [12, 4, -4, -12], [-20, -20, -20, -20], [21, 21, 21, 21], [-20, -20, 21, 21]]
    descending = [0, 1, 0, 0, 0]
    requant = find_requant(threshold(rows, descending, base=-2), type_)
    assert requant is not None
    assert (requant.lo, requant.hi) == (-2, 2)
    assert_equal(requant, rows, descending, type_, base=-2)


def test_codes_in_steps_are_left_as_thresholds():
    bipolar = Threshold(IntTensor([[0]]), IntTensor([0], "u1"), -1, 2)
    assert find_requant(bipolar, IntType(-4, 4)) is None


def test_wide_accumulators_stay_inside_62_bits():
    type_ = IntType(-(2**30), 2**30)
    row = np.ceil(np.linspace(-(2**29), 2**29, 255)).astype(np.int64).tolist()
    requant = find_requant(threshold([row], [0]), type_)
    assert requant is not None
    requant.infer(Value("z", (1,), type_))  # GraphError beyond 2^62
    points = np.array([[[t - 1, t] for t in row]]).reshape(1, 1, -1)
    wanted = [[count for j in range(255) for count in (j, j + 1)]]
    assert requant.reference(points)[0].tolist() == wanted
