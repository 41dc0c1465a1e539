"""Where containers, words and windows end: the engine against the reference, fused and not, skipping and not."""

import numpy as np
import pytest
from engine_cases import LIMIT, NONE, UP, assert_engine, conv, graph_of

from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.kernels.base import container
from intinfer.ops import (
    Add,
    Affine,
    ArgMax,
    Bitshift,
    ChannelSelect,
    Clamp,
    Concat,
    Dense,
    Flatten,
    MaxPool,
    Mux,
    Requant,
    SumPool,
    Table,
    Tgap,
    Threshold,
)
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntType

# ------------------------------------------------------------------------------------------------------- containers

ENDS = [
    (IntType(0, 255), np.uint8),
    (IntType(0, 256), np.int16),
    (IntType(-1, 127), np.int8),
    (IntType(-128, 127), np.int8),
    (IntType(-1, 128), np.int16),
    (IntType(-129, 0), np.int16),
    (IntType(-(2**15), 2**15 - 1), np.int16),
    (IntType(-1, 2**15 - 1), np.int16),
    (IntType(-(2**15), 5), np.int16),
    (IntType(0, 2**15), np.int32),
    (IntType(-(2**31), 2**31 - 1), np.int32),
    (IntType(0, 2**31), np.int64),
    (IntType(-LIMIT, LIMIT), np.int64),
]


@pytest.mark.parametrize(("type_", "dtype"), ENDS, ids=str)
def test_thresholds_at_the_ends_of_every_container(type_, dtype):
    """Limits at lo - 1, lo, hi and hi + 1, rising and falling, on an input and on a convolution's sums."""
    lo, hi = type_.lo, type_.hi
    rising, falling = [lo, lo, min(lo + 1, hi), hi, hi + 1], [hi, hi, max(hi - 1, lo), lo, lo - 1]
    op = Threshold(IntTensor([rising, falling]), IntTensor([0, 1]), -3, 2)
    assert container(type_) == dtype
    assert_engine(graph_of([((2, 2, 3), type_)], op))
    if type_ in (IntType(-128, 127), IntType(0, 2**15), IntType(0, 2**31)):  # an accumulator of 16, 32 and 64 bits
        assert_engine(graph_of([((2, 2, 3), type_)], conv(np.ones((2, 1, 1, 1), int), groups=2), op))


@pytest.mark.parametrize("type_", [type_ for type_, _ in ENDS if type_.lo], ids=str)
def test_ops_that_carry_values_through_every_container(type_):
    """Concat and mux into the union of two containers, clamp back, reorder with repetition, pool and argmax."""
    builder = GraphBuilder()
    x, byte = builder.input("x", (2, 2, 3), type_), builder.input("byte", (2, 2, 3), IntType(0, 255))
    select = builder.input("select", (2,), IntType(0, 1))
    both = builder.add(Concat(), x, byte, x, name="concat")
    mixed = builder.add(Mux(), select, x, byte, name="mux")
    values = [
        both,
        builder.add(ChannelSelect(IntTensor([5, 0, 0, 3, 2, 2])), both, name="picked"),
        mixed,
        builder.add(Clamp(type_.lo, type_.hi), mixed, name="clamp"),
        builder.add(MaxPool((2, 2), (1, 2), (1, 0, 0, 1), (1, 1)), mixed, name="pool"),
        builder.add(ArgMax(), both, name="argmax"),
        builder.add(Flatten(), mixed, name="flat"),
    ]
    for value in values:
        builder.output(value.name, value)
    assert_engine(builder.finish())


@pytest.mark.parametrize("fused", [False, True])
def test_more_thresholds_than_the_sums_have_values(fused):
    """40,000 thresholds on 2 bits, and 65,535 on 16: the count leaves the container of what is compared."""
    for type_, limits in ((IntType(0, 3), [1] * 40_000), (IntType(-32767, 32766), np.arange(-32767, 32767))):
        ops = [conv([[[[1]]]])] * fused + [Threshold(IntTensor([limits]), UP, 0, 1)]
        highest = assert_engine(graph_of([((1, 2, 2), type_)], *ops))["y"].max()
        assert highest > 32767


# -------------------------------------------------------------------------------------------------------- arithmetic


