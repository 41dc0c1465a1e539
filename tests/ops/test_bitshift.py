"""The merge of two branches, over all pairs of levels."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Bitshift
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal


@pytest.mark.parametrize("bits", range(1, 7))
def test_all_pairs_of_levels(bits):
    pairs = list(product(range(2**bits), repeat=2))
    levels = IntType(0, 2**bits - 1)
    a, b = (np.array([[pair[i]] for pair in pairs]) for i in (0, 1))
    expected = [[max(p, q) if bits == 1 else (p + q) // 2] for p, q in pairs]
    assert check_op(Bitshift(bits), [(a, levels), (b, levels)], expected) == levels


@given(cases("bitshift"))
def test_any_pair_equals_the_naive_merge(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_every_range_of_levels_is_inferred_tightly(bits):
    ranges = [IntType(lo, hi) for lo in range(2**bits) for hi in range(lo, 2**bits)]
    for a, b in product(ranges[:: max(1, len(ranges) // 20)], repeat=2):
        ends = [np.array([[a.lo], [a.hi]]), np.array([[b.lo], [b.hi]])]
        expected = naive.apply(Bitshift(bits), *ends)
        inferred = check_op(Bitshift(bits), [(ends[0], a), (ends[1], b)], expected)
        assert (inferred.lo, inferred.hi) == (expected.min(), expected.max())


def test_the_widest_levels():
    top = 2**32 - 1
    a, b = np.array([[top], [top], [1]]), np.array([[top], [0], [0]])
    levels = IntType(0, top)
    check_op(Bitshift(32), [(a, levels), (b, levels)], [[top], [2**31 - 1], [0]])


@pytest.mark.parametrize("bits", [0, -1, 33])
def test_widths_outside_1_to_32_are_refused(bits):
    assert refusal(Bitshift(bits), ((2,), IntType(0, 1)), ((2,), IntType(0, 1))) == f"bits {bits} must lie in 1..32"


def test_refusals():
    two = IntType(0, 3)
    assert refusal(Bitshift(2), ((2,), two), ((3,), two)) == "inputs differ in shape: 'x0' (2,), 'x1' (3,)"
    assert refusal(Bitshift(2), ((2,), two), ((2,), IntType(0, 4))) == "'x1' holds 0..4, not 2-bit levels"
    assert refusal(Bitshift(2), ((2,), IntType(-1, 3)), ((2,), two)) == "'x0' holds -1..3, not 2-bit levels"
    assert refusal(Bitshift(2), ((2,), two)) == "takes 2 input(s), got 1"
