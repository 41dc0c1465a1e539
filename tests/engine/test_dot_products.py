"""Convolutions by dot products against the reference, where numbers just fit a byte, a word or two, and just do not."""

import numpy as np
import pytest
from engine_cases import assert_engine, conv, graph_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from intinfer import reference
from intinfer.engine.planner import make_plan
from intinfer.engine.session import Session
from intinfer.kernels import tiles
from intinfer.kernels.conv2d_dot import Conv2dDot, operand
from intinfer.kernels.cpu import Products, products
from intinfer.kernels.planes import Encoding, Geometry, Layout, Packing, Placement, pack, unpack
from intinfer.kernels.vectors import lanes, load_lanes, operation, store_lanes
from intinfer.ops import Threshold
from intinfer.ops.threshold import clip_thresholds
from intinfer.strategies import arrays
from intinfer.tensor import IntTensor
from intinfer.types import IntType

TYPES = [
    IntType(0, 1), IntType(0, 255), IntType(0, 256), IntType(-128, 127), IntType(-200, 55), IntType(-200, 56),
    IntType(300, 555), IntType(-7, 8), IntType(-32768, 32767), IntType(0, 65535), IntType(-1, 65535),
    IntType(-(2**20), 2**20), IntType(0, 2**24 - 1),
]  # fmt: skip
WEIGHTS = [1, 7, 127, 128, 32767, 32768]


@pytest.mark.parametrize(
    ("type_", "most", "wanted"),
    [
        (IntType(0, 255), 127, Encoding(Packing.BYTES)),
        (IntType(-200, 55), 127, Encoding(Packing.BYTES, -200)),
        (IntType(300, 555), 1, Encoding(Packing.BYTES, 300)),
        (IntType(0, 256), 127, Encoding(Packing.WORDS)),
        (IntType(0, 255), 128, Encoding(Packing.WORDS)),
        (IntType(0, 65535), 32767, Encoding(Packing.WORDS, 32768)),
        (IntType(0, 65536), 1, Encoding(Packing.DIGITS, 0, 14)),
        (IntType(0, 65536), 32767, None),
        (IntType(0, 65535), 32768, None),
        (IntType(0, 2**29 - 1), 1, Encoding(Packing.DIGITS, 0, 14)),
        (IntType(0, 2**29), 1, None),
    ],
)
def test_the_narrowest_packing(type_, most, wanted):
    assert operand(type_, IntType(-most, most)) == wanted


