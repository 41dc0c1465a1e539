"""Clamping to lo..hi, over every small interval."""

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.ops import Clamp
from intinfer.strategies import cases
from intinfer.types import IntType
from ops.check import check_op, refusal


def test_every_interval_on_every_value_is_inferred_tightly():
    type_ = IntType(-3, 4)
    batch = np.array([[z] for z in range(-3, 5)])
    for lo in range(-6, 8):
        for hi in range(lo, 8):
            expected = [[lo if z < lo else hi if z > hi else z] for z in range(-3, 5)]
            inferred = check_op(Clamp(lo, hi), [(batch, type_)], expected)
            assert [[inferred.lo], [inferred.hi]] == [min(expected), max(expected)]


@given(cases("clamp"))
def test_any_clamp_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


@pytest.mark.parametrize("limit", [2**63, 2**70])
def test_limits_that_int64_does_not_hold(limit):
    batch = np.array([[-(2**62)], [2**62]])
    """The op is defined there; a graph, which could not be saved, has no place for it."""
    assert Clamp(-limit, limit).reference(batch).tolist() == batch.tolist()
    assert Clamp(-limit, 5).reference(batch).tolist() == [[-(2**62)], [5]]
    wide = ((1,), IntType(-(2**62), 2**62))
    assert refusal(Clamp(-limit, 5), wide).startswith(f"attributes.lo: {-limit} is outside ")


def test_an_empty_interval_is_refused():
    assert refusal(Clamp(3, 2), ((1,), IntType(0, 7))) == "lo 3 exceeds hi 2"
