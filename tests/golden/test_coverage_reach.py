"""Which sums exist: against the enumeration of all inputs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intinfer_golden.make.coverage import reach
from intinfer_golden.make.coverage.reach import Found, Knapsack, Sums


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], list[int], list[int], int]:
    """coefficients, lo, hi, constant with at most 3,125 inputs."""
    largest = draw(st.sampled_from([1, 2, 9, 200]))
    count = draw(st.integers(0, 5))
    coefficients = draw(st.lists(st.integers(-largest, largest), min_size=count, max_size=count))
    lo = draw(st.lists(st.integers(-5, 5), min_size=count, max_size=count))
    hi = [a + draw(st.integers(0, 4)) for a in lo]
    return coefficients, lo, hi, draw(st.integers(-20, 20))


def every_sum(coefficients: list[int], lo: list[int], hi: list[int], constant: int) -> set[int]:
    ranges = [range(a, b + 1) for a, b in zip(lo, hi, strict=True)]
    return {constant + sum(c * x for c, x in zip(coefficients, xs, strict=True)) for xs in itertools.product(*ranges)}


@given(problems(), st.integers(-3, 3), st.integers(0, 3), st.data())
def test_a_number_is_found_exactly_when_some_input_gives_it(
    problem: tuple[list[int], list[int], list[int], int], shift: int, width: int, data: st.DataObject
) -> None:
    coefficients, lo, hi, constant = problem
    reached = every_sum(*problem)
    first = data.draw(st.sampled_from(sorted(reached))) + shift
    sums = Sums(np.array(coefficients, dtype=np.int64), np.array(lo, np.int64), np.array(hi, np.int64), constant)
    found = sums.find(first, first + width)
    inside = [z for z in range(first, first + width + 1) if z in reached]
    assert found.proven
    assert (found.number is not None) == bool(inside)
    assert sums.range == (min(reached), max(reached))
    if found.number is not None:
        assert found.number in inside
        inputs = sums.solve(found.number, np.random.default_rng(width)).tolist()
        assert all(a <= x <= b for a, x, b in zip(lo, inputs, hi, strict=True))
        assert constant + sum(c * x for c, x in zip(coefficients, inputs, strict=True)) == found.number


@given(
    st.lists(st.integers(2, 8), min_size=2, max_size=3),
    st.lists(st.integers(20, 40), min_size=3, max_size=3),
    st.data(),
)
def test_the_neighbourhood_of_a_vertex_decides_wide_problems(
    weights: list[int], steps: list[int], data: st.DataObject
) -> None:
    """As `find` does where the bit set of all sums would be too wide, checked where it is not."""
    weights, steps = sorted(weights), steps[: len(weights)]
    knapsack = Knapsack(weights, steps)
    ends = st.integers(0, 30) | st.integers(knapsack.total - 30, knapsack.total)
    wanted = data.draw(ends | st.integers(0, knapsack.total))
    near = knapsack._near(wanted)
    assert near is not None
    reached = every_sum(weights, [0] * len(weights), steps, 0)
    finer, _, rest = near
    assert (finer.find(rest, rest).number is not None) == (wanted in reached)


def test_wide_inputs_with_coarse_weights_are_decided() -> None:
    """Sums of 5 x - 127 y + 60 z over millions: far more than a bit set holds."""
    coefficients = np.array([5, -127, 60])
    sums = Sums(coefficients, np.full(3, -(2**24)), np.full(3, 2**24))
    lowest, _ = sums.range
    assert sums.find(lowest + 1, lowest + 4) == Found(None, True)
    assert sums.find(lowest + 5, lowest + 5) == Found(lowest + 5, True)
    for number in (-1, 0, 1, 12345):
        found = sums.find(number, number)
        assert found == Found(number, True)
        inputs = sums.solve(number, np.random.default_rng(0))
        assert inputs is not None
        assert int(coefficients @ inputs) == number
        assert abs(inputs).max() <= 2**24


def test_what_is_too_wide_is_not_decided() -> None:
    """Two weights of 60 bits and a heavy one: no proof either way."""
    sums = Sums(np.array([2**58 + 1, 2**58 - 1, 3 * 2**40]), np.zeros(3, np.int64), np.full(3, 3))
    assert sums.find(12345, 12345) == Found(None, False)
    assert sums.solve(12345, np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("lo", "hi", "found"), [(0, 3, Found(0, True)), (1, 3, Found(None, True)), (5, 4, Found(None, True))]
)
def test_small_intervals_by_hand(lo: int, hi: int, found: Found) -> None:
    """4 x + 8 y."""
    assert Sums(np.array([4, 8]), np.zeros(2, np.int64), np.full(2, 1)).find(lo, hi) == found


def test_solutions_are_as_different_as_they_can_be() -> None:
    sums = Sums(np.ones(40, dtype=np.int64), np.zeros(40, np.int64), np.full(40, 7))
    rng = np.random.default_rng(0)
    solutions = {tuple(sums.solve(140, rng)) for _ in range(20)}
    assert len(solutions) == 20
    assert sums.range[1] < reach.MAX_BITS


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 20)), min_size=1, max_size=60), st.data())
def test_counts_drawn_at_once_are_those_drawn_one_by_one(items: list[tuple[int, int]], data: st.DataObject) -> None:
    weights, steps = (list(column) for column in zip(*sorted([(1, 1), *items]), strict=True))
    knapsack = Knapsack(weights, steps)
    wanted = data.draw(st.integers(0, knapsack.total))
    at_once = knapsack.solve(wanted, np.random.default_rng(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reach, "EXACT", 0)
        assert knapsack.solve(wanted, np.random.default_rng(0)) == at_once
    assert at_once is None or sum(w * n for w, n in zip(weights, at_once, strict=True)) == wanted


def test_sums_beyond_floating_point_are_solved_exactly() -> None:
    sums = Sums(np.ones(3, dtype=np.int64), np.zeros(3, np.int64), np.full(3, 2**60))
    inputs = sums.solve(2**61 + 1, np.random.default_rng(0))
    assert sum(inputs.tolist()) == 2**61 + 1
    assert inputs.max() <= 2**60
