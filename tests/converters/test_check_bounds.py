"""The error bounds of `check` hold for every order of roundings, and their edges are sharp."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.graph import Value
from intinfer.ops import Tgap
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from intinfer_converters import float_error
from intinfer_converters.check.comparisons import judge_levels
from intinfer_converters.check.levels import Reals
from intinfer_converters.evaluator import chain_before, chain_error
from intinfer_converters.float_error import FLOAT32, Real
from intinfer_converters.floatnet import Dense, FloatNetBuilder, Pixels, Pointwise, Quantise, QuantisedWeight
from intinfer_converters.lowered import Lowered
from intinfer_converters.primitives import KINDS, primitive

F = np.float32


def quantiser(bits: int) -> Quantise:
    top = 2**bits - 1
    if bits == 1:
        return Quantise((primitive("greater", np.zeros(1, dtype=F)),), 0, 1, 1)
    clip = primitive("clip", np.array([0, 1], dtype=F))
    return Quantise((clip, primitive("mul", np.array([top], dtype=F)), primitive("rint")), 0, 1, top)


# ------------------------------------------------------------------------------------------------ sums


def weighted(op: Any, shape: tuple[int, ...], x: np.ndarray, z: np.ndarray, scale: Fraction = Fraction(1)) -> Real:
    """The real value of a conv or dense layer whose sums are z, on integers x times a scale."""
    builder = FloatNetBuilder(F)
    builder.add("x", Pixels(shape, int(x.min()), int(x.max())))
    builder.add("y", op, "x")
    net = builder.finish({"y": "y"}, None)
    meanings = {
        "x": Lowered(Value("x", shape, IntType(int(x.min()), int(x.max()))), scale=(scale,)),
        "y": Lowered(Value("y", net.nodes[1].shape, IntType(-(2**62), 2**62)), scale=(scale * op.weight.scale[0],)),
    }
    return Reals(net, meanings, {}).batch({"x": x, "y": z}).of("y")


def integer_weight(values: np.ndarray, scale: Fraction = Fraction(1)) -> QuantisedWeight:
    return QuantisedWeight(IntTensor(values), (scale,))


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.sampled_from([10, 2**17, 2**24]))
def test_any_order_of_a_float32_sum_is_within_the_bound(seed: int, taps: int, largest: int) -> None:
    rng = np.random.default_rng(seed)
    weight, x = rng.integers(-1, 2, (1, taps)), rng.integers(-largest, largest + 1, (1, taps))
    exact = int((weight * x).sum())
    real = weighted(Dense(integer_weight(weight)), (taps,), x, np.array([[exact]]))
    products = (weight * x).astype(F)[0]
    for order in (products, products[::-1], np.sort(products), rng.permutation(products)):
        serial = F(0)
        for product in order:
            serial = F(serial + product)
        for total in (serial, order.sum()):
            assert abs(int(total) - exact) <= real.error[0, 0]
    if int(np.abs(weight * x).sum()) < 2**24:
        assert real.error[0, 0] == 0


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_a_float_convolution_with_scales_and_bias_is_within_the_bound(seed: int, taps: int) -> None:
    """Rounded levels and rounded weights, products and sums in float32, in any order, the bias first or last."""
    rng = np.random.default_rng(seed)
    scale, unit = (Fraction(float(F(n))) for n in 10.0 ** rng.uniform(-4, 2, 2))
    q, levels = rng.integers(-127, 128, (1, taps)), rng.integers(0, 256, (1, taps))
    bias = F(rng.normal(0, 100))
    z = int((q * levels).sum())
    op = Dense(integer_weight(q, scale), (Fraction(float(bias)),))
    real = weighted(op, (taps,), levels, np.array([[z]]), unit)
    # the source reads its levels as rounded floats: that error comes from the node before
    builder = FloatNetBuilder(F)
    builder.add("x", Pixels((taps,), 0, 255))
    builder.add("s", Pointwise((primitive("mul", np.array([unit], dtype=F)),)), "x")
    builder.add("y", op, "s")
    meanings = {
        "x": Lowered(Value("x", (taps,), IntType(0, 255))),
        "s": Lowered(Value("x", (taps,), IntType(0, 255)), scale=(unit,)),
        "y": Lowered(
            Value("y", (1,), IntType(-(2**62), 2**62)), scale=(scale * unit,), offset=(Fraction(float(bias)),)
        ),
    }
    net = builder.finish({"y": "y"}, None)
    whole = Reals(net, meanings, {}).batch({"x": levels, "y": np.array([[z]])}).of("y")
    assert whole.error[0, 0] >= real.error[0, 0]
    exact = scale * unit * z + Fraction(float(bias))
    products = (q.astype(F) * F(float(scale)) * (levels.astype(F) * F(float(unit))))[0]
    for order in (products, rng.permutation(products), np.sort(products)):
        first, last = bias, F(0)
        for product in order:
            first, last = F(first + product), F(last + product)
        for result in (first, F(last + bias), F(order.sum() + bias)):
            assert abs(Fraction(float(result)) - exact) <= Fraction(float(whole.error[0, 0]))
    assert whole.error[0, 0] <= 1e-6 * (taps + 8) * (
        float(scale * unit) * int(np.abs(q * levels).sum()) + abs(float(bias)) + 1e-30
    )


def test_gamma_is_that_of_float32() -> None:
    u = Fraction(1, 2**24)
    for n in (1, 8, 5000):
        exact = n * u / (1 - n * u)
        assert exact <= Fraction(FLOAT32.gamma(n)) <= exact * (1 + Fraction(1, 2**28))


# ------------------------------------------------------------------------------------------ batch norm


NAMES = ("running_mean", "running_var", "weight", "bias")


def norm(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    values = {
        "running_mean": rng.normal(0, 10.0 ** rng.integers(-3, 5)),
        "running_var": 10.0 ** rng.uniform(-8, 8) * rng.integers(0, 2),
        "weight": rng.normal(0, 10.0 ** rng.integers(-4, 3)),
        "bias": rng.normal(0, 10.0 ** rng.integers(-3, 3)),
    }
    tensors = {key: torch.tensor([value], dtype=torch.float32) for key, value in values.items()}
    return SimpleNamespace(eps=1e-5, affine=True, **tensors)


def forms(x: np.ndarray, layer: Any) -> list[np.ndarray]:
    """Batch norm in float32 as frameworks write it: unfolded, folded, and folded with a fused multiply-add."""
    mean, var, factor, beta = (getattr(layer, name).numpy() for name in NAMES)
    inverse = F(1) / np.sqrt(var + F(layer.eps))
    alpha = inverse * factor
    shift = beta - mean * alpha
    wide = np.float64
    fused_shift = (beta.astype(wide) - mean.astype(wide) * alpha).astype(F)
    return [
        (x - mean) * inverse * factor + beta,
        (x - mean) * alpha + beta,
        (x - mean) / np.sqrt(var + F(layer.eps)) * factor + beta,
        x * alpha + shift,
        (x.astype(wide) * alpha + shift).astype(F),
        (x.astype(wide) * alpha + fused_shift).astype(F),
        torch.nn.functional.batch_norm(
            torch.tensor(x.reshape(1, 1, -1)), layer.running_mean, layer.running_var, layer.weight, layer.bias,
            eps=layer.eps,
        ).numpy().reshape(-1),
    ]  # fmt: skip


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1))
def test_a_chain_of_batch_norm_bounds_every_form_of_it(seed: int) -> None:
    """The chain that ONNX' batch norm is read as, against the forms that a runtime may compute."""
    layer = norm(seed)
    x = np.random.default_rng(seed + 1).integers(-(2**20), 2**20, 50)
    mean, var, factor, beta = (getattr(layer, name).numpy() for name in NAMES)
    root = np.sqrt(var + F(layer.eps))
    operands = (("sub", mean), ("div", root), ("mul", factor), ("add", beta))
    real = chain_error(
        Real.exactly(x.reshape(-1, 1)), tuple(primitive(k, o) for k, o in operands), np.zeros(1, np.int64)
    )
    for result in forms(x.astype(F), layer):
        assert (np.abs(result.astype(np.longdouble) - real.value[:, 0]) <= real.error[:, 0]).all()


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_every_form_of_batch_norm_is_within_the_bound(seed: int) -> None:
    layer = norm(seed)
    x = np.random.default_rng(seed + 1).integers(-(2**20), 2**20, 50)
    numbers = (getattr(layer, name).numpy().astype(np.float64) for name in NAMES)
    real = float_error.batch_norm(Real.exactly(x), float_error.Norm(*numbers, layer.eps), np.zeros(1, np.int64))
    mean, var, factor, beta = (
        Fraction(float(getattr(layer, name)[0])) for name in ("running_mean", "running_var", "weight", "bias")
    )
    spread = np.longdouble(float(var)) + np.longdouble(layer.eps)
    exact = (x.astype(np.longdouble) - float(mean)) * np.longdouble(float(factor)) / np.sqrt(spread) + float(beta)
    assert (np.abs(real.value - exact) <= real.error).all()
    for result in forms(x.astype(F), layer):
        assert result.dtype == F
        assert (np.abs(result.astype(np.longdouble) - exact) <= real.error).all()
    assert (real.error <= 1e-6 * (np.abs(x) + abs(float(mean))) * abs(float(factor)) / np.sqrt(float(spread)) + 1e-6 * (
        abs(float(beta)) + 1
    )).all()  # fmt: skip


