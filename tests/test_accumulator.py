"""Accumulator rules on their own: wrap against modulo arithmetic, saturate against a loop, inferred ranges."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import naive

from intinfer.accumulator import Accumulator, Overflow, TapOrder
from intinfer.errors import GraphError, RangeError
from intinfer.ops.mac import weighted_sums
from intinfer.strategies import int_types
from intinfer.types import IntType


def add_up(products, rule):
    """Rows of products under `rule`, by the code under test: each product is a tap of weight 1."""
    columns = np.array(products)[:, None, None, :]
    return weighted_sums(columns, np.ones((1, 1, columns.shape[-1]), dtype=np.int64), rule)[:, 0, 0].tolist()


@pytest.mark.parametrize("bits", range(2, 63))
def test_wrap_is_modulo_arithmetic_at_every_width(bits):
    steps = [k * 2 ** (bits - 1) for k in range(-4, 5) if abs(k * 2 ** (bits - 1)) < 2**62]
    totals = sorted({t + d for t in steps for d in (-1, 0, 1)} | {2**62, -(2**62), 2**61 + 12345})
    expected = [(t + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1) for t in totals]
    assert Accumulator.wrap(bits).wrap_sum(np.array(totals)).tolist() == expected


@given(st.integers(2, 62), st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=5))
def test_wrap_of_any_sum(bits, totals):
    expected = [naive.accumulate([t], Accumulator.wrap(bits), ()) for t in totals]
    assert Accumulator.wrap(bits).wrap_sum(np.array(totals)).tolist() == expected


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("bits", [2, 3])
def test_saturate_over_every_sequence_of_four_small_products(bits, fold):
    rule = Accumulator.saturate(bits, TapOrder.CKK, fold)
    sequences = list(product(range(-3, 4), repeat=4))
    lo, hi = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    expected = []
    for sequence in sequences:
        total = 0
        for start in range(0, 4, fold):
            total = min(max(total + sum(sequence[start : start + fold]), lo), hi)
        expected.append(total)
    assert add_up(sequences, rule) == expected


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_a_trap_over_every_sequence_of_four_small_products(fold):
    rule = Accumulator.trap(3, TapOrder.KKC, fold)  # -4..3
    for sequence in product(range(-2, 3), repeat=4):
        partial = [sum(sequence[: min(end, 4)]) for end in range(fold, 4 + fold, fold)]
        outside = [step for step, total in enumerate(partial) if not -4 <= total <= 3]
        if not outside:
            assert add_up([sequence], rule) == [sum(sequence)]
            continue
        with pytest.raises(RangeError) as caught:
            add_up([sequence], rule)
        assert str(caught.value) == (
            f"accumulator of 3 bits holds -4..3 and reaches {partial[outside[0]]} after "
            f"{min((outside[0] + 1) * fold, 4)} of 4 products at image 0, channel 0"
        )


def test_saturation_depends_on_the_order_and_on_the_fold():
    rule = Accumulator.saturate(3, TapOrder.CKK)  # -4..3
    assert add_up([[3, 3, -3], [3, -3, 3]], rule) == [0, 3]
    assert add_up([[3, 3, -3]], Accumulator.saturate(3, TapOrder.CKK, 3)) == [3]


@given(st.integers(2, 62), st.integers(1, 7), st.lists(st.integers(-(2**58), 2**58), min_size=1, max_size=8))
def test_any_sequential_sum_equals_the_loop_over_big_ints(bits, fold, products):
    rule = Accumulator.saturate(bits, TapOrder.CKK, fold)
    assert add_up([products], rule) == [naive.accumulate(products, rule, ())]


def test_channels_and_groups_of_a_trap_are_counted_through():
    columns = np.zeros((2, 3, 4, 1), dtype=np.int64)
    columns[1, 2, 3, 0] = 4
    weights = np.ones((3, 2, 1), dtype=np.int64)
    weights[:, 0] = 0
    with pytest.raises(RangeError) as caught:
        weighted_sums(columns, weights, Accumulator.trap(3, TapOrder.CKK), width=3)
    assert str(caught.value) == (
        "accumulator of 3 bits holds -4..3 and reaches 4 after 1 of 1 products at image 1, channel 5, pixel (y=1, x=0)"
    )


@given(st.integers(2, 62), int_types())
def test_inferred_ranges(bits, proven):
    width = IntType.twos_complement(bits)
    inside = width.lo <= proven.lo and proven.hi <= width.hi
    assert Accumulator.wrap(bits).infer(proven) == (proven if inside else width)
    assert Accumulator.saturate(bits, TapOrder.CKK).infer(proven) == width
    assert Accumulator.trap(bits, TapOrder.CKK).infer(proven) == width
    if inside:
        assert Accumulator.prove(bits).infer(proven) == proven
        return
    needed = next(b for b in range(2, 65) if -(2 ** (b - 1)) <= proven.lo and proven.hi < 2 ** (b - 1))
    with pytest.raises(GraphError) as caught:
        Accumulator.prove(bits).infer(proven)
    assert str(caught.value) == (
        f"sums reach {proven} and need {needed} signed bits, the accumulator has {bits}: "
        "widen it, or state wrap, saturate or trap"
    )


@given(int_types())
def test_the_narrowest_proven_accumulator(proven):
    needed = next(b for b in range(2, 65) if -(2 ** (b - 1)) <= proven.lo and proven.hi < 2 ** (b - 1))
    if needed > 62:
        with pytest.raises(GraphError, match=f"accumulator of {needed} bits: 2..62 are possible"):
            Accumulator.proving(proven)
        return
    assert Accumulator.proving(proven) == Accumulator.prove(needed)
    assert Accumulator.proving(proven).infer(proven) == proven


def test_accumulators_as_text():
    assert str(Accumulator.prove(12)) == "12 prove"
    assert str(Accumulator.wrap(16)) == "16 wrap"
    assert str(Accumulator.saturate(8, TapOrder.KKC, 4)) == "8 saturate KKC fold 4"
    assert str(Accumulator.trap(9, TapOrder.CKK)) == "9 trap CKK fold 1"


def test_a_saturated_sum_may_leave_the_range_of_the_exact_one():
    # products in 0, 3, -3 sum to 0 only, but clipping at 2 leaves -1: the width is all that is known
    rule = Accumulator.saturate(3, TapOrder.CKK)
    assert add_up([[3, 3, -3, -3]], rule) == [-3]
    assert rule.infer(IntType(0, 0)) == IntType(-4, 3)


def test_which_rules_are_sequential():
    rules = [
        Accumulator.prove(8),
        Accumulator.wrap(8),
        *(make(8, TapOrder.CKK) for make in (Accumulator.saturate, Accumulator.trap)),
    ]
    assert [rule.sequential for rule in rules] == [False, False, True, True]
    assert [str(rule.type) for rule in rules] == ["-128..127"] * 4


SEQUENTIAL = "accumulator needs an order (CKK or KKC) and a fold of at least 1"
ORDERLESS = "accumulator does not depend on order or fold: leave them out"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, Overflow.WRAP), "accumulator of 1 bits: 2..62 are possible"),
        ((63, Overflow.PROVE), "accumulator of 63 bits: 2..62 are possible"),
        ((8.0, Overflow.PROVE), "accumulator of 8.0 bits: 2..62 are possible"),
        ((True, Overflow.PROVE), "accumulator of True bits: 2..62 are possible"),
        ((8, Overflow.SATURATE), f"a saturate {SEQUENTIAL}"),
        ((8, Overflow.SATURATE, TapOrder.CKK), f"a saturate {SEQUENTIAL}"),
        ((8, Overflow.TRAP, None, 1), f"a trap {SEQUENTIAL}"),
        ((8, Overflow.TRAP, TapOrder.CKK, 0), f"a trap {SEQUENTIAL}"),
        ((8, Overflow.PROVE, TapOrder.CKK), f"a prove {ORDERLESS}"),
        ((8, Overflow.WRAP, None, 1), f"a wrap {ORDERLESS}"),
        ((8, "wrap"), "overflow 'wrap' and order None must be an Overflow and a TapOrder"),
        (
            (8, Overflow.SATURATE, "KKC", 1),
            f"overflow {Overflow.SATURATE!r} and order 'KKC' must be an Overflow and a TapOrder",
        ),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(GraphError) as caught:
        Accumulator(*arguments)
    assert str(caught.value) == message
