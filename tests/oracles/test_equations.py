"""What the oracles share, against hand-made cases and NumPy's float32; nothing of intinfer takes part."""

from __future__ import annotations

import operator
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracles.equations import BatchNorm, bitshift, convolution, float32_level, multiplex, ternary_weights, tgap
from oracles.float32 import round_float32, sqrt_float32

F = Fraction
EPS = 1e-5  # as a float, what a batch norm stores
LARGEST = float(np.finfo(np.float32).max)
SMALLEST = 2.0**-149

any_float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
positive_float32 = st.floats(width=32, min_value=SMALLEST, max_value=LARGEST)
wide_float64 = st.floats(min_value=-LARGEST, max_value=LARGEST)
arithmetic = st.sampled_from([operator.add, operator.sub, operator.mul, operator.truediv])


# ---------------------------------------------------------------------------------------------- float32


@given(wide_float64)
@example(2.0**24 + 1)
@example(2.0**24 + 3)
@example(SMALLEST / 2)
@example(3 * SMALLEST / 2)
@example(-SMALLEST / 2 - 2.0**-170)
@example(2.0**-126 - 2.0**-150)
@example(LARGEST)
def test_round_float32_is_the_cast_of_numpy(value: float) -> None:
    assert round_float32(F(value)) == F(float(np.float32(value)))


@given(st.floats(width=32, min_value=-(2.0**127), max_value=2.0**127), st.integers(-1, 1))
def test_round_float32_at_and_beside_every_kind_of_tie(value: float, aside: int) -> None:
    above = float(np.nextafter(np.float32(value), np.float32(np.inf)))
    middle = (F(value) + F(above)) / 2
    even = F(value) if int(np.float32(value).view(np.uint32)) % 2 == 0 else F(above)
    beside = middle + aside * F(1, 2**400)
    assert round_float32(beside) == {-1: F(value), 0: even, 1: F(above)}[aside]


@settings(max_examples=300)
@given(any_float32, any_float32, arithmetic)
def test_round_float32_of_an_exact_result_is_the_numpy_operation(a: float, b: float, operation: object) -> None:
    assert callable(operation)
    if operation is operator.truediv and b == 0:
        return
    with np.errstate(over="ignore", under="ignore"):
        expected = float(operation(np.float32(a), np.float32(b)))
    exact = operation(F(a), F(b))
    if np.isinf(expected):
        with pytest.raises(OverflowError, match="is infinite in float32"):
            round_float32(exact)
    else:
        assert round_float32(exact) == F(expected)


def test_round_float32_refuses_the_first_value_that_rounds_to_infinity() -> None:
    halfway = F(2**128) - F(2**103)
    assert round_float32(halfway - F(1, 2**60)) == F(LARGEST)
    with pytest.raises(OverflowError, match=r"^3\.40282e\+38 is infinite in float32$"):
        round_float32(halfway)


@given(positive_float32)
@example(SMALLEST)
@example(LARGEST)
@example(4.0)
def test_sqrt_float32_is_the_square_root_of_numpy(value: float) -> None:
    assert sqrt_float32(F(value)) == F(float(np.sqrt(np.float32(value))))


def test_sqrt_float32_of_every_float_in_one_binade_pair_near_its_ends() -> None:
    for start in (1.0, 2.0, 4.0 - 200 * 2.0**-22):
        value = np.float32(start)
        for _ in range(200):
            assert sqrt_float32(F(float(value))) == F(float(np.sqrt(value)))
            value = np.nextafter(value, np.float32(np.inf))


def test_sqrt_float32_refuses_what_float32_cannot_hold() -> None:
    with pytest.raises(ValueError, match=r"^0\.333333 is not a float32 value$"):
        sqrt_float32(F(1, 3))


# ---------------------------------------------------------------------------------------------- weights


def test_ternary_weights_by_hand() -> None:
    step = np.float32(0.5)
    proxies = np.array([-1, -0.26, -0.25, -0.2, 0, 0.25, np.nextafter(np.float32(0.25), np.float32(1)), 0.75, 1])
    weights, changed = ternary_weights(proxies.astype(np.float32).reshape(9, 1, 1, 1), np.array(step))
    assert weights.shape == (9, 1, 1, 1)
    assert weights.ravel().tolist() == [-1, -1, 0, 0, 0, 0, 1, 1, 1]
    assert changed == 0


