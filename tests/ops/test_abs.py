"""The absolute value: every small interval, its bounds, which are not those of its ends, and the largest integers."""

import numpy as np
from hypothesis import given
from oracles import naive

from intinfer.bounds import bounds_of
from intinfer.builder import GraphBuilder
from intinfer.ops import Abs
from intinfer.strategies import cases
from intinfer.types import LIMIT, IntType
from ops.check import check_op


def test_every_small_interval_is_inferred_tightly():
    for lo in range(-5, 6):
        for hi in range(lo, 6):
            values = list(range(lo, hi + 1))
            expected = [[z if z >= 0 else -z] for z in values]
            inferred = check_op(Abs(), [(np.array(values)[:, None], IntType(lo, hi))], expected)
            assert [[inferred.lo], [inferred.hi]] == [min(expected), max(expected)]


def test_the_largest_integers_there_are():
    batch = np.array([[-LIMIT], [LIMIT], [-1]])
    assert check_op(Abs(), [(batch, IntType(-LIMIT, LIMIT))], [[LIMIT], [LIMIT], [1]]) == IntType(0, LIMIT)


@given(cases("abs"))
def test_any_map_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_channels_are_bounded_by_all_numbers_between_their_ends():
    """-4..3 gives 0..4, not what its ends give, 3..4; each channel of a table has a range of its own."""
    spans = [(lo, hi) for lo in range(-5, 6) for hi in range(lo, 6)]
    builder = GraphBuilder()
    x = builder.input("x", (len(spans),), IntType(-9, 9))
    entries = [[min(max(z, lo), hi) for z in range(-9, 10)] for lo, hi in spans]
    builder.output("y", builder.abs(builder.table(x, entries, name="t", lo=-9, hi=9), name="y"))
    wanted = [[abs(z) for z in range(lo, hi + 1)] for lo, hi in spans]
    lo, hi = bounds_of(builder.finish()).channels["y"]
    assert lo.tolist() == [min(values) for values in wanted]
    assert hi.tolist() == [max(values) for values in wanted]
