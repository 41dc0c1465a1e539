"""The float executor against sums written out as loops in float64."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.errors import DataError
from intinfer_converters import floatnet as f
from intinfer_converters.calibrate import execute, run_float
from intinfer_converters.floatnet import base
from intinfer_converters.primitives import primitive

F32 = np.float32


def net_of(op, shape, *more, dtype=F32):
    """Pixels -> op -> more ops, one behind the other."""
    builder = f.FloatNetBuilder(dtype)
    name = builder.add("image", f.Pixels(shape, -9, 9))
    for number, each in enumerate((op, *more)):
        name = builder.add(f"op{number}", each, *[name] * (2 if isinstance(each, f.Sum | f.Concatenate) else 1))
    return builder.finish({"out": name}, None)


def images_of(shape, count=3, seed=0):
    return np.random.default_rng(seed).integers(-9, 10, (count, *shape))


def windows(x, kernel, stride, pads, dilation, border):
    """(n, c, oy, ox) -> the window's values, with `border` outside the map."""
    top, left, bottom, right = pads
    _, _, height, width = x.shape
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    rows = (height + top + bottom - reach[0]) // stride[0] + 1
    columns = (width + left + right - reach[1]) // stride[1] + 1
    for n, c, oy, ox in itertools.product(range(len(x)), range(x.shape[1]), range(rows), range(columns)):
        found = np.full(kernel, border, dtype=float)
        for ky, kx in itertools.product(range(kernel[0]), range(kernel[1])):
            y, z = oy * stride[0] + ky * dilation[0] - top, ox * stride[1] + kx * dilation[1] - left
            if 0 <= y < height and 0 <= z < width:
                found[ky, kx] = x[n, c, y, z]
        yield (n, c, oy, ox), found


@st.composite
def geometries(draw):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = draw(pair), draw(st.tuples(st.integers(1, 2), st.integers(1, 2))), draw(pair)
    pads = draw(st.tuples(*[st.integers(0, 2)] * 4))
    return kernel, stride, pads, dilation


