"""Any order of elements, against NumPy's and PyTorch's definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


@given(st.data())
def test_padding_cropping_and_repeating_of_any_extent(data):
    """A border, a crop with steps and nearest neighbours one after another, as one gather, against NumPy's own."""
    shape = data.draw(st.tuples(*[st.integers(1, 4)] * 3))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-9, 10, (2, *shape))
    widths = data.draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 3))
    starts = [data.draw(st.integers(0, sum(w) + n - 1)) for w, n in zip(widths, shape, strict=True)]
    crop = tuple(slice(start, None, data.draw(st.integers(1, 3))) for start in starts)
    rows, columns, fill = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), data.draw(st.integers(-20, 20))
    places = np.pad(np.arange(x[0].size).reshape(shape), widths, constant_values=-1)
    index = places[crop].repeat(rows, 1).repeat(columns, 2)
    padded = np.pad(x, ((0, 0), *widths), constant_values=fill)[:, *crop]
    got = check_op(gather(index, fill), [(x, IntType(-9, 9))], padded.repeat(rows, 2).repeat(columns, 3))
    assert got == (IntType(min(-9, fill), max(9, fill)) if (index < 0).any() else IntType(-9, 9))


@given(st.data())
def test_any_order_equals_take(data):
    shape = data.draw(st.one_of(st.tuples(st.integers(1, 9)), st.tuples(*[st.integers(1, 4)] * 3)))
    x = np.random.default_rng(1).integers(-(2**40), 2**40, (3, *shape))
    flat = x.reshape(3, -1)
    index = np.array(data.draw(st.lists(st.integers(0, flat.shape[1] - 1), min_size=1, max_size=20)))
    check_op(gather(index), [(x, IntType(-(2**40), 2**40))], np.take(flat, index, axis=1))


@pytest.mark.parametrize("factor", [2, 3])
def test_depth_to_space_and_back_are_pixel_shuffles_of_torch(factor):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    deep = np.random.default_rng(2).integers(-99, 100, (2, 2 * factor**2, 3, 2))
    places = torch.arange(deep[0].size).reshape(deep.shape[1:]).float()
    wide = functional.pixel_shuffle(torch.from_numpy(deep).float(), factor).long().numpy()
    down = places.reshape(2, 3 * factor, 2 * factor)
    for x, expected, index in (
        (deep, wide, places.reshape(2, factor, factor, 3, 2).permute(0, 3, 1, 4, 2).reshape(down.shape)),
        (wide, deep, down.reshape(2, 3, factor, 2, factor).permute(0, 2, 4, 1, 3).reshape(places.shape)),
    ):
        check_op(gather(index.long().numpy()), [(x, IntType(-99, 99))], expected)
    assert np.array_equal(functional.pixel_unshuffle(torch.from_numpy(wide), factor).numpy(), deep)


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


def test_a_constant_beyond_all_values_is_refused_even_where_it_is_not_used():
    message = f"IntType {2**62 + 1}..{2**62 + 1} leaves ±2^62: narrow the values with a threshold, requant or clamp"
    assert refusal(gather([0], 2**62 + 1), ((1,), IntType(0, 1))) == message
