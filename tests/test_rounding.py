"""shift_right against exact fractions, for every mode and shift."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.naive import round_fraction

from intinfer.rounding import RoundMode, shift_right


@pytest.mark.parametrize("mode", RoundMode)
def test_every_value_from_minus_300_to_300_with_every_shift(mode):
    z = np.arange(-300, 301)
    for shift in range(63):
        expected = [round_fraction(Fraction(value, 2**shift), str(mode)) for value in z.tolist()]
        assert shift_right(z, shift, mode).tolist() == expected


@pytest.mark.parametrize("mode", RoundMode)
@given(data=st.data())
def test_any_value_near_a_tie(mode, data):
    shift = data.draw(st.integers(1, 62))
    quotient = data.draw(st.integers(-(2**62) >> shift, (2**62 >> shift) - 1))
    z = np.array([(quotient << shift) + (1 << (shift - 1)) + d for d in (-1, 0, 1)])
    expected = [round_fraction(Fraction(value, 2**shift), str(mode)) for value in z.tolist()]
    assert shift_right(z, shift, mode).tolist() == expected


@pytest.mark.parametrize("mode", RoundMode)
def test_the_ends_of_the_range(mode):
    z = np.array([-(2**62), -(2**62) + 1, -(2**61), 2**61, 2**62 - 1, 2**62])
    for shift in range(63):
        expected = [round_fraction(Fraction(value, 2**shift), str(mode)) for value in z.tolist()]
        assert shift_right(z, shift, mode).tolist() == expected


@pytest.mark.parametrize("mode", RoundMode)
def test_one_shift_a_channel(mode):
    z = np.arange(-12, 12).reshape(2, 3, 4)
    shifts = np.array([0, 1, 2]).reshape(1, 3, 1)
    got = shift_right(z, shifts, mode)
    for c in range(3):
        assert got[:, c].tolist() == [
            [round_fraction(Fraction(value, 2**c), str(mode)) for value in row] for row in z[:, c].tolist()
        ]


def test_the_four_modes_on_halves():
    halves = np.array([-5, -3, -1, 1, 3, 5])
    got = {str(mode): shift_right(halves, 1, mode).tolist() for mode in RoundMode}
    assert got == {
        "floor": [-3, -2, -1, 0, 1, 2],
        "half_up": [-2, -1, 0, 1, 2, 3],
        "half_even": [-2, -2, 0, 0, 2, 2],
        "half_away": [-3, -2, -1, 1, 2, 3],
    }


def test_a_mode_by_its_name_is_the_mode_and_an_unknown_one_is_refused():
    for mode in RoundMode:
        assert shift_right(np.arange(-5, 6), 1, str(mode)).tolist() == shift_right(np.arange(-5, 6), 1, mode).tolist()
    with pytest.raises(ValueError, match=r"^'truncate' is not a valid RoundMode$"):
        shift_right(np.arange(3), 1, "truncate")
