"""Max pooling: every small geometry, padding that never wins, refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import MaxPool
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal
from ops.geometries import AXES, both, pairs

RNG = np.random.default_rng(0)


def pool(kernel, stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1)):
    return MaxPool(kernel, stride, pads, dilation)


def test_every_geometry_is_pooled_or_refused_for_its_reason():
    type_ = IntType(-9, -1)  # padding with 0 would win
    checked = 0
    for y, x in pairs(4):
        op = pool((y.kernel, x.kernel), **both(y, x))
        if not (y.fits(4) and x.fits(3)):
            assert "does not fit the padded map" in refusal(op, ((1, 4, 3), type_))
        elif y.has_empty_window(4) or x.has_empty_window(3):
            axis = "H" if y.has_empty_window(4) else "W"
            message = refusal(op, ((1, 4, 3), type_))
            assert message.startswith(f"pads {op.pads}: window ")
            assert message.endswith(f" of axis {axis} holds nothing but padding")
        else:
            batch = RNG.integers(-9, 0, (2, 1, 4, 3))
            assert check_op(op, [(batch, type_)], naive.apply(op, batch)) == type_
            checked += 1
    assert checked > 100


def test_geometries_equal_torch():
    torch = pytest.importorskip("torch")
    type_ = IntType(-9, 9)
    torch_takes = [axis for axis in AXES if axis.before == axis.after <= axis.kernel // 2]
    assert len(torch_takes) == 30
    for y, x in product(torch_takes, torch_takes[::4]):
        op = pool((y.kernel, x.kernel), **both(y, x))
        batch = RNG.integers(-9, 10, (2, 3, 7, 8))
        expected = torch.nn.functional.max_pool2d(
            torch.from_numpy(batch).double(), op.kernel, op.stride, (y.before, x.before), op.dilation
        )
        check_op(op, [(batch, type_)], expected.long().numpy())


@given(cases("max_pool"))
def test_any_pool_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


def test_padding_never_wins_against_the_lowest_value():
    type_ = IntType(-(2**62), 2**62)
    batch = np.full((1, 1, 2, 2), -(2**62))
    check_op(pool((3, 3), pads=(1, 1, 1, 1)), [(batch, type_)], batch)


SMALL = IntType(0, 3)


@pytest.mark.parametrize(
    ("op", "shape", "message"),
    [
        (pool((2, 2)), (4,), "needs a (C, H, W) input, 'x0' has shape (4,)"),
        (pool((0, 1)), (1, 4, 4), "kernel (0, 1) must be two numbers of at least 1"),
        (pool((2, 2), stride=(1, 0)), (1, 4, 4), "stride (1, 0) must be two numbers of at least 1"),
        (pool((2, 2), dilation=(-1, 1)), (1, 4, 4), "dilation (-1, 1) must be two numbers of at least 1"),
        (
            pool((2, 2), pads=(0, 0, -1, 0)),
            (1, 4, 4),
            "pads (0, 0, -1, 0) must be (top, left, bottom, right), each at least 0",
        ),
        (pool((5, 2)), (1, 4, 4), "a kernel reaching 5x2 does not fit the padded map 4x4"),
        (pool((3, 3), dilation=(1, 2)), (1, 4, 4), "a kernel reaching 3x5 does not fit the padded map 4x4"),
        (
            pool((2, 2), pads=(2, 0, 0, 0)),
            (1, 4, 4),
            "pads (2, 0, 0, 0): window 0 of axis H holds nothing but padding",
        ),
        (
            pool((2, 2), pads=(0, 0, 0, 2)),
            (1, 4, 4),
            "pads (0, 0, 0, 2): window 4 of axis W holds nothing but padding",
        ),
        (
            pool((2, 1), pads=(1, 0, 1, 0), dilation=(2, 1)),
            (1, 1, 1),
            "pads (1, 0, 1, 0): window 0 of axis H holds nothing but padding",
        ),
    ],
)
def test_refusals(op, shape, message):
    assert refusal(op, (shape, SMALL)) == message
