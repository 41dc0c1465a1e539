"""Weight quantisers against exhaustive searches of small weights, and activation scales against their definition."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.errors import DataError
from intinfer_converters.calibrate.plan import Grid, Point, QuantiserPlan, Sample, choose_levels
from intinfer_converters.calibrate.weights import STEP_BITS, WeightFormat, exact_step

SEEDS = st.integers(0, 10**6)
ROUNDING = 2.0**-STEP_BITS


def error(row, weight, channel):
    real = weight.tensor.values[channel].reshape(-1) * float(weight.scale[channel])
    return ((row - real) ** 2).sum()


def best_error(row, levels):
    """The least squared error of all integer vectors, each with its own best real step."""
    found = [row @ row]
    for q in map(np.array, itertools.product(levels, repeat=len(row))):
        if (q != 0).any() and row @ q > 0:
            found.append(row @ row - (row @ q) ** 2 / (q @ q))
    return min(found)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, name=st.sampled_from(["ternary", "binary"]))
def test_ternary_and_binary_have_the_least_squared_error(seed, name):
    rows = np.random.default_rng(seed).normal(size=(3, 7)) * [[1], [1e-3], [50]]
    weight = WeightFormat(name).quantise(rows.reshape(3, 7, 1, 1))
    for channel, row in enumerate(rows):
        least = best_error(row, (-1, 0, 1) if name == "ternary" else (-1, 1))
        assert error(row, weight, channel) <= least * (1 + 1e-9) + (row @ row) * ROUNDING**2


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, bits=st.integers(2, 8))
def test_k_bit_weights_are_narrow_and_no_worse_than_without_clipping(seed, bits):
    rows = np.random.default_rng(seed).standard_t(3, size=(4, 40))
    weight = WeightFormat(f"int{bits}").quantise(rows)
    top = 2 ** (bits - 1) - 1
    assert (weight.tensor.encoding.name, np.abs(weight.tensor.values).max() <= top) == (f"s{bits}", True)
    for channel, row in enumerate(rows):
        step = np.abs(row).max() / top
        plain = ((row - np.rint(row / step) * step) ** 2).sum()
        assert error(row, weight, channel) <= plain * 1.001 + (row @ row) * ROUNDING**2


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_two_bits_come_close_to_the_least_error_of_ternary(seed):
    rows = np.random.default_rng(seed).normal(size=(3, 7))
    weight = WeightFormat("int2").quantise(rows)
    for channel, row in enumerate(rows):
        assert error(row, weight, channel) <= 1.1 * best_error(row, (-1, 0, 1)) + 1e-6


def test_tertiles_are_those_of_the_layer():
    rows = np.random.default_rng(5).normal(size=(4, 30))
    weight = WeightFormat("ternary", "tertile").quantise(rows)
    ranked = np.sort(rows.reshape(-1))
    position = (len(ranked) - 1) / 3
    low, high = int(position), int(2 * position)
    first = ranked[low] + (position - low) * (ranked[low + 1] - ranked[low])
    second = ranked[high] + (2 * position - high) * (ranked[high + 1] - ranked[high])
    step = abs(first) + abs(second)
    np.testing.assert_array_equal(weight.tensor.values, np.clip(np.rint(rows / step), -1, 1))
    for row, q, scale in zip(rows, weight.tensor.values, weight.scale, strict=True):
        assert float(scale) == pytest.approx((row @ q) / (q @ q), rel=ROUNDING)


def test_channels_of_zeros_stay_zero():
    for name in ("ternary", "int4", "int8"):
        weight = WeightFormat(name).quantise(np.array([[0.0, 0.0], [1.0, -0.25]]))
        assert (weight.tensor.values[0] == 0).all()
        assert weight.scale[0] == 1


@given(step=st.floats(1e-30, 1e30))
def test_steps_have_few_significant_bits(step):
    exact = exact_step(step)
    assert abs(exact - Fraction(step)) <= Fraction(step) * Fraction(ROUNDING)
    odd = exact.numerator
    while odd % 2 == 0:
        odd //= 2
    assert odd < 2**STEP_BITS
    assert exact.denominator & (exact.denominator - 1) == 0


def test_unknown_formats_are_refused():
    with pytest.raises(DataError, match=r"weights 'int9' are unknown: allowed are ternary, binary and int2 \.\. int8"):
        WeightFormat("int9")
    with pytest.raises(DataError, match="weight step 'median' is unknown"):
        WeightFormat("ternary", "median")
    with pytest.raises(DataError, match="tertile is defined for ternary weights, not for binary"):
        WeightFormat("binary", "tertile")
    with pytest.raises(DataError, match="1 of 2 weights are not finite"):
        WeightFormat("int8").quantise(np.array([[1.0, np.nan]]))
    with pytest.raises(DataError, match="makes every weight of the layer 0; use the weight step lsq"):
        WeightFormat("ternary", "tertile").quantise(np.array([[1.0, 1.0, 1.0, 1.0]]))


# ------------------------------------------------------------------------------------------- activation scales


def plan_of(*groups, signed=(), of_input=(), equal=()):
    points = {name: Point(name in signed, name in of_input) for group in groups for name in group}
    return QuantiserPlan(points, groups=[frozenset(group) for group in groups], equal=set(equal))


def values(seed, spread=1.0):
    return (np.random.default_rng(seed).laplace(size=(5, 2000)) * spread).astype(np.float32)


def test_percentiles_are_the_outermost_level():
    x = np.abs(values(0))
    for bits, share in ((8, 99.99), (6, 99.99), (5, 99.9), (4, 99.9)):
        levels = choose_levels(plan_of(["a"]), {"a": Sample.of(x)}, bits, "percentile")["a"]
        assert (levels.lo, levels.hi) == (0, 2**bits - 1)
        assert float(levels.scale) * levels.hi == pytest.approx(np.percentile(x, share), rel=2.0**-8)


@pytest.mark.parametrize(("bits", "lo", "hi"), [(8, -128, 127), (3, -4, 3), (2, -2, 1)])
def test_the_mse_search_finds_what_a_finer_one_finds(bits, lo, hi):
    x = values(1).astype(float)
    chosen = choose_levels(plan_of(["a"], signed=["a"]), {"a": Sample.of(x)}, bits, "mse")["a"]
    assert (chosen.lo, chosen.hi) == (lo, hi)

    def loss(scale):
        return ((np.clip(np.rint(x / scale), lo, hi) * scale - x) ** 2).mean()

    assert loss(float(chosen.scale)) <= 1.03 * min(loss(s) for s in np.geomspace(1e-3, 10, 2000))


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_what_meets_in_a_merge_is_powers_of_two_apart(method):
    samples = {"a": Sample.of(values(0)), "b": Sample.of(values(1, 7.3)), "c": Sample.of(values(2, 0.11))}
    chosen = choose_levels(plan_of(["a", "b", "c"], signed="abc"), samples, 8, method)
    for levels in chosen.values():
        ratio = levels.scale / chosen["b"].scale
        assert ratio.numerator == 1
        assert ratio.denominator & (ratio.denominator - 1) == 0
    assert chosen["c"].scale < chosen["a"].scale < chosen["b"].scale
    same = choose_levels(plan_of(["a", "b", "c"], signed="abc", equal="a"), samples, 8, method)
    assert len({levels.scale for levels in same.values()}) == 1


def test_the_input_has_eight_bits_and_is_not_clipped():
    x = np.append(values(3), np.float32(80))
    plan = plan_of(["a"], signed=["a"], of_input=["a"])
    for method in ("percentile", "mse"):
        levels = choose_levels(plan, {"a": Sample.of(x)}, 2, method)["a"]
        assert (levels.lo, levels.hi) == (-128, 127)
        assert round(80 / levels.scale) == 127


def test_one_signed_bit_is_the_sign_times_the_mean_magnitude():
    x = values(4)
    levels = choose_levels(plan_of(["a"], signed=["a"]), {"a": Sample.of(x)}, 1, "percentile")["a"]
    assert (levels.lo, levels.hi, levels.step, levels.count) == (-1, 1, 2, 1)
    assert float(levels.scale) == pytest.approx(np.abs(x).mean(), rel=2.0**-8)
    out = np.array([[-3.0, -0.0, 0.0, 2.0]], dtype=np.float32)
    for primitive in Grid(Fraction(1), -1, 1).chain(np.float32):
        out = primitive.apply(out)
    assert out.tolist() == [[-1, 1, 1, 1]]


def test_values_that_are_all_zero_and_unknown_methods():
    zeros = {"a": Sample.of(np.zeros((2, 2), dtype=np.float32))}
    for method in ("percentile", "mse"):
        assert choose_levels(plan_of(["a"]), zeros, 4, method)["a"].scale == 1
    with pytest.raises(DataError, match="activation range 'max' is unknown: allowed are percentile and mse"):
        choose_levels(plan_of(["a"]), zeros, 4, "max")