def test_a_chain_on_a_grid_of_powers_of_two_is_exact_until_24_bits_are_full() -> None:
    eighth = (primitive("mul", np.array([0.125], dtype=F)), primitive("add", np.array([3.5], dtype=F)))
    for largest, exact in ((2**20, True), (2**24, False)):
        real = chain_error(Real.exactly(np.array([[1, largest]])), eighth, np.zeros((1, 1), np.int64))
        assert bool(real.grid > 0) is exact
        assert real.error[0, 0] == 0
        assert bool(real.error[0, 1] == 0) is exact
    tenth = chain_error(Real.exactly(np.array([[7]])), (primitive("mul", np.array([0.1], dtype=F)),), np.zeros(1, int))
    assert tenth.grid == 0
    assert 0 < tenth.error[0, 0] <= 0.7 * 2.0**-23


@pytest.mark.parametrize("kind", [k for k, cls in KINDS.items() if cls.jumps and k != "count"])
@pytest.mark.parametrize("tail", [(), (("add", 3.0),), (("sub", -2.0), ("clip", (-1.0, 4.0))), (("mul", -2.0),)])
def test_intervals_hold_what_gives_each_level_and_nothing_else(kind: str, tail: Any) -> None:
    operand = np.array([0.75], dtype=F) if kind.startswith(("greater", "less")) else None
    chain = (primitive(kind, operand), *(primitive(k, np.array(np.atleast_1d(c), dtype=F)) for k, c in tail))
    x = np.arange(-48, 49).reshape(1, -1).astype(F) / 8
    levels = x
    for op in chain:
        levels = op.apply(levels)
    for level in np.unique(levels):
        low, high = chain_before(chain, np.array([float(level)]), np.zeros(1, np.int64))
        inside = x[levels == level]
        assert low[0] <= inside.min()
        assert inside.max() <= high[0]
        open_ = x[(x > low[0]) & (x < high[0])]
        assert np.array_equal(open_, inside[(inside > low[0]) & (inside < high[0])])


