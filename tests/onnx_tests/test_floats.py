"""The oracle's rounding against NumPy's."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_tests.floats import FORMATS, exactly, nearest, root


@given(st.fractions(), st.integers(-160, 130), st.sampled_from(["float16", "float32"]))
def test_rounding_is_that_of_numpy_where_a_double_holds_the_number(value, exponent, dtype):
    """A double converts to a narrower format with one rounding."""
    double = float(nearest(value, "float64")) * 2.0**exponent
    with np.errstate(over="ignore", under="ignore"):
        expected = np.dtype(dtype).type(double)
    if np.isinf(expected):
        with pytest.raises(OverflowError, match=f"is infinite in {dtype}"):
            nearest(Fraction(double), dtype)
    else:
        assert nearest(Fraction(double), dtype) == Fraction(float(expected))


@pytest.mark.parametrize("dtype", FORMATS)
def test_ties_go_to_even_and_the_ends_are_right(dtype):
    info = np.finfo(dtype)
    one, eps = Fraction(1), Fraction(float(info.eps))
    assert nearest(one + eps / 2, dtype) == 1
    assert nearest(one + 3 * eps / 2, dtype) == 1 + 2 * eps
    assert nearest(one + eps / 2 + eps / 2**60, dtype) == 1 + eps
    largest, smallest = Fraction(float(info.max)), Fraction(float(info.smallest_subnormal))
    assert nearest(largest, dtype) == largest
    assert nearest(smallest, dtype) == smallest
    assert nearest(-smallest / 2, dtype) == 0
    assert nearest(3 * smallest / 2, dtype) == 2 * smallest
    assert nearest(-largest - Fraction(float(info.eps)), dtype) == -largest
    with pytest.raises(OverflowError, match="is infinite"):
        nearest(largest * (1 + eps / 2), dtype)


@given(st.floats(min_value=0, width=32, allow_nan=False, allow_infinity=False))
def test_roots_are_those_of_numpy(value):
    assert root(Fraction(value)) == Fraction(float(np.sqrt(np.float32(value))))


def test_arrays_are_taken_exactly():
    assert exactly(np.array([[0.5, 3]], dtype=np.float32)) == [Fraction(1, 2), Fraction(3)]
    assert exactly(np.array([2**62 + 1])) == [Fraction(2**62 + 1)]