def test_weights_that_become_one_in_the_accumulators_container():
    """Constant channels let huge weights cancel in 16 bits: the sum is exact, the weights are not ±1."""
    constant = [((2, 1, 2), IntType(1, 1))]
    for pair in ([-32768, 1], [65535, -65536], [65537, -65535], [70000, -69999], [2**40 + 1, -(2**40)]):
        graph = graph_of(constant, conv(np.array(pair).reshape(1, 2, 1, 1)))
        assert container(graph.values["n0"].type).itemsize <= 2
        assert (assert_engine(graph)["y"] == sum(pair)).all()


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_partial_sums_beyond_the_container(size):
    """Sums whose range nearly fills a container; on the way there, and in single products, they leave it."""
    top = 2 ** (8 * size - 1) - 2 if size < 8 else 2**60
    weight = np.array([[1] * 5 + [-1] * 6, [3, -2] * 5 + [-5]])
    type_ = IntType(-(top // 30), top // 30)
    extremes = np.where(np.concatenate([weight, -weight]) > 0, type_.hi, type_.lo)
    rule = Accumulator.prove(62)
    limits = Threshold(IntTensor([[-(top // 3), 0, 1, top // 3]]), UP, 0, 1)
    for behind in ((), (limits,)):
        assert_engine(graph_of([((11,), type_)], Dense(IntTensor(weight), rule), *behind), {"x0": extremes})
        graph = graph_of([((11, 1, 1), type_)], conv(weight[:, :, None, None]), *behind)
        assert_engine(graph, {"x0": extremes[:, :, None, None]})


def test_int64_sums_near_their_limit():
    type_ = IntType(-(2**50), 2**50)
    weight = np.array([2**9, -(2**9), 2**9 - 1, 1]).reshape(1, 4, 1, 1)
    assert_engine(graph_of([((4, 2, 2), type_)], conv(weight)))
    assert_engine(graph_of([((1, 2, 2), IntType(-1, 1))], Affine(IntTensor([LIMIT - 1]), IntTensor([1]))))
    big = [((1, 2, 2), IntType(-(2**61), 2**61)), ((1, 2, 2), IntType(0, 1))]
    assert_engine(graph_of(big, Add((-1, 2**61))))
    assert_engine(graph_of([((1, 2, 2), IntType(0, 2**60))], SumPool((2, 2), (1, 1), NONE)))


@pytest.mark.parametrize("type_", [IntType(-LIMIT, LIMIT), IntType(0, LIMIT), IntType(-5, 9)], ids=str)
@pytest.mark.parametrize("rounding", RoundMode)
def test_requant_by_the_widest_shifts(type_, rounding):
    """Shifts 0, 1, 61 and 62, with values at and beside the ties: half is 2^61 for the largest."""
    shifts, offsets = IntTensor([0, 1, 61, 62]), IntTensor([0])
    op = Requant(IntTensor([1]), offsets, shifts, rounding, -LIMIT, LIMIT)
    graph = graph_of([((4, 1, 9), type_)], op)
    near = [s * (2**61 + d) for s in (-1, 1) for d in (-1, 0, 1)] + [0, type_.lo, type_.hi]
    values = np.broadcast_to(np.clip(np.array(near), type_.lo, type_.hi), (1, 4, 1, 9))
    assert_engine(graph, {"x0": values})


def test_add_whose_partial_sums_leave_the_output():
    byte, sign = IntType(0, 255), IntType(-1, 0)
    assert container(graph_of([((1, 2, 2), sign)] * 2, Add((-100, -100))).values["n0"].type) == np.uint8
    assert_engine(graph_of([((1, 2, 2), sign)] * 2, Add((-100, -100))))
    assert_engine(graph_of([((1, 3, 3), IntType(200, 200)), ((1, 3, 3), byte)], Add((-1, 1))))
    assert_engine(graph_of([((1, 3, 3), IntType(90, 100))] * 3, Add((3, 3, -6))))


def test_clamps_beyond_the_machine_word():
    for lo, hi in ((-LIMIT, LIMIT), (0, LIMIT - 1), (-LIMIT + 7, -1), (LIMIT, LIMIT)):
        if lo <= LIMIT:
            assert_engine(graph_of([((1, 3, 3), IntType(-LIMIT, LIMIT))], Clamp(lo, hi)))
        assert_engine(graph_of([((1, 3, 3), IntType(-5, 5))], Clamp(min(lo, 9), hi)))


def test_tables_of_negative_and_single_inputs():
    assert_engine(graph_of([((2, 2, 3), IntType(-128, 127))], Table(IntTensor([np.arange(256) ** 2]), -128, 0, 65025)))
    assert_engine(graph_of([((2, 2, 3), IntType(7, 7))], Table(IntTensor([[LIMIT], [-LIMIT]]), 7, -LIMIT, LIMIT)))


@pytest.mark.parametrize("top", [1, 3, 4, 2**8 - 1, 2**61, LIMIT])
def test_tgap_on_equality_and_with_the_largest_level(top):
    """Twice the sum equals N * h * w, is one beside it, or N * h * w leaves 64 bits."""
    type_ = IntType(0, min(top, 2**16))
    half = np.array([[type_.hi, type_.hi // 2], [0, type_.hi - type_.hi // 2]])
    above, below = half.copy(), half.copy()
    above[1, 0] += 1
    below[0, 0] -= 1
    assert_engine(graph_of([((3, 2, 2), type_)], Tgap(top)), {"x0": np.stack([half, above, below])[None]})
    assert_engine(
        graph_of([((1, 1, 1), type_)], Tgap(top)), {"x0": np.array([0, type_.hi // 2, type_.hi]).reshape(3, 1, 1, 1)}
    )


def test_bitshift_of_the_widest_levels():
    for bits in (1, 2, 8, 9, 32):
        assert_engine(graph_of([((2, 3, 3), IntType.unsigned(bits))] * 2, Bitshift(bits)))


# ----------------------------------------------------------------------------------------------------------- windows

HUGE = 4096
"""The largest stride, dilation and pad."""
SHAPES = [
    # (channels, height, width), weight shape, what differs
    ((2, 1, 1), (3, 2, 1, 1), {}),
    ((2, 1, 1), (3, 2, 3, 3), {"pads": (1, 1, 1, 1), "pad_value": (2, -1)}),
    ((2, 2, 2), (2, 2, 5, 5), {"pads": (3, 0, 0, 3), "pad_value": (-2,)}),
    ((4, 3, 40), (6, 2, 2, 3), {"groups": 2, "stride": (2, 3), "dilation": (2, 3), "pads": (0, 2, 1, 0)}),
    ((3, 5, 4), (6, 1, 3, 1), {"groups": 3, "stride": (1, 5), "dilation": (2, 7), "pads": (0, 0, 1, 3)}),
    ((2, 5, 5), (2, 2, 1, 1), {"stride": (HUGE, HUGE)}),
    ((2, 5, 5), (2, 2, 1, 3), {"stride": (HUGE - 1, HUGE), "dilation": (HUGE, 2)}),
    ((2, 5, 5), (2, 2, 3, 1), {"stride": (1, HUGE), "dilation": (2, HUGE), "pads": (0, 0, 3, 0)}),
    ((2, 9, 10), (2, 2, 3, 2), {"stride": (2, 3), "dilation": (2, 3), "pads": (1, 0, 0, 2)}),
    ((2, 10, 9), (2, 2, 2, 3), {"stride": (3, 2), "dilation": (5, 3), "pads": (0, 1, 2, 0)}),
    ((1, 3, 3), (1, 1, 2, 2), {"stride": (4, 4), "pads": (2, 1, 6, 9), "pad_value": (3,)}),
    ((1, 40, 60), (1, 1, 3, 3), {"pads": (1, 1, 1, 1)}),  # more pixels than a block: rows that span two
    ((1, 1, 1500), (2, 1, 1, 2), {"stride": (1, 1)}),
]


@pytest.mark.parametrize("rule", [Accumulator.prove(62), Accumulator.wrap(5), Accumulator.saturate(5, TapOrder.KKC, 3)])
@pytest.mark.parametrize(("shape", "kernel", "changes"), SHAPES, ids=str)
def test_convolution_windows(shape, kernel, changes, rule):
    """Ternary, larger and absent weights, with a threshold behind."""
    rng = np.random.default_rng(8)
    for top in (1, 7, 0):
        weight = rng.integers(-top, top, kernel, endpoint=True)
        weight[0] = 0  # a channel of no taps at all
        op = conv(weight, **changes, accumulator=rule)
        assert_engine(graph_of([(shape, IntType(-2, 3))], op))
        lo, hi = (end := graph_of([(shape, IntType(-2, 3))], op).values["n0"].type).lo, end.hi
        level = Threshold(IntTensor([[max(lo, min(hi + 1, t)) for t in (-4, 0, 5)]]), UP, -1, 1)
        assert_engine(graph_of([(shape, IntType(-2, 3))], op, level))


def test_pad_values_that_nobody_reads_may_be_anything():
    assert_engine(
        graph_of([((1, 5, 5), IntType(0, 1))], conv(np.ones((1, 1, 2, 2), int), stride=(2, 2), pad_value=(LIMIT,)))
    )


@pytest.mark.parametrize("pool", [MaxPool((1, 2), (HUGE, HUGE), NONE, (HUGE, 1)), SumPool((1, 1), (HUGE, 2), NONE)])
def test_pools_with_steps_beyond_the_map(pool):
    assert_engine(graph_of([((2, 3, 3), IntType(-3, 4))], pool))


def test_folds_beyond_the_products():
    for fold in (1, 8, 9, 10, LIMIT):
        rule = Accumulator.saturate(3, TapOrder.CKK, fold)
        assert_engine(graph_of([((1, 4, 4), IntType(-3, 4))], conv(np.ones((1, 1, 3, 3), int), accumulator=rule)))