@st.composite
def convolutions(draw):
    """A graph of one convolution, mostly with a threshold behind it, whose sums fit 32 bits."""
    groups = draw(st.sampled_from([1, 1, 2, 3, 8]))
    inputs, outputs = (groups * draw(st.integers(1, 9 if groups == 1 else 4)) for _ in range(2))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pads = draw(st.tuples(*[st.integers(0, 2)] * 4))
    reach = zip(kernel, dilation, pads[:2], strict=True)
    shape = tuple(draw(st.integers(max(1, 1 + d * (k - 1) - before), 20)) for k, d, before in reach)
    type_, most = draw(st.sampled_from(TYPES)), draw(st.sampled_from(WEIGHTS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weight = rng.integers(-most, most, (outputs, inputs // groups, *kernel), endpoint=True)
    weight[rng.random(weight.shape) < draw(st.sampled_from([0, 0.5, 0.9]))] = 0
    pad_count = draw(st.sampled_from([1, inputs]))
    changes = {
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "pads": pads,
        "pad_value": tuple(rng.integers(type_.lo, type_.hi, pad_count, endpoint=True).tolist()),
        "dilation": dilation,
        "groups": groups,
    }
    ops = [conv(weight, **changes)]
    graph = graph_of([((inputs, *shape), type_)], *ops)
    if draw(st.integers(0, 4)):
        ops.append(_threshold(draw, rng, outputs, graph.outputs[0].value, graph))
        graph = graph_of([((inputs, *shape), type_)], *ops)
    return graph


def _threshold(draw, rng, channels, name, graph):
    """Even and uneven staircases up and down, some of which no sum crosses; codes of bytes, and of more."""
    sums = graph.values[name].type
    count = draw(st.sampled_from([1, 2, 4, 15, 64, 255]))
    if draw(st.booleans()):
        spread = min(sums.hi - sums.lo, draw(st.sampled_from([count, 40 * count, 2**31])))
        start = rng.integers(sums.lo, sums.hi, (channels, 1), endpoint=True)
        rows = start + (np.arange(count) * spread // count)
    else:
        rows = np.sort(rng.integers(sums.lo, sums.hi + 1, (channels, count), endpoint=True), axis=1)
    down = rng.integers(0, 2, channels)
    rows = np.where(down[:, None] == 1, rows[:, ::-1], rows)
    limits = clip_thresholds(rows, down, sums)
    return Threshold(
        IntTensor(limits), IntTensor(down), draw(st.integers(-300, 300)), draw(st.sampled_from([1, 2, 300]))
    )


@given(st.data())
@settings(max_examples=150)
def test_any_convolution(data):
    graph = data.draw(convolutions())
    inputs = {value.name: data.draw(arrays(value.type, (2, *value.shape))) for value in graph.inputs}
    (wanted,) = reference.run(graph, inputs).values()
    for fuse in (True, False):
        (got,) = Session(graph, fuse=fuse).run(inputs, poison=True).values()
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("type_", TYPES, ids=str)
@pytest.mark.parametrize("most", WEIGHTS)
def test_weights_and_inputs_at_their_ends(type_, most):
    """The largest products of one sign, and of both, in the lanes of every packing; each lane has its own channel."""
    weight = np.zeros((9, 9, 1, 1), dtype=np.int64)
    np.fill_diagonal(weight[:, :, 0, 0], [most, -most] * 4 + [most])
    weight[0, :2, 0, 0] = most, -most
    graph = graph_of([((9, 2, 17), type_)], conv(weight))
    assert_engine(graph)
    (step,) = make_plan(graph).steps
    fits = operand(type_, IntType(-most, most)) is not None and Conv2dDot.refuses(step.node, graph.inputs, None) is None
    assert (step.kernel.name == "conv2d_dot") == fits


@pytest.mark.parametrize(
    ("sum_", "fits"), [(2**31 - 2, True), (2**31 - 1, False), (2 - 2**31, True), (1 - 2**31, False)]
)
def test_sums_that_just_fit_and_just_do_not(sum_, fits):
    """A constant is carried to the ends of 32 bits; thresholds stand on it and beside it."""
    constant = IntType(sum_, sum_)
    limits = Threshold(IntTensor([[sum_, sum_ + 1], [sum_, sum_ - 1]]), IntTensor([0, 1]), 0, 1)
    graph = graph_of([((1, 1, 3), constant)], conv([[[[1]]], [[[1]]]]), limits)
    assert (Conv2dDot.refuses(graph.nodes[0], graph.inputs, graph.nodes[1]) is None) == fits
    assert (assert_engine(graph)["y"] == 1).all()


@pytest.mark.parametrize("way", [way for way in Products if way <= products()], ids=lambda way: way.name)
def test_every_way_of_adding_products(way):
    """What this processor has, and what others take instead, against products in Python's integers."""
    rng = np.random.default_rng(4)
    for table, x_dtype, w_dtype in ((tiles.BYTES, np.uint8, np.int8), (tiles.WORDS, np.int16, np.int16)):
        add = operation(lanes, (lanes, lanes, lanes), table[way])

        @njit
        def run(total, x, weight, out, add=add):
            store_lanes(out, add(load_lanes(total), load_lanes(x), load_lanes(weight)))

        ends_x, ends_w = (
            [np.iinfo(t).min, -1 if np.iinfo(t).min else 1, 0, np.iinfo(t).max] for t in (x_dtype, w_dtype)
        )
        per_lane = 4 // np.dtype(x_dtype).itemsize
        for _ in range(50):
            x = rng.choice(ends_x, 16 * per_lane).astype(x_dtype)
            weight = rng.choice(ends_w, 16 * per_lane).astype(w_dtype)
            total = rng.integers(-(2**31), 2**31, 16).astype(np.int32)
            out = np.zeros(16, dtype=np.int32)
            run(total.ctypes.data, x.ctypes.data, weight.ctypes.data, out.ctypes.data)
            products_ = (x.astype(np.int64) * weight).reshape(16, per_lane).sum(axis=1)
            np.testing.assert_array_equal(out, (total + products_).astype(np.int32))


ENCODINGS = [
    (Encoding(Packing.BYTES, -7), IntType(-7, 248)),
    (Encoding(Packing.WORDS, 32768), IntType(0, 65535)),
    (Encoding(Packing.DIGITS, 0, 6), IntType(-(2**20), 2**20)),
    (Encoding(Packing.DWORDS), IntType.twos_complement(32)),
]


@given(st.data())
@settings(max_examples=60)
def test_planes_hold_a_map_and_its_margins(data):
    encoding, ends = data.draw(st.sampled_from(ENCODINGS))
    channels, height, width = (data.draw(st.integers(1, 9)) for _ in range(3))
    pads = data.draw(st.tuples(*[st.integers(0, 3)] * 4))
    geometry, per_plane = Geometry(height, width, pads), encoding.packing.channels
    count = -(-channels // per_plane)
    x = data.draw(arrays(ends, (channels, height, width)))
    pad_values = data.draw(arrays(ends, (channels,)))
    placement = Placement(64 + geometry.nbytes * np.arange(count))
    numbers = np.arange(channels)
    layout = Layout(geometry, encoding, 0, numbers // per_plane, numbers % per_plane, placement)
    memory = np.full(16 + count * geometry.pixels + 5, -1, dtype=np.int32)
    pack(x, layout, pad_values, memory)
    assert (memory[[*range(16), *range(-5, 0)]] == -1).all()
    for c in range(channels):
        plane = memory[16 + c // per_plane * geometry.pixels :].view(np.uint32)
        for y in range(-pads[0], height + pads[2]):
            for column in range(-pads[1], width + pads[3]):
                inside = 0 <= y < height and 0 <= column < width
                wanted = int(x[c, y, column] if inside else pad_values[c]) - encoding.base
                word = int(plane[geometry.origin + y * geometry.pitch + column]) >> (32 // per_plane * (c % per_plane))
                if encoding.packing is Packing.DIGITS:
                    word = ((word >> 16) << encoding.digit) + (word & 0xFFFF)
                bits = 32 // per_plane if encoding.packing is not Packing.DIGITS else 16 + encoding.digit
                assert (word - wanted) % 2**bits == 0
    some = np.sort(data.draw(st.permutations(range(channels)))[: channels // 2 + 1])
    out = np.full(x.shape, -999)
    unpack(layout, memory, some, out)
    np.testing.assert_array_equal(out[some], x[some])
    assert (np.delete(out, some, axis=0) == -999).all()


@pytest.mark.parametrize(("encoding", "ends"), ENCODINGS, ids=str)
def test_what_an_encoding_holds(encoding, ends):
    assert encoding.holds(ends)
    assert encoding.holds(IntType(ends.lo, ends.hi + 1)) == (encoding.packing is Packing.DIGITS)
    assert not Encoding(Packing.DIGITS, 0, 6).holds(IntType(0, 2**21))


def test_sums_that_reach_both_ends_of_a_word_behind_falling_thresholds():
    """The least sum is -(2^31 - 1): turned round, a limit that none crosses would be 2^31."""
    weight = np.array([[32767, 6, -32766]] * 2)[:, :, None, None]
    limits, down = IntTensor([[7, 0, -5], [3, -(2**31), -(2**31)]]), IntTensor([1, 1])
    graph = graph_of([((3, 2, 3), IntType(-32767, 32766))], conv(weight), Threshold(limits, down, 0, 1))
    assert graph.values["n0"].type.lo == -(2**31 - 1)
    assert_engine(graph)