def test_intervals_of_a_count_are_between_thresholds() -> None:
    chain = (primitive("count", np.array([[3, -1, 3], [0, 1, 2]], dtype=F)), primitive("sub", np.array([1.0], dtype=F)))
    low, high = chain_before(chain, np.array([-1.0, 0, 1, 2, 2, -1]), np.array([0, 0, 0, 0, 1, 1]))
    assert low.tolist() == [-np.inf, -1, 3, 3, 2, -np.inf]
    assert high.tolist() == [-1, 3, 3, np.inf, np.inf, 0]


def test_the_mean_of_a_map_is_within_the_bound() -> None:
    x = np.random.default_rng(0).normal(0, 100, (3, 4, 9, 9)).astype(F)
    exact = Real.exactly(x, 0.0)
    result = float_error.mean(exact, (2, 3))
    for total in (
        x.mean((2, 3)),
        torch.tensor(x).mean((2, 3)).numpy(),
        np.cumsum(x.reshape(3, 4, -1), 2)[:, :, -1] / F(81),
    ):
        assert (np.abs(total - result.value) <= result.error).all()


# --------------------------------------------------------------------------------------------- judgements


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("level", [1, -1])
def test_a_level_is_a_tie_just_inside_the_bound_and_a_mismatch_just_outside(bits: int, level: int) -> None:
    """The exact value stands beside the boundary below `level`; the source has the level across it."""
    op = quantiser(bits)
    level = level % 2**bits
    top = op.count
    boundary = 0.0 if bits == 1 else (level - 0.5) / top
    error = 2.0**-12
    # behind the clip, the product with N is one rounding more
    total = error if bits == 1 else error * top + FLOAT32.gamma(1) * (level + error * top) + FLOAT32.smallest
    for sign, (model, source) in ((1, (level, level - 1)), (-1, (level - 1, level))):
        for inside in (True, False):
            off = total * (1 - 2.0**-10 if inside else 1 + 2.0**-10)
            value = boundary + sign * off / (1 if bits == 1 else top)
            real = Real(np.array([value]), np.array([error]))
            levels = [np.array([float(number)]) for number in (model, source)]
            verdict = judge_levels(op, real, levels[0], levels[1], np.zeros(1, np.int64))
            assert bool(verdict.distance[0] <= verdict.bound[0]) is inside
            assert verdict.boundary is not None
            assert verdict.boundary[0] == pytest.approx(boundary * (1 if bits == 1 else top))


