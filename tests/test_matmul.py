"""The products through float32 and float64 are exact below their bounds, and not used above."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intinfer.matmul import FLOAT32_EXACT, FLOAT64_EXACT, integer_matmul


def by_hand(a, b):
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


def bound_of(a, b):
    columns = list(zip(*b, strict=True))
    return max(sum(abs(x * y) for x, y in zip(row, column, strict=True)) for row in a for column in columns)


@given(
    st.data(), st.integers(1, 3), st.integers(1, 6), st.integers(1, 3), st.sampled_from([1, 2**11, 2**20, 2**25, 2**29])
)
def test_any_product_equals_python_ints(data, rows, inner, columns, largest):
    entry = st.integers(-largest, largest) | st.sampled_from([-largest, largest])
    a = [[data.draw(entry) for _ in range(inner)] for _ in range(rows)]
    b = [[data.draw(entry) for _ in range(columns)] for _ in range(inner)]
    got = integer_matmul(np.array(a), np.array(b), bound_of(a, b))
    assert got.dtype == np.int64
    assert got.tolist() == by_hand(a, b)


@pytest.mark.parametrize("bound", [limit + step for limit in (2**24, 2**53) for step in (-1, 0, 1)])
@pytest.mark.parametrize("terms", [1, 2, 3, 64, 1000])
def test_sums_just_below_at_and_above_the_limit(bound, terms):
    """`terms` products that add up to `bound`, with signs that make every partial sum large."""
    each, rest = divmod(bound, terms)
    a = [[each] * (terms - 1) + [each + rest], [-each] * (terms - 1) + [-each - rest], [each] * terms]
    b = [[1, (-1) ** i] for i in range(terms)]
    assert bound_of(a, b) == bound
    assert integer_matmul(np.array(a), np.array(b), bound).tolist() == by_hand(a, b)


def test_from_the_first_limit_on_float64_is_needed_and_taken():
    assert FLOAT32_EXACT == 2**24
    a, b = np.array([[2**24 + 1]]), np.array([[1]])
    assert int(a.astype(np.float32)[0, 0]) != 2**24 + 1  # float32 would have rounded
    assert integer_matmul(a, b, 2**24 + 1).tolist() == [[2**24 + 1]]


@pytest.mark.parametrize("large", [2**24 + 1, 2**53 + 1, 2**62 + 1])
def test_factors_beyond_the_bound_that_meet_zeros_change_nothing(large):
    a, b = [[large, 3, -large], [0, 5, 0]], [[0, 0], [7, -2], [0, 0]]
    assert integer_matmul(np.array(a), np.array(b), bound_of(a, b)).tolist() == by_hand(a, b)


def test_from_the_limit_on_the_int64_path_is_needed_and_taken():
    assert FLOAT64_EXACT == 2**53
    a, b = np.array([[2**53 + 1]]), np.array([[1]])
    assert int(a.astype(np.float64)[0, 0]) != 2**53 + 1  # float64 would have rounded
    assert integer_matmul(a, b, 2**53 + 1).tolist() == [[2**53 + 1]]
    assert integer_matmul(np.array([[2**31, 2**31]]), np.array([[2**30], [2**30]]), 2**62).tolist() == [[2**62]]


def test_batches_as_numpy_matmul():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 10, (2, 3, 4, 5)), rng.integers(-9, 10, (3, 5, 2))
    got = integer_matmul(a, b, 5 * 81)
    assert got.shape == (2, 3, 4, 2)
    for n in range(2):
        for g in range(3):
            assert got[n, g].tolist() == by_hand(a[n, g].tolist(), b[g].tolist())
