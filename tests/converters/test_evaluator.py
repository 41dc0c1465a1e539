"""The evaluator's float arithmetic: every primitive rounds once, and rationals round half to even."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer_converters.evaluator import (
    affine_of,
    chain_direction,
    evaluate,
    round_to_float,
    to_float,
)
from intinfer_converters.primitives import primitive

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def neighbours(value):
    """The float32 numbers next to and at `value`, as exact rationals."""
    (bits,) = struct.unpack("<i", struct.pack("<f", value))
    around = []
    for step in (-1, 0, 1):
        ordered = (bits if bits >= 0 else -(bits & 0x7FFFFFFF)) + step
        raw = ordered if ordered >= 0 else (-ordered) | 0x80000000
        (number,) = struct.unpack("<f", struct.pack("<I", raw & 0xFFFFFFFF))
        if np.isfinite(number):
            around.append(Fraction(number))
    return around


@given(FLOAT32.filter(lambda f: abs(f) < 1e38), st.fractions(min_value=-1, max_value=1, max_denominator=1000))
def test_round_to_float32_is_the_nearest_neighbour(start, position):
    around = neighbours(start)
    exact = around[1] + position * (max(around) - around[1])
    got = Fraction(round_to_float(exact, np.float32))
    best = min(abs(exact - n) for n in [*around, *neighbours(float(got))])
    assert abs(exact - got) == best


@given(FLOAT32.filter(lambda f: abs(f) < 1e38))
def test_ties_go_to_the_even_mantissa(start):
    low, high = neighbours(start)[1:3]
    got = round_to_float((low + high) / 2, np.float32)
    assert Fraction(got) in (low, high)
    assert struct.unpack("<I", struct.pack("<f", got))[0] % 2 == 0


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float64_numbers_are_kept(value):
    assert round_to_float(Fraction(value), np.float64) == value


def test_rounding_knows_overflow_and_subnormals():
    largest = Fraction(float(np.finfo(np.float32).max))
    half_step = Fraction(2) ** 103
    assert round_to_float(largest + half_step - 1, np.float32) == float(largest)
    assert round_to_float(largest + half_step, np.float32) == np.inf
    assert round_to_float(-Fraction(10**400), np.float32) == -np.inf
    smallest = Fraction(2) ** -149
    assert round_to_float(smallest / 2, np.float32) == 0.0
    assert round_to_float(smallest * Fraction(3, 4), np.float32) == float(smallest)


@given(
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=5),
    st.fractions(max_denominator=97).filter(bool),
    st.fractions(max_denominator=97),
)
def test_to_float_rounds_the_exact_affine_once(z, scale, offset):
    got = to_float(np.array([z]), (scale,), (offset,), np.float32)
    assert got.dtype == np.float32
    for value, result in zip(z, got[0], strict=True):
        assert float(result) == round_to_float(scale * value + offset, np.float32)


@given(
    st.lists(st.integers(-(2**26), 2**26), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(0, 40)), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(-(2**30), 2**30), st.integers(0, 40)), min_size=1, max_size=3),
)
def test_to_float_of_multiples_of_powers_of_two(z, scales, offsets):
    """Where float64 holds the affine, and a little beyond."""
    rows = max(len(scales), len(offsets))
    scale, offset = (
        tuple(Fraction(n, 2**bits) for n, bits in (pairs * rows)[: rows if len(pairs) > 1 else 1])
        for pairs in (scales, offsets)
    )
    got = to_float(np.array([z] * rows), scale, offset, np.float32)
    for row in range(rows):
        s, o = (numbers[row if len(numbers) > 1 else 0] for numbers in (scale, offset))
        assert [float(v) for v in got[row]] == [round_to_float(s * value + o, np.float32) for value in z]


def test_a_million_ties_of_power_of_two_scales_need_no_rationals(monkeypatch):
    def refuse(*_):
        raise AssertionError("one by one")

    monkeypatch.setattr("intinfer_converters.evaluator.round_to_float", refuse)
    z = np.arange(2**24, 2**24 + 2**20).reshape(2, -1)
    scale, offset = (Fraction(1, 2**7), Fraction(-3, 2**9)), (Fraction(0),)
    assert np.array_equal(to_float(z, scale, offset, np.float32), (z * [[1 / 128], [-3 / 512]]).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(data=st.data())
@settings(max_examples=60)
def test_to_float_decides_ties_and_what_lies_next_to_them(dtype, data):
    """Half-way between two numbers of the type, and as little as 2^-200 beside."""
    bits = np.finfo(dtype).nmant
    middle = 2 * data.draw(st.integers(2**bits, 2 ** (bits + 1) - 2)) + 1
    place = Fraction(2) ** data.draw(st.integers(-30, 2))
    beside = data.draw(st.sampled_from([0, 1, -1])) * Fraction(1, 2) ** data.draw(st.sampled_from([20, 60, 200]))
    z = data.draw(st.integers(1, 1000))
    scale, offset = (middle * place + beside) / z, data.draw(st.sampled_from([Fraction(0), place]))
    got = to_float(np.array([[z, 0], [-z, 1]]), (scale,), (offset, -offset), dtype)
    for row, sign in ((0, 1), (1, -1)):
        value = [z, 0] if row == 0 else [-z, 1]
        exact = [scale * v + sign * offset for v in value]
        assert [float(v) for v in got[row]] == [round_to_float(e, dtype) for e in exact]


@pytest.mark.parametrize("kind", ["add", "sub", "mul", "div"])
@given(data=st.data())
def test_arithmetic_primitives_round_once(kind, data):
    normal = st.floats(2.0**-20, 2.0**20, width=32) | st.floats(-(2.0**20), -(2.0**-20), width=32)
    x, c = data.draw(normal), data.draw(normal)
    got = primitive(kind, np.array([c], dtype=np.float32)).apply(np.array([[x]], dtype=np.float32))
    a, b = Fraction(x), Fraction(c)
    exact = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / b}[kind]
    assert got.dtype == np.float32
    assert float(got[0, 0]) == round_to_float(exact, np.float32)


def test_a_chain_applies_in_source_order_without_fusing():
    """(z * 3f) + tiny: fused, the small addend would survive; rounded twice, it is lost."""
    third = np.float32(1 / 3)
    chain = (primitive("mul", np.array([third])), primitive("add", np.array([2.0**-27], dtype=np.float32)))
    got = evaluate(chain, np.array([[3]]), (Fraction(1),), (Fraction(0),), np.float32)
    assert float(got[0, 0]) == 1.0
    assert 3 * Fraction(float(third)) + Fraction(2) ** -27 != 1


def test_direction_is_the_product_of_the_signs():
    chain = (
        primitive("mul", np.array([2.0, -2.0, 0.0, -1.0], dtype=np.float32)),
        primitive("add", np.array([1.0], dtype=np.float32)),
        primitive("div", np.array([1.0, 1.0, 1.0, -4.0], dtype=np.float32)),
        primitive("rint"),
    )
    assert chain_direction(chain, (Fraction(1),), 4).tolist() == [1, -1, 0, 1]
    assert chain_direction(chain, (Fraction(-1),), 4).tolist() == [-1, 1, 0, -1]


def test_affine_of_is_exact_and_knows_what_is_not_affine():
    chain = (
        primitive("sub", np.array([0.1, 2.0], dtype=np.float32)),
        primitive("div", np.array([3.0], dtype=np.float32)),
        primitive("mul", np.array([0.7], dtype=np.float32)),
        primitive("add", np.array([1.5, -1.5], dtype=np.float32)),
    )
    scale, offset = affine_of(chain, 2)
    factor = Fraction(float(np.float32(0.7))) / 3
    assert scale == (factor, factor)
    assert offset == (
        -Fraction(float(np.float32(0.1))) * factor + Fraction(3, 2),
        -2 * factor - Fraction(3, 2),
    )
    assert affine_of((*chain, primitive("rint")), 2) is None


def test_select_keeps_the_channels_asked_for():
    chosen = primitive("mul", np.array([1.0, 2.0, 3.0], dtype=np.float32)).select(np.array([2, 0]))
    assert chosen.operand.tolist() == [3.0, 1.0]
    shared = primitive("mul", np.array([5.0], dtype=np.float32))
    assert shared.select(np.array([2, 0])) is shared
    clip = primitive("clip", np.array([0.0, 1.0], dtype=np.float32))
    assert clip.select(np.array([1])) is clip
