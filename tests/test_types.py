"""IntType: bounds, widths, containers, range checks with their whole messages."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intinfer.errors import GraphError, RangeError
from intinfer.strategies import int_types
from intinfer.types import LIMIT, IntType

ENDS = [sign * (2**k) + d for k in (0, 1, 3, 7, 8, 15, 16, 31, 32, 61) for sign in (1, -1) for d in (-1, 0, 1)]


def fits(bits, lo, hi):
    """Whether `bits` bits hold lo..hi: two's complement when a value is negative."""
    return -(2 ** (bits - 1)) <= lo and hi < 2 ** (bits - 1) if lo < 0 else hi < 2**bits


def test_bits_is_the_fewest_that_hold_every_value():
    for lo, hi in [*((lo, hi) for lo, hi in product(ENDS, ENDS) if lo <= hi), (-LIMIT, LIMIT)]:
        type_ = IntType(lo, hi)
        assert type_.signed == (lo < 0)
        assert type_.bits >= 1
        assert fits(type_.bits, lo, hi)
        assert type_.bits == 1 or not fits(type_.bits - 1, lo, hi)


@given(int_types())
def test_the_container_is_the_smallest_numpy_type_that_holds_every_value(type_):
    candidates = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64]
    holding = [c for c in candidates if np.iinfo(c).min <= type_.lo and type_.hi <= np.iinfo(c).max]
    assert type_.dtype == holding[0]
    assert [int(z) for z in np.array([type_.lo, type_.hi], dtype=type_.dtype)] == [type_.lo, type_.hi]


def test_constructors_of_widths():
    assert [str(IntType.unsigned(bits)) for bits in (1, 2, 8, 62)] == ["0..1", "0..3", "0..255", f"0..{2**62 - 1}"]
    assert [str(IntType.twos_complement(bits)) for bits in (1, 2, 8)] == ["-1..0", "-2..1", "-128..127"]
    for bits in range(1, 63):
        assert IntType.unsigned(bits).bits == IntType.twos_complement(bits).bits == bits


@given(int_types(-20, 20), int_types(-20, 20))
def test_contains_and_union_are_those_of_sets(a, b):
    set_a, set_b = (set(range(t.lo, t.hi + 1)) for t in (a, b))
    assert a.contains(b) == (set_b <= set_a)
    union = a.union(b)
    assert (union.lo, union.hi) == (min(set_a | set_b), max(set_a | set_b))


@pytest.mark.parametrize(
    ("lo", "hi", "message"),
    [
        (1, 0, "IntType 1..0 is empty: lo must not exceed hi"),
        (0, 2.0, "IntType bounds must be Python ints, got 0 and 2.0"),
        (True, 2, "IntType bounds must be Python ints, got True and 2"),
        (np.int64(0), 2, "IntType bounds must be Python ints, got np.int64(0) and 2"),
        (
            0,
            2**62 + 1,
            f"IntType 0..{2**62 + 1} leaves ±2^62: narrow the values with a threshold, requant or clamp",
        ),
        (
            -(2**62) - 1,
            0,
            f"IntType {-(2**62) - 1}..0 leaves ±2^62: narrow the values with a threshold, requant or clamp",
        ),
    ],
)
def test_refusals(lo, hi, message):
    with pytest.raises(GraphError) as caught:
        IntType(lo, hi)
    assert str(caught.value) == message


def test_check_names_the_first_value_outside_and_counts_the_rest():
    type_ = IntType(-1, 3)
    type_.check(np.array([[-1, 3], [0, 1]]), "x")
    with pytest.raises(RangeError) as caught:
        type_.check(np.array([[0, 1], [4, -2]]), "input 'x'")
    assert str(caught.value) == "input 'x': value 4 at index (1, 0) is outside -1..3; 2 of 4 values are"


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
@given(data=st.data())
def test_check_is_exact_in_every_dtype(dtype, data):
    info = np.iinfo(dtype)
    type_ = data.draw(int_types())
    values = data.draw(st.lists(st.integers(int(info.min), int(info.max)), min_size=1, max_size=4))
    values += [int(info.min), int(info.max)][: data.draw(st.integers(0, 2))]
    outside = [z for z in values if not type_.lo <= z <= type_.hi]
    if not outside:
        type_.check(np.array(values, dtype=dtype), "x")
        return
    with pytest.raises(RangeError) as caught:
        type_.check(np.array(values, dtype=dtype), "x")
    assert str(caught.value) == (
        f"x: value {outside[0]} at index ({values.index(outside[0])},) is outside {type_}; "
        f"{len(outside)} of {len(values)} values are"
    )
