"""Per-channel multiply and add."""

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Affine
from intinfer.strategies import cases
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from ops.check import check_op, refusal


def op_of(multiplier, offset):
    return Affine(IntTensor(multiplier), IntTensor(offset))


def test_all_small_multipliers_offsets_and_values():
    type_ = IntType(-4, 5)
    pairs = [(m, b) for m in range(-3, 4) for b in range(-3, 4)]
    op = op_of([m for m, _ in pairs], [b for _, b in pairs])
    expected = [[m * z + b for m, b in pairs] for z in range(-4, 6)]
    inferred = check_op(op, [(np.array([[z] * 49 for z in range(-4, 6)]), type_)], expected)
    assert (inferred.lo, inferred.hi) == (min(map(min, expected)), max(map(max, expected))) == (-18, 18)


@given(cases("affine"))
def test_any_affine_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_channels_of_a_map():
    check_op(op_of([2, -1], [0, 5]), [(np.array([[[[1, 2]], [[1, 2]]]]), IntType(0, 3))], [[[[2, 4]], [[4, 3]]]])


def test_values_at_the_limit():
    type_ = IntType(-(2**31), 2**31)
    batch = np.array([[-(2**31)] * 2, [2**31] * 2])
    check_op(op_of([2**31, -(2**30)], [0, 2**61]), [(batch, type_)], [[-(2**62), 2**62], [2**62, 0]])


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (op_of([1], [0, 0]), "multiplier has shape (1,), 'x0' needs (2,)"),
        (op_of([1, 1], [[0, 0]]), "offset has shape (1, 2), 'x0' needs (2,)"),
        (op_of([1, 2**60], [0, 0]), "M * z may leave ±2^62: use fewer bits of M"),
        (
            op_of([1, 2**59], [0, 2**62]),
            f"IntType 0..{7 * 2**59 + 2**62} leaves ±2^62: narrow the values with a threshold, requant or clamp",
        ),
    ],
)
def test_refusals(op, message):
    assert refusal(op, ((2,), IntType(0, 7))) == message
