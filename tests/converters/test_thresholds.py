"""Thresholds against rationals and against the activation itself, at every z of small ranges."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.errors import IntinferError
from intinfer.types import IntType
from intinfer_converters.evaluator import round_to_float
from intinfer_converters.primitives import primitive
from intinfer_converters.thresholds import Activation, LevelCode, find_thresholds

F32 = np.float32


def batch_norm_qrelu(alpha, beta, bits):
    """The chain of batch norm in torch's form and QReLU(bits)."""
    head = (primitive("mul", np.array(alpha, dtype=F32)), primitive("add", np.array(beta, dtype=F32)))
    if bits == 1:
        return (*head, primitive("greater", np.zeros(1, dtype=F32)))
    unit = primitive("clip", np.array([0, 1], dtype=F32))
    return (*head, unit, primitive("mul", np.array([2**bits - 1], dtype=F32)), primitive("rint"))


def activation(alpha, beta, bits, scale=Fraction(1), offset=Fraction(0)):
    return Activation(batch_norm_qrelu(alpha, beta, bits), (scale,), (offset,), F32, LevelCode(0, 1, 2**bits - 1))


def rational_level(z, alpha, beta, bits):
    """No rounding anywhere: the level of exact arithmetic, ties half to even."""
    x = Fraction(float(F32(alpha))) * z + Fraction(float(F32(beta)))
    if bits == 1:
        return int(x > 0)
    return round(min(max(x, Fraction(0)), Fraction(1)) * (2**bits - 1))


def float32_level(z, alpha, beta, bits, scale=Fraction(1), offset=Fraction(0)):
    """Each operation rounded once to float32, in Python integers only."""

    def rounded(exact):
        return Fraction(round_to_float(exact, F32))

    x = rounded(scale * z + offset)
    x = rounded(rounded(x * Fraction(float(F32(alpha)))) + Fraction(float(F32(beta))))
    if bits == 1:
        return int(x > 0)
    return round(rounded(min(max(x, Fraction(0)), Fraction(1)) * (2**bits - 1)))


def levels_of(op, z):
    return op.reference(np.asarray(z, dtype=np.int64)[None])[0]


def all_z(type_, channels):
    return np.tile(np.arange(type_.lo, type_.hi + 1), (channels, 1))


dyadic = st.integers(-64, 64).map(lambda i: i / 256)


@given(st.lists(st.tuples(dyadic, dyadic), min_size=1, max_size=6), st.sampled_from([1, 2, 3, 4, 5, 7, 8]))
def test_dyadic_parameters_equal_rationals_at_every_z(parameters, bits):
    """Small dyadic numbers make every float32 step but the last product exact; N*x of a tie is exact too."""
    type_ = IntType(-150, 170)
    alpha, beta = zip(*parameters, strict=True)
    op = find_thresholds(activation(alpha, beta, bits), type_, len(alpha))
    z = all_z(type_, len(alpha))
    got = levels_of(op, z)
    for c in range(len(alpha)):
        assert got[c].tolist() == [rational_level(v, alpha[c], beta[c], bits) for v in z[c].tolist()]


@given(
    st.lists(
        st.tuples(st.floats(-0.5, 0.5, width=32), st.floats(-4, 4, width=32)),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 8),
    st.sampled_from([Fraction(1), Fraction(1, 10), Fraction(-3, 7)]),
    st.sampled_from([Fraction(0), Fraction(5, 3)]),
)
@settings(max_examples=60)
def test_any_parameters_equal_float32_steps_at_every_z(parameters, bits, scale, offset):
    type_ = IntType(-60, 75)
    alpha, beta = zip(*parameters, strict=True)
    op = find_thresholds(activation(alpha, beta, bits, scale, offset), type_, len(alpha))
    z = all_z(type_, len(alpha))
    got = levels_of(op, z)
    for c in range(len(alpha)):
        expected = [float32_level(v, alpha[c], beta[c], bits, scale, offset) for v in z[c].tolist()]
        assert got[c].tolist() == expected


def test_ties_fall_half_to_even():
    """alpha = 1/7, N = 7: z * 7 / 7 lies on every integer; with beta = 1/14 on every half."""
    bits, alpha, beta = 3, 0.125, 0.0625
    type_ = IntType(-3, 12)
    op = find_thresholds(activation([alpha], [beta], bits), type_, 1)
    expected = [rational_level(z, alpha, beta, bits) for z in range(-3, 13)]
    assert levels_of(op, all_z(type_, 1))[0].tolist() == expected
    half = find_thresholds(
        Activation(
            (primitive("mul", np.array([0.5], dtype=F32)), primitive("rint")), (1,), (0,), F32, LevelCode(-2, 1, 5)
        ),
        IntType(-5, 6),
        1,
    )
    assert levels_of(half, all_z(IntType(-5, 6), 1))[0].tolist() == [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2, 3]


def test_negative_and_zero_gamma():
    type_ = IntType(-9, 9)
    op = find_thresholds(activation([-0.125, 0.0, 0.0, 0.125], [0.5, 0.5, -1.0, 0.5], 2), type_, 4)
    assert op.descending.values.tolist() == [1, 0, 0, 0]
    got = levels_of(op, all_z(type_, 4))
    assert (np.diff(got[0]) <= 0).all()
    assert got[0].max() == 3
    assert set(got[1].tolist()) == {2}  # 0.5 * 3 = 1.5, half to even
    assert set(got[2].tolist()) == {0}
    assert op.thresholds.values[1].tolist() == [-9, -9, 10]
    assert op.thresholds.values[2].tolist() == [10, 10, 10]