@given(positive_float32.filter(lambda s: s < 2.0**120), st.integers(-4, 4))
@example(3 * SMALLEST, 0)
@example(float(np.nextafter(np.float32(2), np.float32(0))), 1)
def test_rounding_the_quotient_never_changes_a_ternary_weight(step: float, steps_aside: int) -> None:
    proxy = np.float32(step) / np.float32(2)
    for _ in range(abs(steps_aside)):
        proxy = np.nextafter(proxy, np.float32(np.sign(steps_aside) * np.inf))
    assert ternary_weights(np.array([proxy, -proxy]), np.array(np.float32(step)))[1] == 0


def test_a_parameter_of_another_dtype_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^step must be float32, got float64$"):
        ternary_weights(np.zeros(1, np.float32), np.array(1.0))
    with pytest.raises(TypeError, match=r"^weight must be float32, got float64$"):
        ternary_weights(np.zeros(1), np.array(1, np.float32))


# ------------------------------------------------------------------------------------- integer operations


def test_convolution_of_one_tap_reads_the_neighbour_it_names() -> None:
    x = np.arange(1, 7).reshape(1, 1, 2, 3)
    weight = np.zeros((1, 1, 3, 3), np.int64)
    weight[0, 0, 0, 2] = 1
    assert convolution(x, weight)[0, 0].tolist() == [[0, 0, 0], [2, 3, 0]]
    assert convolution(x, -weight)[0, 0].tolist() == [[0, 0, 0], [-2, -3, 0]]


def test_convolution_of_all_taps_sums_the_window_with_zeros_around() -> None:
    x = np.arange(1, 7).reshape(1, 1, 2, 3)
    assert convolution(x, np.ones((1, 1, 3, 3), np.int64))[0, 0].tolist() == [[12, 21, 16], [12, 21, 16]]


def test_convolution_in_groups_keeps_the_groups_apart() -> None:
    x = np.array([1, 10, 100, 1000]).reshape(1, 4, 1, 1)
    weight = np.array([[1, 1], [1, -1], [1, 1], [0, -1]]).reshape(4, 2, 1, 1)
    assert convolution(x, weight, groups=2).ravel().tolist() == [11, -9, 1100, -1000]
    with pytest.raises(ValueError, match=r"^4 channels in 1 groups do not fit weights \(4, 2, 1, 1\)$"):
        convolution(x, weight)


def test_convolution_with_a_stride_starts_at_the_corner_of_its_padding() -> None:
    x = np.arange(20).reshape(1, 1, 4, 5)
    corner = np.zeros((1, 1, 3, 3), np.int64)
    corner[0, 0, 0, 0] = 1
    assert convolution(x, corner, stride=2, pads=((0, 1), (1, 1)))[0, 0].tolist() == [[0, 1, 3], [0, 11, 13]]
    assert convolution(x, corner, stride=2, pads=((1, 1), (1, 1)))[0, 0].tolist() == [[0, 0, 0], [0, 6, 8]]
    full = np.ones((1, 1, 3, 3), np.int64)
    assert convolution(x, full, stride=2, pads=((0, 1), (1, 1)))[0, 0].tolist() == [[33, 63, 51], [52, 87, 64]]


def test_convolution_with_a_kernel_of_the_whole_map_gives_one_sum() -> None:
    x = np.arange(12).reshape(1, 2, 2, 3)
    weight = np.array([[[[1, 0, 0], [0, 0, -1]]], [[[0, 1, 0], [0, 1, 0]]]])
    assert convolution(x, weight, groups=2, pads=((0, 0), (0, 0))).tolist() == [[[[0 - 5]], [[7 + 10]]]]


def test_bitshift_is_the_floor_of_half_the_sum_and_or_for_one_bit() -> None:
    a, b = np.meshgrid(np.arange(8), np.arange(8))
    assert np.array_equal(bitshift(a, b, 3), np.floor(a / 2 + b / 2))
    assert bitshift(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 1).tolist() == [0, 1, 1, 1]


def test_tgap_is_strict_at_half_the_range() -> None:
    # N = 3 on 1x2 maps: the sum must exceed 3
    x = np.array([[3, 0], [3, 1], [0, 2], [3, 3]]).reshape(1, 4, 1, 2)
    assert tgap(x, 2).tolist() == [[0, 1, 0, 1]]


