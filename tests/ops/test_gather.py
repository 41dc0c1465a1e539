"""Any order of elements, against NumPy's and PyTorch-like definitions written out."""

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Gather
from intinfer.strategies import cases
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from ops.check import check_op, refusal

X = np.arange(2 * 8 * 2 * 3).reshape(2, 8, 2, 3)
PLACES = np.arange(8 * 2 * 3).reshape(8, 2, 3)


def gather(index, fill=0):
    return Gather(IntTensor(np.asarray(index)), fill)


def depth_to_space(x):
    """(8, H, W) -> (2, 2H, 2W): out[c, 2y + i, 2x + j] = x[(2i + j) * 2 + c, y, x] (ONNX, mode DCR)."""
    _, height, width = x.shape[-3:]
    out = np.empty((*x.shape[:-3], 2, 2 * height, 2 * width), dtype=x.dtype)
    for i in range(2):
        for j in range(2):
            out[..., i::2, j::2] = x[..., (2 * i + j) * 2 : (2 * i + j) * 2 + 2, :, :]
    return out


USES = {
    "crop": lambda x: x[..., 2:5, 1:, :2],
    "stride": lambda x: x[..., ::2, ::2],
    "nearest": lambda x: x.repeat(2, -2).repeat(3, -1),
    "depth to space": depth_to_space,
    "transpose": lambda x: x.swapaxes(-1, -2),
    "vector": lambda x: x.reshape(*x.shape[:-3], -1)[..., ::-1],
}


@pytest.mark.parametrize("use", USES)
def test_the_usual_uses(use):
    assert check_op(gather(USES[use](PLACES)), [(X, IntType(0, 95))], USES[use](X)) == IntType(0, 95)


def test_a_border_of_a_constant():
    index = np.pad(PLACES, ((0, 0), (1, 0), (2, 1)), constant_values=-1)
    expected = np.pad(X, ((0, 0), (0, 0), (1, 0), (2, 1)), constant_values=-7)
    assert check_op(gather(index, -7), [(X, IntType(0, 95))], expected) == IntType(-7, 95)


def test_a_fill_that_is_not_used_does_not_widen_the_range():
    assert check_op(gather(PLACES, 1000), [(X, IntType(0, 95))], X) == IntType(0, 95)


@given(cases("gather"))
def test_any_gather_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, -2], "index has entries -2..0; 'x0' has 0..3, and -1 is fill"),
        ([0, 4], "index has entries 0..4; 'x0' has 0..3, and -1 is fill"),
        ([[0], [1]], "index has shape (2, 1); it must be (C, H, W) or (C,), each at least 1"),
        ([], "index has shape (0,); it must be (C, H, W) or (C,), each at least 1"),
    ],
)
def test_what_is_refused(index, message):
    op = Gather(IntTensor(np.array(index, dtype=np.int64)))
    assert refusal(op, ((4,), IntType(0, 1))) == message