def test_one_bit_is_strictly_positive():
    op = find_thresholds(activation([0.5, -0.5], [-1.0, 1.0], 1), IntType(-4, 6), 2)
    assert op.thresholds.values.tolist() == [[3], [1]]
    assert op.descending.values.tolist() == [0, 1]


def test_bipolar_codes_are_base_and_step():
    sign = (
        primitive("greater", np.zeros(1, dtype=F32)),
        primitive("mul", np.array([2], dtype=F32)),
        primitive("sub", np.array([1], F32)),
    )
    op = find_thresholds(Activation(sign, (1,), (0,), F32, LevelCode(-1, 2, 1)), IntType(-3, 3), 1)
    assert levels_of(op, all_z(IntType(-3, 3), 1))[0].tolist() == [-1, -1, -1, -1, 1, 1, 1]


def test_equal_channels_share_one_row():
    op = find_thresholds(activation([0.25] * 5, [0.0] * 5, 2), IntType(0, 9), 5)
    assert op.thresholds.shape == (1, 3)
    assert op.descending.shape == (1,)


@pytest.mark.parametrize("reach", [2**24 + 5, 2**31, 2**40])
def test_sums_beyond_float32_integers_are_rounded_as_the_source_does(reach):
    """Above 2^24 float32(z) is not z: the threshold sits where the rounded value crosses."""
    alpha = float(F32(1 / (3 * reach)))
    op = find_thresholds(activation([alpha], [0.25], 3), IntType(-reach, reach), 1)
    for t in op.thresholds.values[0].tolist():
        points = [z for z in range(t - 3, t + 3) if -reach <= z <= reach]
        expected = [float32_level(z, alpha, 0.25, 3) for z in points]
        assert levels_of(op, [points])[0].tolist() == expected


def test_rational_and_float_thresholds_differ_only_inside_the_error_bound():
    """A threshold moves only when the exact activation there is within the rounding error of its boundary."""
    rng = np.random.default_rng(7)
    channels, bits, moved = 200, 4, 0
    boundary = rng.integers(-40, 40, channels)
    alpha = rng.uniform(0.001, 0.02, channels).astype(F32)
    beta = (F32(0.5) - alpha * boundary.astype(F32)).astype(F32)  # BN boundaries fall on integers
    type_ = IntType(-200, 200)
    op = find_thresholds(activation(alpha, beta, bits), type_, channels)
    top = 2**bits - 1
    for c in range(channels):
        a, b = Fraction(float(alpha[c])), Fraction(float(beta[c]))
        row = np.broadcast_to(op.thresholds.values, (channels, top))[c].tolist()
        for j, t in enumerate(row, start=1):
            exact_t = next((z for z in range(-200, 201) if rational_level(z, alpha[c], beta[c], bits) >= j), 201)
            if exact_t == t:
                continue
            moved += 1
            for z in range(min(t, exact_t), max(t, exact_t)):
                distance = abs((a * z + b) * top - (Fraction(j) - Fraction(1, 2)))
                # three roundings of relative size 2^-24 on values of at most |a z| + |b|, then times N
                bound = 3 * Fraction(1, 2**24) * (abs(a * z) + abs(b) + 1) * top
                assert distance <= bound
    assert moved > 0, "the case is tie-heavy on purpose"
    assert moved < 0.02 * channels * top + 50


def test_an_activation_that_is_not_monotone_is_refused():
    class Humped(Activation):
        def levels(self, z):
            return (np.abs(z) < 3).astype(np.int64)

    humped = Humped((), (Fraction(1),), (Fraction(0),), F32, LevelCode(0, 1, 1))
    with pytest.raises(
        IntinferError,
        match=r"^thresholds do not reproduce the activation: channel 0, z = \d+; the activation is not monotone$",
    ):
        find_thresholds(humped, IntType(-5, 5), 1)


def test_levels_outside_the_code_are_refused():
    doubled = Activation((primitive("mul", np.array([2], dtype=F32)),), (1,), (0,), F32, LevelCode(0, 1, 3))
    with pytest.raises(IntinferError, match=r"^a quantiser gives values outside its 4 levels 0\.\.3 in steps of 1$"):
        find_thresholds(doubled, IntType(0, 5), 1)


def test_every_count_of_levels_up_to_eight_bits():
    for bits in range(1, 9):
        type_ = IntType(-300, 300)
        op = find_thresholds(activation([1 / 256], [0.5], bits), type_, 1)
        z = all_z(type_, 1)
        assert levels_of(op, z)[0].tolist() == [float32_level(v, 1 / 256, 0.5, bits) for v in z[0].tolist()]
        assert op.thresholds.shape[1] == 2**bits - 1


def test_overflow_before_a_quantiser_is_refused():
    """Infinity times 0 has no level; infinity itself is clipped like any large number."""
    huge = Fraction(2) ** 130
    clipped = find_thresholds(activation([1.0], [0.0], 2, scale=huge), IntType(-2, 2), 1)
    assert levels_of(clipped, all_z(IntType(-2, 2), 1))[0].tolist() == [0, 0, 0, 3, 3]
    with pytest.raises(IntinferError, match=r"^the float arithmetic before a quantiser overflows; its parameters are"):
        find_thresholds(activation([0.0], [0.0], 2, scale=huge), IntType(-2, 2), 1)
