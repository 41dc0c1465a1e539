"""Fixed-point requantisation against exact fractions."""

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Requant
from intinfer.rounding import RoundMode
from intinfer.strategies import cases
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from ops.check import check_op, refusal


def op_of(multiplier=(1,), offset=(0,), shift=(1,), rounding=RoundMode.FLOOR, lo=-100, hi=100):
    return Requant(IntTensor(multiplier), IntTensor(offset), IntTensor(shift), rounding, lo, hi)


@pytest.mark.parametrize("rounding", RoundMode)
def test_every_small_value_multiplier_offset_and_shift(rounding):
    type_ = IntType(-20, 20)
    multipliers, offsets, shifts = np.meshgrid([-3, -1, 0, 1, 2, 5], [-7, 0, 1, 4], range(6), indexing="ij")
    op = op_of(multipliers.reshape(-1), offsets.reshape(-1), shifts.reshape(-1), rounding, -30, 25)
    batch = np.array([[z] * multipliers.size for z in range(-20, 21)])
    assert check_op(op, [(batch, type_)], naive.apply(op, batch)) == IntType(-30, 25)


@given(cases("requant"))
def test_any_requantisation_equals_exact_fractions(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        (RoundMode.FLOOR, [-3, -2, -1, 0, 1, 2]),
        (RoundMode.HALF_UP, [-2, -1, 0, 1, 2, 3]),
        (RoundMode.HALF_EVEN, [-2, -2, 0, 0, 2, 2]),
        (RoundMode.HALF_AWAY, [-3, -2, -1, 1, 2, 3]),
    ],
)
def test_ties(rounding, expected):
    batch = np.array([[z] for z in (-5, -3, -1, 1, 3, 5)])  # -2.5 .. 2.5
    check_op(op_of(rounding=rounding), [(batch, IntType(-5, 5))], [[z] for z in expected])


@pytest.mark.parametrize("rounding", RoundMode)
def test_products_at_the_limit(rounding):
    batch = np.array([[-(2**31)] * 4, [2**31] * 4, [2**31 - 1] * 4])
    for shift in ([0, 1, 61, 62], [30, 31, 32, 33]):
        op = op_of([2**31, 2**30, -(2**31), 1], [0, 2**61, 0, 2**62 - 2**31], shift, rounding, -(2**62), 2**62)
        check_op(op, [(batch, IntType(-(2**31), 2**31))], naive.apply(op, batch))


def test_a_product_beyond_int64_that_the_offset_brings_back_is_exact():
    op = Requant(IntTensor([2**32]), IntTensor([-(2**63)], "s64"), IntTensor([0]), RoundMode.FLOOR, -(2**62), 2**62)
    type_ = IntType(2**30, 2**31 + 2**30)  # products 2^62 .. 3 * 2^62
    batch = np.array([[2**30], [2**31], [2**31 + 2**30]])
    check_op(op, [(batch, type_)], [[-(2**62)], [0], [2**62]])


def test_one_entry_serves_all_channels_of_a_map():
    op = op_of(multiplier=[1, 2], offset=[1], shift=[1])
    check_op(op, [(np.array([[[[3, 4]], [[3, 4]]]]), IntType(0, 7))], [[[[2, 2]], [[3, 4]]]])


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (op_of(multiplier=(1, 1, 1)), "multiplier has shape (3,), (2,) or (1,) is needed"),
        (op_of(offset=[[0]]), "offset has shape (1, 1), (2,) or (1,) is needed"),
        (op_of(shift=np.array([], dtype=int)), "shift has shape (0,), (2,) or (1,) is needed"),
        (op_of(shift=(-1,)), "shifts must lie in 0..62"),
        (op_of(shift=(0, 63)), "shifts must lie in 0..62"),
        (op_of(rounding="floor"), "attributes.rounding: a Python RoundMode is needed, got 'floor'"),
        (
            op_of(multiplier=(2**60,), offset=(1,)),
            f"z * M + B may reach {7 * 2**60 + 1}, beyond 2^62: use fewer bits of M",
        ),
        (op_of(lo=3, hi=2), "IntType 3..2 is empty: lo must not exceed hi"),
    ],
)
def test_refusals(op, message):
    assert refusal(op, ((2,), IntType(0, 7))) == message
