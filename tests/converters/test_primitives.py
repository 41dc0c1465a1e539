"""Each primitive of a chain against rationals, and chains of all of them through thresholds."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles.exact_floatnet import INTEGERS, WITH_CONSTANT, apply
from oracles.float32 import round_float32

from converters.float_nets import F32, Net, assert_equal_to_rationals, conv, ternary
from intinfer.errors import IntinferError
from intinfer.types import IntType
from intinfer_converters import primitives as primitives_module
from intinfer_converters.evaluator import chain_direction
from intinfer_converters.floatnet import Pointwise, Quantise
from intinfer_converters.primitives import primitive
from intinfer_converters.thresholds import Activation, LevelCode, find_thresholds

ROUNDINGS = [kind for kind in INTEGERS if kind != "sign"]
finite = st.floats(-(2.0**30), 2.0**30, width=32)
near_half = st.builds(
    lambda i, ulps: np.float32(i + 0.5) + ulps * np.spacing(np.float32(i + 0.5)), st.integers(-9, 9), st.integers(-2, 2)
)


def row(*numbers):
    return np.array(numbers, dtype=F32)


def applied(op, values):
    """One channel of float32 values."""
    got = op.apply(np.array([values], dtype=F32))
    assert got.dtype == F32
    assert got.shape == (1, len(values))
    return [Fraction(float(v)) for v in got[0]]


@pytest.mark.parametrize("kind", sorted(INTEGERS))
@given(values=st.lists(finite | near_half, min_size=1, max_size=20))
@example(
    values=[0.49999997, -0.49999997, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 8388607.5, -8388607.5, 2.0**24, 1e-45, -1e-45]
)
def test_roundings_and_sign_are_exact(kind, values):
    values = [float(F32(v)) for v in values]
    assert applied(primitive(kind), values) == [apply(primitive(kind), Fraction(v), 0) for v in values]


@pytest.mark.parametrize("kind", ["greater", "greater_equal", "less", "less_equal"])
@given(values=st.lists(finite, min_size=1, max_size=20), limit=finite)
def test_comparisons_are_exact(kind, values, limit):
    values = [float(F32(v)) for v in values] + [float(F32(limit))]
    op = primitive(kind, row(limit))
    assert applied(op, values) == [apply(op, Fraction(v), 0) for v in values]


@given(st.lists(finite, min_size=1, max_size=20), finite, finite)
def test_clip_is_exact_and_may_have_one_side_only(values, one, other):
    values = [float(F32(v)) for v in values]
    for ends in ((min(one, other), max(one, other)), (one, np.inf), (-np.inf, other)):
        op = primitive("clip", row(*ends))
        assert applied(op, values) == [apply(op, Fraction(v), 0) for v in values]


@given(st.lists(finite, min_size=1, max_size=20), st.floats(0, 2, width=32))
def test_leaky_rounds_the_negative_side_once(values, slope):
    values = [float(F32(v)) for v in values]
    op = primitive("leaky", row(slope))
    assert applied(op, values) == [round_float32(apply(op, Fraction(v), 0)) for v in values]


@given(st.lists(finite, min_size=1, max_size=20), st.lists(finite, min_size=1, max_size=9))
def test_count_is_exact_at_its_thresholds_too(values, limits):
    values = [float(F32(v)) for v in (*values, *limits)]
    op = primitive("count", np.array([limits], dtype=F32))
    assert applied(op, values) == [apply(op, Fraction(v), 0) for v in values]


def test_operands_a_channel():
    x = np.array([[-1.0, 2.0], [-1.0, 2.0]], dtype=F32)
    assert primitive("leaky", row(0.5, 0.0)).apply(x).tolist() == [[-0.5, 2.0], [0.0, 2.0]]
    assert primitive("less", row(2.0, 3.0)).apply(x).tolist() == [[1, 0], [1, 1]]
    limits = np.array([[0.0, 1.0], [2.0, 3.0]], dtype=F32)
    assert primitive("count", limits).apply(x).tolist() == [[0, 2], [0, 1]]
    assert primitive("count", limits).select(np.array([1])).operand.tolist() == [[2.0, 3.0]]
    assert primitive("count", limits).channels == 2
    assert primitive("clip", row(0, 1)).channels == 1


KINDS = [*INTEGERS, *WITH_CONSTANT, "clip", "count"]


def test_every_kind_has_its_oracle():
    assert set(KINDS) == set(primitives_module.KINDS)


@given(st.sampled_from(KINDS), st.data())
def test_direction_says_how_every_primitive_moves(kind, data):
    op = data.draw(primitives(kind, 1))
    points = sorted(data.draw(st.lists(finite, min_size=2, max_size=30)))
    values = applied(op, points)
    (direction,) = chain_direction((op,), (Fraction(1),), 1).tolist()
    steps = {(b > a) - (b < a) for a, b in pairwise(values)}
    assert steps <= {0, direction}


def quarters(low, high):
    return st.integers(4 * low, 4 * high).map(lambda i: i / 4)


@st.composite
def primitives(draw, kind, channels):
    """One of `kind` with dyadic operands, one or one a channel."""
    count = draw(st.sampled_from([1, channels]))
    if kind in INTEGERS:
        return primitive(kind)
    if kind == "clip":
        low, high = sorted(draw(st.tuples(quarters(-8, 8), quarters(-8, 8))))
        return primitive(kind, row(*draw(st.sampled_from([(low, high), (low, np.inf), (-np.inf, high)]))))
    if kind == "count":
        rows = [draw(st.lists(quarters(-6, 6), min_size=3, max_size=3)) for _ in range(count)]
        return primitive(kind, np.array(rows, dtype=F32))
    numbers = {
        "mul": st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.5, 3.0]),
        "div": st.sampled_from([-4.0, -0.5, 2.0, 8.0]),
        "leaky": st.sampled_from([0.0, 0.25, 0.5, 1.5]),
    }.get(kind, quarters(-6, 6))
    return primitive(kind, row(*(draw(numbers) for _ in range(count))))


@st.composite
def chains(draw, channels):
    """Up to six primitives, of any kind, and a rounding at the end; dyadic, so that float32 is exact."""
    chosen = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    return (*(draw(primitives(kind, channels)) for kind in chosen), primitive(draw(st.sampled_from(ROUNDINGS))))


@given(chains(3))
@settings(max_examples=150, deadline=None)
def test_thresholds_of_random_chains_equal_rationals_at_every_z(chain):
    type_ = IntType(-37, 42)
    code = LevelCode(0, 1, 0)
    activation = Activation(chain, (Fraction(1, 4),), (Fraction(1, 2),), F32, code).bounded(type_, 3)
    op = find_thresholds(activation, type_, 3)
    z = np.arange(type_.lo, type_.hi + 1)
    got = op.reference(np.broadcast_to(z, (1, 3, z.size)))[0]
    for channel in range(3):
        for number, level in zip(z.tolist(), got[channel].tolist(), strict=True):
            value = Fraction(number, 4) + Fraction(1, 2)
            for op in chain:
                value = apply(op, value, channel)
            assert level == value, (channel, number)


@given(chains(2), chains(2), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_random_nets_of_all_primitives_equal_rationals(first, second, seed):
    rng = np.random.default_rng(seed)
    net = Net(size=3)
    net.c(conv(ternary(rng, 2, 3, 2, 2), pads=(1, 0, 0, 1)), "image")
    net.n(Pointwise((primitive("mul", row(1 / 64)), *first[:-1])), "c")
    net.q(Quantise(first[-1:], None, 1, None), "n")
    net.d(conv(ternary(rng, 2, 2, 2, 2)), "q")
    net.r(Quantise(second, None, 1, None), "d")
    assert_equal_to_rationals(net.finish(y="r"), images=1, seed=seed)


def test_a_rounding_without_limits_that_has_too_many_levels_is_refused():
    activation = Activation((primitive("rint"),), (1,), (0,), F32, LevelCode(0, 1, 0))
    with pytest.raises(
        IntinferError,
        match=r"^a rounding without limits gives 0\.\.4\.1943e\+06 in 1 channels; clip it to the levels that are",
    ):
        activation.bounded(IntType(0, 2**22), 1)


def test_a_rounding_without_limits_that_is_constant_is_one_level():
    activation = Activation((primitive("mul", row(0.0)), primitive("rint")), (1,), (0,), F32, LevelCode(0, 1, 0))
    bounded = activation.bounded(IntType(-5, 5), 2)
    assert (bounded.code.base, bounded.code.count) == (0, 1)
    assert set(find_thresholds(bounded, IntType(-5, 5), 2).reference(np.arange(-5, 6)[None, None])[0, 0].tolist()) == {
        0
    }