def test_multiplex_takes_one_where_the_bit_is_set() -> None:
    one, zero = np.full((1, 2, 1, 2), 7), np.full((1, 2, 1, 2), 2)
    assert multiplex(np.array([[0, 1]]), one, zero)[0].tolist() == [[[2, 2]], [[7, 7]]]


# --------------------------------------------------------------------------- batch norm and quantiser


def test_levels_of_a_dyadic_batch_norm_by_hand() -> None:
    # sqrt(3.75 + 0.25) = 2, alpha = 1/8, beta' = 1/2 - 4/8 = 0; N = 3: 3z/8 rounds half to even
    norm = BatchNorm(F(1, 4), F(1, 2), F(4), F(15, 4), F(1, 4))
    alpha, beta = norm.folded()
    assert (alpha, beta) == (F(1, 8), 0)
    expected = {-5: 0, 0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3, 100: 3}
    assert {z: float32_level(z, alpha, beta, 2) for z in expected} == expected
    assert {z: norm.rational_level(z, 2) for z in expected} == expected
    assert [float32_level(z, alpha, beta, 1) for z in (-1, 0, 1)] == [0, 0, 1]
    assert [norm.rational_level(z, 1) for z in (-1, 0, 1)] == [0, 0, 1]


def test_a_tie_at_a_half_goes_to_the_even_level() -> None:
    # alpha = 1/2, N = 3: z/2 * 3 = 1.5 at z = 1 -> 2; the mirrored channel 3 - 1.5 -> 2 as well
    up = BatchNorm(F(1), F(0), F(0), F(15, 4), F(1, 4))
    down = BatchNorm(F(-1), F(1), F(0), F(15, 4), F(1, 4))
    for norm, levels in ((up, [0, 0, 2, 3, 3]), (down, [3, 3, 2, 0, 0])):
        assert [float32_level(z, *norm.folded(), 2) for z in range(-1, 4)] == levels
        assert [norm.rational_level(z, 2) for z in range(-1, 4)] == levels


def test_a_zero_gamma_gives_a_constant() -> None:
    norm = BatchNorm(F(0), F(1, 2), F(1000), F(3), F(EPS))
    assert norm.folded() == (0, F(1, 2))
    assert {float32_level(z, *norm.folded(), 3) for z in range(-50, 50)} == {4}
    assert {norm.rational_level(z, 3) for z in range(-50, 50)} == {4}


@settings(max_examples=200)
@given(
    *[st.floats(-8, 8, width=32)] * 3,
    st.floats(0.125, 4096, width=32),
    st.integers(-(2**20), 2**20),
    st.integers(1, 5),
)
def test_float32_levels_are_those_of_numpy_float32(
    gamma: float, beta: float, mean: float, var: float, z: int, k: int
) -> None:
    f = np.float32
    norm = BatchNorm(F(gamma), F(beta), F(mean), F(var), F(EPS))
    with np.errstate(under="ignore"):
        alpha = f(1) / np.sqrt(f(var) + f(EPS)) * f(gamma)
        offset = f(beta) - f(mean) * alpha
        x = f(z) * alpha + offset
        level = int(x > 0) if k == 1 else int(np.rint(np.clip(x, f(0), f(1)) * f(2**k - 1)))
    assert norm.folded() == (F(float(alpha)), F(float(offset)))
    assert float32_level(z, *norm.folded(), k) == level


@settings(max_examples=200)
@given(
    *[st.floats(-8, 8, width=32)] * 3,
    st.floats(0.125, 4096, width=32),
    st.integers(-300, 300),
    st.integers(1, 4),
)
def test_rational_levels_are_those_of_400_digit_decimals(
    gamma: float, beta: float, mean: float, var: float, z: int, k: int
) -> None:
    norm = BatchNorm(F(gamma), F(beta), F(mean), F(var), F(EPS))
    with localcontext(prec=400):
        root = (Decimal(var) + Decimal(EPS)).sqrt()
        x = Decimal(gamma) * (Decimal(z) - Decimal(mean)) / root + Decimal(beta)
        scaled = max(Decimal(0), min(Decimal(1), x)) * (2**k - 1)
        nearest = int(scaled.to_integral_value(ROUND_HALF_EVEN))
    assert norm.rational_level(z, k) == (int(x > 0) if k == 1 else nearest)
