"""Printed real values and the order of classes, against exact rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intinfer.cli.answers import digits, ranking, real_values, winners
from intinfer.graph import Output

fractions = st.fractions(max_denominator=1000).filter(lambda f: abs(f) < 10**6)
vectors = st.lists(st.integers(-5, 5), min_size=2, max_size=6)


@given(vectors, fractions, fractions)
def test_real_values_are_exact(z: list[int], scale: Fraction, offset: Fraction) -> None:
    output = Output("y", "y", (scale,), (offset,))
    assert real_values(output, np.array(z)) == [scale * value + offset for value in z]


def test_one_scale_and_offset_a_channel() -> None:
    output = Output("y", "y", (Fraction(1), Fraction(1, 2)), (Fraction(0), Fraction(3)))
    assert real_values(output, np.array([5, 5])) == [5, Fraction(11, 2)]
    assert ranking(output, np.array([5, 5])) == [1, 0]


@given(vectors, st.data())
def test_order_is_by_exact_real_value_then_lowest_index(z: list[int], data: st.DataObject) -> None:
    count = st.sampled_from([1, len(z)])
    scale = data.draw(count.flatmap(lambda n: st.lists(fractions, min_size=n, max_size=n)))
    offset = data.draw(count.flatmap(lambda n: st.lists(fractions, min_size=n, max_size=n)))
    output = Output("y", "y", tuple(scale), tuple(offset))
    reals = [scale[c % len(scale)] * v + offset[c % len(offset)] for c, v in enumerate(z)]
    expected = sorted(range(len(z)), key=lambda c: (-reals[c], c))
    assert ranking(output, np.array(z)) == expected
    assert winners(output, np.array([z, z])).tolist() == [expected[0]] * 2


def test_a_negative_scale_turns_the_order_round() -> None:
    output = Output("y", "y", (Fraction(-1),))
    assert ranking(output, np.array([1, 3, 2])) == [0, 2, 1]
    assert winners(output, np.array([[1, 3, 2]])).tolist() == [0]


@given(fractions)
def test_six_digits_are_within_half_of_the_last(value: Fraction) -> None:
    printed = Fraction(digits(value))
    assert abs(printed - value) * 2 * 10**5 <= abs(value)


def test_digits_by_hand() -> None:
    cases = {
        Fraction(0): "0",
        Fraction(-7): "-7",
        Fraction(1, 3): "0.333333",
        Fraction(2**30 + 1, 2**30): "1.00000",
        Fraction(10**400): "1.00000e+400",
        Fraction(1, 10**400): "1e-400",
    }
    assert {value: digits(value) for value in cases} == cases
