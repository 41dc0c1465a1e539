"""Thresholds as products and shifts: whatever is called proven gives every level of every sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.kernels.quantisers import Form, Quantiser, Row, fit_shifts, staircase

ENDS = 2**31 - 2


def levels_by_search(limits, z):
    """Row by row, the number of limits that are at most z."""
    return np.stack([np.searchsorted(row, numbers, side="right") for row, numbers in zip(limits, z, strict=True)])


def levels_by_shifts(stairs, fit, z, bits):
    """The formula of `Shifts` in Python's integers, with the width of products and sums asserted."""
    rows = []
    for c, numbers in enumerate(z.tolist()):
        row = []
        for number in numbers:
            inside = min(max(number, int(fit.lowest[c])), int(fit.highest[c])) - int(fit.lowest[c])
            total = inside * int(fit.multiplier[c]) + int(fit.offset[c])
            assert max(abs(total), inside * int(fit.multiplier[c])) < 2 ** (bits - 1)
            row.append(min(max(total >> int(fit.shift[c]), int(stairs.first[c])), int(stairs.last[c])))
        rows.append(row)
    return np.array(rows)


def near(limits, lo, hi):
    """Sums at, below and above every threshold, and at both ends."""
    ends = np.stack([lo, hi], axis=1)
    return np.clip(np.concatenate([limits - 1, limits, limits + 1, ends], axis=1), lo[:, None], hi[:, None])


@st.composite
def tables(draw):
    """Limits of 1 to 4 channels, even staircases and any others, and ends that cut some of them off."""
    count = draw(st.sampled_from([1, 2, 3, 7, 15, 31, 255]))
    reach = draw(st.sampled_from([3, 100, 10_000, 2**20, 2**30]))
    rows, ends = [], []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            start = draw(st.integers(-reach, reach))
            span = draw(st.integers(0, 2 * reach))
            row = [max(-ENDS, min(ENDS, start + span * i // count)) for i in range(count)]
        else:
            row = sorted(draw(st.lists(st.integers(-reach, reach), min_size=count, max_size=count)))
        rows.append(row)
        ends.append(sorted(draw(st.tuples(*[st.sampled_from([-ENDS, row[0], row[-1], row[count // 2], 0, ENDS])] * 2))))
    lo, hi = np.array(ends, dtype=np.int64).T
    return np.array(rows, dtype=np.int64), lo, hi


@given(tables())
@settings(max_examples=200)
def test_what_is_proven_is_the_staircase(table):
    limits, lo, hi = table
    stairs = staircase(limits, lo, hi)
    z = near(limits, lo, hi)
    for bits in (32, 64):
        fit = fit_shifts(stairs, bits)
        for c in np.flatnonzero(fit.proven):
            one = np.array([c])
            found = levels_by_shifts(stairs.part(one), _part(fit, one), z[one], bits)
            np.testing.assert_array_equal(found, levels_by_search(limits[one], z[one]))


def _part(fit, channels):
    return type(fit)(**{name: numbers[channels] for name, numbers in vars(fit).items()})


def test_every_sum_of_small_tables():
    """All staircases of three thresholds within -3..3, at every sum: a proof at 2N points holds between them."""
    limits = np.array([[a, b, c] for a in range(-3, 4) for b in range(a, 4) for c in range(b, 4)])
    lo, hi = np.full(len(limits), -5), np.full(len(limits), 5)
    stairs = staircase(limits, lo, hi)
    z = np.broadcast_to(np.arange(-5, 6), (len(limits), 11))
    for bits in (32, 64):
        fit = fit_shifts(stairs, bits)
        found = levels_by_shifts(stairs.part(fit.proven), _part(fit, fit.proven), z[fit.proven], bits)
        np.testing.assert_array_equal(found, levels_by_search(limits[fit.proven], z[fit.proven]))
    assert fit_shifts(stairs, 32).proven.mean() > 0.4  # many of these have two or three steps in one


def test_a_batch_norm_and_a_uniform_quantiser_are_a_product_and_a_shift():
    rng = np.random.default_rng(2)
    for count, width in ((1, 5), (15, 20), (15, 500), (63, 50)):
        slopes, starts = rng.uniform(0.5, 2, 64) * width, rng.uniform(-20, 20, 64) * width
        limits = np.ceil(starts[:, None] + slopes[:, None] * np.arange(1, count + 1)).astype(np.int64)
        fit = fit_shifts(staircase(limits, limits[:, 0] - 9, limits[:, -1] + 9), 32)
        assert fit.proven.all()


def test_a_staircase_that_no_product_follows_is_counted():
    limits = np.array([[0, 1, 2, 1000, 1001, 5000, 5001, 5002, 90_000]])
    quantiser = Quantiser.of(limits, np.array([-10]), np.array([100_000]), 1, 0)
    assert not any(fit_shifts(quantiser.stairs, bits).proven.any() for bits in (32, 64))
    assert quantiser.form(np.array([0])) is Form.COUNT


@pytest.mark.parametrize(("width", "form"), [(300, Form.SHIFT), (2**21 + 12_345, Form.WIDE_SHIFT)])
def test_a_block_takes_the_narrowest_form_of_all_its_channels(width, form):
    limits = np.stack([np.arange(1, 16) * 300, np.arange(1, 16) * width])
    quantiser = Quantiser.of(limits, limits[:, 0] - 5, limits[:, -1] + 5, 1, 0)
    assert quantiser.form(np.array([0])) is Form.SHIFT
    assert quantiser.form(np.array([0, 1])) is form


def test_thresholds_that_every_sum_crosses_or_none_are_left_out():
    limits = np.array([[-5, 0, 3, 9], [4, 4, 4, 4], [1, 2, 3, 4]])
    stairs = staircase(limits, np.array([0, 5, -3]), np.array([4, 9, 0]))
    assert stairs.limits.tolist() == [[3], [10], [1]]
    assert stairs.first.tolist() == [2, 4, 0]
    assert stairs.last.tolist() == [3, 4, 0]


def test_constants_of_a_block_in_any_order():
    limits = np.array([[0, 5], [3, 9]])
    quantiser = Quantiser.of(limits, np.array([-9, -9]), np.array([20, 20]), 2, -1)
    found = quantiser.constants(np.array([1, 0, 1, 1]), np.array([-8, 7, -8, -8]))
    header, rows = found[:8].view(np.int64), found[8 : 8 + 4 * len(Row)].reshape(len(Row), 4)
    assert header.tolist() == [Form.COUNT, 2, 2, -1]
    assert rows[Row.BIAS].tolist() == [-8, 7, -8, -8]
    assert found[8 + 4 * len(Row) :].reshape(2, 4).tolist() == [[3, 0, 3, 3], [9, 5, 9, 9]]