@settings(max_examples=40, deadline=None)
@given(geometry=geometries(), groups=st.sampled_from([1, 2, 4]), seed=st.integers(0, 99))
def test_convolutions_are_the_sums_of_their_windows(geometry, groups, seed):
    kernel, stride, pads, dilation = geometry
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(4, 4 // groups, *kernel)).astype(F32)
    bias = tuple(Fraction(int(b), 4) for b in rng.integers(-9, 9, 4))
    net = net_of(f.Conv(f.RealWeight(weight), stride, pads, dilation, groups, bias), (4, 8, 7))
    x = images_of((4, 8, 7), seed=seed)
    got = run_float(net, x)["op0"]
    expected = np.zeros(got.shape) + np.array([float(b) for b in bias]).reshape(1, 4, 1, 1)
    per_group = 4 // groups
    for (n, c, y, z), values in windows(x, kernel, stride, pads, dilation, 0):
        for o in range(c // per_group * per_group, (c // per_group + 1) * per_group):
            expected[n, o, y, z] += (weight[o, c % per_group].astype(float) * values).sum()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)
    assert got.dtype == F32


@settings(max_examples=30, deadline=None)
@given(geometry=geometries(), seed=st.integers(0, 99))
def test_pools_are_maximum_and_mean_of_their_windows(geometry, seed):
    kernel, stride, pads, dilation = geometry
    pads = tuple(min(p, k - 1) for p, k in zip(pads, (*kernel, *kernel), strict=True))
    x = images_of((2, 8, 7), seed=seed)
    got = run_float(net_of(f.MaximumPool(kernel, stride, pads, dilation), (2, 8, 7)), x)["op0"]
    for at, values in windows(x, kernel, stride, pads, dilation, -np.inf):
        assert got[at] == values.max()
    got = run_float(net_of(f.AveragePool(kernel, stride, pads), (2, 8, 7)), x)["op0"]
    for at, values in windows(x, kernel, stride, pads, (1, 1), 0):
        assert got[at] == pytest.approx(values.mean(), abs=1e-5)


def test_more_images_than_the_columns_may_take_give_the_same_sums(monkeypatch):
    weight = np.random.default_rng(1).normal(size=(3, 2, 3, 3)).astype(F32)
    net = net_of(f.Conv(f.RealWeight(weight), (1, 1), (1, 1, 1, 1), (1, 1), 1), (2, 5, 5))
    x = images_of((2, 5, 5), 7)
    at_once = run_float(net, x)["op0"]
    monkeypatch.setattr(base, "COLUMN_BYTES", 1)
    monkeypatch.setattr(execute, "BATCH_BYTES", 3 * execute.live_bytes(net))
    np.testing.assert_allclose(run_float(net, x)["op0"], at_once, rtol=1e-6)


def test_chains_round_in_the_dtype_of_the_net():
    chain = (primitive("mul", np.array([1 / 3, 0.1], dtype=F32)), primitive("clip", np.array([0, np.inf], dtype=F32)))
    x = images_of((2, 4, 4))
    got = run_float(net_of(f.Pointwise(chain), (2, 4, 4)), x)["op0"]
    expected = np.maximum(x.astype(F32) * chain[0].operand.reshape(1, 2, 1, 1), F32(0))
    np.testing.assert_array_equal(got, expected)


def test_ops_without_weights_do_what_they_say():
    x = images_of((2, 4, 4)).astype(float)

    def run(*ops):
        return next(iter(run_float(net_of(ops[0], (2, 4, 4), *ops[1:]), x.astype(np.int64)).values()))

    np.testing.assert_array_equal(run(f.Sum((1, -1))), 0 * x)
    np.testing.assert_array_equal(run(f.Sum()), 2 * x)
    np.testing.assert_array_equal(run(f.Concatenate()), np.concatenate([x, x], axis=1))
    np.testing.assert_array_equal(run(f.SelectChannels((1, 1, 0))), x[:, [1, 1, 0]])
    np.testing.assert_allclose(run(f.GlobalAverage()), x.mean(axis=(2, 3)), atol=1e-6)
    np.testing.assert_array_equal(run(f.GlobalSum()), x.sum(axis=(2, 3)))
    np.testing.assert_array_equal(run(f.FlattenMap()), x.reshape(3, 32))
    gathered = run(f.Gather((3,), np.array([31, -1, 0]), Fraction(5, 2)))
    np.testing.assert_array_equal(gathered, np.stack([x[:, 1, 3, 3], np.full(3, 2.5), x[:, 0, 0, 0]], axis=1))
    weight = f.RealWeight(np.arange(64, dtype=F32).reshape(2, 32))
    np.testing.assert_allclose(run(f.FlattenMap(), f.Dense(weight)), x.reshape(3, 32) @ weight.values.T, rtol=1e-6)


def test_taps_give_the_nodes_asked_for():
    net = net_of(f.GlobalAverage(), (2, 4, 4))
    x = images_of((2, 4, 4))
    found = run_float(net, x, taps=["image"])
    assert set(found) == {"image", "op0"}
    np.testing.assert_array_equal(found["image"], x)
    with pytest.raises(DataError, match="no node 'nowhere' to tap"):
        run_float(net, x, taps=["nowhere"])


def test_images_that_do_not_fit_are_refused():
    net = net_of(f.GlobalAverage(), (2, 4, 4))
    with pytest.raises(DataError, match=r"shape \(3, 2, 4, 5\) and dtype int64 do not fit the input"):
        run_float(net, images_of((2, 4, 5)))
    with pytest.raises(DataError, match="dtype float64 do not fit"):
        run_float(net, images_of((2, 4, 4)).astype(float))
    with pytest.raises(DataError, match=r"images hold the values -9..10; the input takes -9..9"):
        run_float(net, np.concatenate([images_of((2, 4, 4)), np.full((1, 2, 4, 4), 10)]))
    bad = net_of(f.Pointwise((primitive("mul", np.array([3e38], dtype=F32)),)), (2, 4, 4))
    with pytest.raises(DataError, match="op0: the float network gives values that are not finite"):
        run_float(bad, images_of((2, 4, 4)))
