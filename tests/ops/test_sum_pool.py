"""Sum pooling: every small geometry, the global sum, ranges attained, refusals."""

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import SumPool
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal
from ops.geometries import both, pairs

RNG = np.random.default_rng(0)


def pool(kernel, stride=(1, 1), pads=(0, 0, 0, 0)):
    return SumPool(kernel, stride, pads)


def undilated(count):
    return [(y, x) for y, x in pairs(count) if y.dilation == x.dilation == 1]


def test_every_geometry():
    type_ = IntType(2, 9)
    for y, x in undilated(4):
        where = both(y, x)
        op = pool((y.kernel, x.kernel), where["stride"], where["pads"])
        if y.fits(3) and x.fits(2):
            batch = RNG.integers(2, 10, (2, 1, 3, 2))
            check_op(op, [(batch, type_)], naive.apply(op, batch))
        else:
            padded = 3 + y.before + y.after, 2 + x.before + x.after
            assert refusal(op, ((1, 3, 2), type_)) == (
                f"a kernel reaching {y.kernel}x{x.kernel} does not fit the padded map {padded[0]}x{padded[1]}"
            )


def test_geometries_equal_torch():
    torch = pytest.importorskip("torch")
    type_ = IntType(-9, 9)
    for y, x in undilated(2):
        where = both(y, x)
        op = pool((y.kernel, x.kernel), where["stride"], where["pads"])
        batch = RNG.integers(-9, 10, (2, 3, 5, 4))
        padded = torch.nn.functional.pad(torch.from_numpy(batch).double(), (x.before, x.after, y.before, y.after))
        ones = torch.ones((3, 1, y.kernel, x.kernel), dtype=torch.float64)
        expected = torch.nn.functional.conv2d(padded, ones, None, op.stride, groups=3)
        check_op(op, [(batch, type_)], expected.long().numpy())


@given(cases("sum_pool"))
def test_any_pool_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_the_global_sum_attains_its_range():
    type_ = IntType(-8, 7)
    batch = np.concatenate([np.full((1, 1, 3, 5), -8), np.full((1, 1, 3, 5), 7)])
    assert check_op(pool((3, 5)), [(batch, type_)], [[[[-120]]], [[[105]]]]) == IntType(-120, 105)


def test_padded_positions_count_as_0():
    ones = np.ones((1, 1, 2, 2), dtype=int)
    inferred = check_op(pool((2, 2), (2, 2), (1, 1, 1, 1)), [(ones, IntType(1, 5))], [[[[1, 1], [1, 1]]]])
    assert inferred == IntType(0, 20)
    assert check_op(pool((2, 2)), [(ones, IntType(1, 5))], [[[[4]]]]) == IntType(4, 20)


def test_sums_at_the_limit():
    type_ = IntType(-(2**60), 2**60)
    batch = np.concatenate([np.full((1, 1, 2, 2), 2**60), np.full((1, 1, 2, 2), -(2**60))])
    check_op(pool((2, 2)), [(batch, type_)], [[[[2**62]]], [[[-(2**62)]]]])
    assert refusal(pool((2, 2)), ((1, 2, 2), IntType(0, 2**60 + 1))) == (
        f"the sum of 4 values 0..{2**60 + 1} may leave ±2^62"
    )


@pytest.mark.parametrize(
    ("op", "shape", "message"),
    [
        (pool((2, 2)), (4,), "needs a (C, H, W) input, 'x0' has shape (4,)"),
        (pool((2, 0)), (1, 4, 4), "kernel (2, 0) must be two numbers of at least 1"),
        (pool((2, 2), stride=(0, 1)), (1, 4, 4), "stride (0, 1) must be two numbers of at least 1"),
        (
            pool((2, 2), pads=(0, 0, 0)),
            (1, 4, 4),
            "pads (0, 0, 0) must be (top, left, bottom, right), each at least 0",
        ),
    ],
)
def test_refusals(op, shape, message):
    assert refusal(op, (shape, IntType(0, 3))) == message