@pytest.mark.parametrize("source", [4.0, -1.0, 1.5, np.nan, np.inf])
def test_what_is_no_level_is_never_a_tie(source: float) -> None:
    real = Real(np.array([1.0]), np.array([100.0]))
    verdict = judge_levels(quantiser(2), real, np.array([3.0]), np.array([source]), np.zeros(1, np.int64))
    assert not verdict.distance[0] <= verdict.bound[0]


def test_two_levels_apart_is_a_tie_only_when_the_bound_reaches_both() -> None:
    real = Real(np.array([0.5]), np.array([0.1]))  # 1.5 +- 0.3 of 0..3: levels 1 and 2
    pairs = {(0, 3): False, (1, 2): True, (0, 1): False, (1, 1): True, (3, 2): False}
    for (model, source), expected in pairs.items():
        verdict = judge_levels(
            quantiser(2), real, np.array([float(model)]), np.array([float(source)]), np.zeros(1, np.int64)
        )
        assert bool(verdict.distance[0] <= verdict.bound[0]) is expected, (model, source)


def test_a_select_bit_at_equality_is_never_explained_while_the_sum_is_exact() -> None:
    levels = np.array([[[[7, 0]]]])
    margin, bound = float_error.select_margin(Tgap(7), levels)
    assert (margin[0, 0], bound[0, 0]) == (0, -1)
    wide = np.full((1, 1, 4096, 1), 2**12)
    margin, bound = float_error.select_margin(Tgap(2**13 - 1), wide)
    assert margin[0, 0] == 4096
    assert bound[0, 0] == FLOAT32.gamma(4096) * (2.0 * 2**24 + 4096.0 * (2**13 - 1))
