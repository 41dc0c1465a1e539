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

from intinfer.accumulator import Accumulator
from intinfer.ops import Conv2d, Dense, Tgap
from intinfer.tensor import IntTensor
from intinfer_converters.check import bounds
from intinfer_converters.check.bounds import Real
from intinfer_converters.check.checker import judge_levels
from intinfer_converters.evaluator import Primitive
from intinfer_converters.floatnet import Quantise

F = np.float32


def quantiser(bits: int) -> Quantise:
    top = 2**bits - 1
    if bits == 1:
        return Quantise((Primitive("greater", np.zeros(1, dtype=F)),), 0, 1, 1)
    clip = Primitive("clip", np.array([0, 1], dtype=F))
    return Quantise((clip, Primitive("mul", np.array([top], dtype=F)), Primitive("rint")), 0, 1, top)


# ------------------------------------------------------------------------------------------------ sums


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.sampled_from([10, 2**17, 2**24]))
def test_any_order_of_a_float32_sum_is_within_the_bound(seed: int, taps: int, largest: int) -> None:
    rng = np.random.default_rng(seed)
    weight, x = rng.integers(-1, 2, (1, taps)), rng.integers(-largest, largest + 1, (1, taps))
    bound = bounds.sum_error(Dense(IntTensor(weight), Accumulator.prove(62)), x)
    exact = int((weight * x).sum())
    products = (weight * x).astype(F)[0]
    for order in (products, products[::-1], np.sort(products), rng.permutation(products)):
        serial = F(0)
        for product in order:
            serial = F(serial + product)
        for total in (serial, order.sum()):
            distance = abs(int(total) - exact)
            assert distance <= (0 if bound is None else bound[0, 0])
    magnitude = int(np.abs(weight * x).sum())
    if bound is not None and magnitude < 2**24:
        assert bound[0, 0] == 0
    if bound is None:
        assert magnitude < 2**24


def test_the_padding_counts_in_the_proof_of_a_convolution() -> None:
    op = Conv2d(IntTensor(np.ones((1, 1, 3, 3), int)), (1, 1), (1, 1, 1, 1), (2**22,), (1, 1), 1, Accumulator.prove(62))
    bound = bounds.sum_error(op, np.zeros((1, 1, 1, 1), np.int64))
    assert bound is not None
    assert bound[0, 0, 0, 0] == bounds.gamma(9) * 8 * 2**22
    assert bounds.sum_error(op, np.zeros((1, 1, 1, 1), np.int64) + 1) is not None


def test_gamma_is_that_of_float32() -> None:
    u = Fraction(1, 2**24)
    for n in (1, 8, 5000):
        exact = n * u / (1 - n * u)
        assert exact <= Fraction(bounds.gamma(n)) <= exact * (1 + Fraction(1, 2**28))


# ------------------------------------------------------------------------------------------ batch norm


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
    names = ("running_mean", "running_var", "weight", "bias")
    mean, var, factor, beta = (getattr(layer, name).numpy() for name in names)
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


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_every_form_of_batch_norm_is_within_the_bound(seed: int) -> None:
    layer = norm(seed)
    x = np.random.default_rng(seed + 1).integers(-(2**20), 2**20, 50)
    real = bounds.batch_norm(Real.exactly(x), layer, np.zeros(1, np.int64))
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


def test_the_mean_of_a_map_is_within_the_bound() -> None:
    x = np.random.default_rng(0).normal(0, 100, (3, 4, 9, 9)).astype(F)
    exact = Real(x.astype(np.float64), np.zeros(x.shape))
    result = bounds.mean(exact, (2, 3))
    for total in (
        x.mean((2, 3)),
        torch.tensor(x).mean((2, 3)).numpy(),
        np.cumsum(x.reshape(3, 4, -1), 2)[:, :, -1] / F(81),
    ):
        assert (np.abs(total - result.value) <= result.error).all()


# --------------------------------------------------------------------------------------------- verdicts


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
    total = error if bits == 1 else error * top + bounds.gamma(1) * (level + error * top) + bounds.SMALLEST
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
    margin, bound = bounds.select_margin(Tgap(7), levels)
    assert (margin[0, 0], bound[0, 0]) == (0, -1)
    wide = np.full((1, 1, 4096, 1), 2**12)
    margin, bound = bounds.select_margin(Tgap(2**13 - 1), wide)
    assert margin[0, 0] == 4096
    assert bound[0, 0] == bounds.gamma(4096) * (2.0 * 2**24 + 4096.0 * (2**13 - 1))
