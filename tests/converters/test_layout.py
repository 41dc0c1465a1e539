"""`Layout` against plain arrays: a random sequence of layout ops is done to both."""

from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer_converters.floatnet import FlattenMap, Gather, SelectChannels
from intinfer_converters.symbolic.base import Unsupported
from intinfer_converters.symbolic.layout import Layout, arrangement

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@st.composite
def divided(draw, size):
    """A shape of `size` elements."""
    shape = []
    while size > 1:
        shape.append(draw(st.sampled_from([n for n in range(2, size + 1) if size % n == 0])))
        size //= shape[-1]
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    return tuple(shape) or (1,)


def taken(index, places, axis):
    """`index` where places are there, -1 elsewhere."""
    nowhere = places.reshape(*places.shape, *[1] * (index.ndim - 1 - axis)) < 0
    return np.where(nowhere, -1, np.take(index, places, axis))


@st.composite
def changed(draw, layout, index):
    """One layout op, done to a layout and to its array."""
    kind = draw(
        st.sampled_from(["reshape", "transpose", "take", "pad", "broadcast", "concatenate", "strided", "anything"])
    )
    axis = draw(st.integers(0, index.ndim - 1))
    extent = index.shape[axis]
    if kind == "reshape":
        shape = draw(divided(index.size))
        return layout.reshape(shape), index.reshape(shape)
    if kind == "transpose":
        order = draw(st.permutations(range(index.ndim)))
        return layout.transpose(order), index.transpose(order)
    if kind == "take":
        places = np.array(draw(st.lists(st.integers(-1, extent - 1), min_size=1, max_size=5)))
        places = places.reshape(draw(divided(places.size)))
        return layout.take(places, axis), taken(index, places, axis)
    if kind == "pad":
        places = np.pad(np.arange(extent), draw(st.integers(0, 2)), constant_values=-1)[
            :: draw(st.sampled_from([-1, 1]))
        ]
        return layout.take(places, axis), taken(index, places, axis)
    if kind == "broadcast":
        shape = (draw(st.integers(1, 2)), *(draw(st.integers(1, 3)) if n == 1 else n for n in index.shape))
        return layout.broadcast_to(shape), np.broadcast_to(index, shape)
    if kind == "concatenate":
        places = np.array(draw(st.lists(st.integers(0, extent - 1), min_size=1, max_size=3)))
        parts = draw(st.permutations([(layout, index), (layout.take(places, axis), np.take(index, places, axis))]))
        return Layout.concatenate([a for a, _ in parts], axis), np.concatenate([b for _, b in parts], axis)
    if kind == "strided":
        view = np.arange(index.size).reshape(draw(divided(index.size)))
        view = view.transpose(draw(st.permutations(range(view.ndim))))
        view = view[
            tuple(
                draw(st.sampled_from([slice(None), slice(None, None, -1), slice(1), slice(None, None, 2)]))
                for _ in view.shape
            )
        ]
        strides = [stride // view.itemsize for stride in view.strides]
        return layout.strided(view.shape, strides, int(view.flat[0])), index.reshape(-1)[view]
    places = np.array(draw(st.lists(st.integers(0, index.size - 1), min_size=1, max_size=8)))
    return layout.gather(places), index.reshape(-1)[places]


@st.composite
def layouts(draw, shapes=SHAPES):
    """(shape of the value, a layout in it, the array that it stands for)."""
    value = draw(shapes)
    layout, index = Layout.whole(value), np.arange(prod(value)).reshape(value)
    for _ in range(draw(st.integers(0, 5))):
        layout, index = draw(changed(layout, index).filter(lambda pair: pair[1].size < 400 and pair[1].ndim < 8))
    return value, layout, index


@settings(max_examples=300)
@given(layouts())
def test_a_layout_is_what_numpy_makes_of_the_places(case):
    value, layout, index = case
    assert layout.shape == index.shape
    assert np.array_equal(layout.index, index)
    assert layout.padded == (index < 0).any()
    assert layout.distinct == len(set(index[index >= 0].tolist()))
    assert layout.is_whole(value) == (index.reshape(-1).tolist() == list(range(prod(value))))
    assert np.array_equal(np.broadcast_to(layout.thin(), index.shape), index)


@settings(max_examples=200)
@given(layouts(), layouts(st.just((2, 3, 2))))
def test_two_layouts_are_the_same_when_their_places_are(one, other):
    for a, b in ((one, other), (other, one), (one, one)):
        rebuilt = Layout.of(b[2])
        assert a[1].same(rebuilt) == (a[2].reshape(-1).tolist() == b[2].reshape(-1).tolist())
        assert rebuilt.same(b[1])


@settings(max_examples=200)
@given(layouts(), st.data())
def test_channels_and_numbers_one_a_channel(case, data):
    value, layout, index = case
    channel = np.where(index < 0, -1, index // prod(value[1:]))
    assert np.array_equal(layout.channels(value).index, channel)
    if layout.padded:
        return
    numbers = np.array(data.draw(st.lists(st.integers(0, 2), min_size=value[0], max_size=value[0])))
    found = layout.by_channel(value, numbers[channel])
    assert np.array_equal(found[channel], numbers[channel])
    shape = tuple(data.draw(st.sampled_from([1, n])) for n in index.shape)
    any_ = np.array(data.draw(st.lists(st.integers(0, 1), min_size=prod(shape), max_size=prod(shape)))).reshape(shape)
    wide = np.broadcast_to(any_, index.shape)
    groups = {c: set(wide[channel == c].tolist()) for c in set(channel.reshape(-1).tolist())}
    found = layout.by_channel(value, any_)
    assert (found is None) == any(len(group) > 1 for group in groups.values())
    assert found is None or np.array_equal(found[channel], wide)


@settings(max_examples=200)
@given(layouts())
def test_an_arrangement_computes_the_layout(case):
    """The float ops run on numbers give what the array of places picks."""
    value, layout, index = case
    ops = arrangement(value, layout, Fraction(7, 2))
    x = np.arange(prod(value)).reshape(value) * 10.0
    for op in ops:
        if isinstance(op, SelectChannels):
            x = x[list(op.indices)]
        elif isinstance(op, FlattenMap):
            x = x.reshape(-1)
        else:
            assert isinstance(op, Gather)
            x = np.where(op.index < 0, float(op.fill), x.reshape(-1)[op.index]).reshape(op.size)
    assert np.array_equal(x.reshape(-1), np.where(index < 0, 3.5, index * 10.0).reshape(-1))


@given(st.tuples(*[st.integers(1, 4)] * 3), st.tuples(*[st.integers(0, 2)] * 4), st.booleans())
def test_a_frame_is_what_was_padded(shape, pads, shuffled):
    layout = Layout.whole((3, 4, 4)).take(np.arange(shape[0])[::-1] % 3, 0)
    inner = layout.take(np.arange(shape[1]), 1).take(np.arange(shape[2]), 2)
    if shuffled:  # places that no sum says
        inner = Layout.of(np.random.default_rng(1).permutation(inner.index.reshape(-1)).reshape(inner.shape))
    top, left, bottom, right = pads
    padded = Layout.of(np.pad(inner.index, ((0, 0), (top, bottom), (left, right)), constant_values=-1))
    if any(pads):
        assert padded.padded
    found = padded.frame()
    assert found is not None
    assert found[1] == pads
    assert np.array_equal(found[0].index, inner.index)


def test_elements_that_are_none_but_no_frame():
    layout = Layout.whole((2, 3, 3)).take(np.array([0, -1, 2]), 1)
    assert layout.frame() is None
    assert Layout.whole((1, 2, 2)).take(np.full(3, -1), 0).frame() is None


def test_a_large_map_stays_a_few_factors():
    """(1, H, W, C), padded, flattened, cut and turned: nothing of the size of the map is made."""
    layout = Layout.whole((64, 512, 512)).reshape((1, 64, 512, 512)).transpose((0, 2, 3, 1))
    for axis in (1, 2):
        layout = layout.take(np.pad(np.arange(512), 1, constant_values=-1), axis)
    layout = layout.take(np.arange(1, 513), 1).take(np.arange(512, 0, -1), 2)
    split = layout.reshape((1, 512 * 512, 8, 8)).transpose((0, 1, 3, 2)).reshape((1, 512, 512, 64))
    assert len(split.factors) <= 4
    numbers = np.arange(64)
    turned = numbers.reshape(8, 8).T.reshape(-1)
    assert np.array_equal(split.by_channel((64, 512, 512), turned), numbers)
    assert split.by_channel((64, 512, 512), np.arange(512).reshape(512, 1)) is None


def test_what_does_not_fit_is_refused():
    with pytest.raises(Unsupported, match=r"shape \(5,\) for 6 elements of \(2, 3\)"):
        Layout.whole((2, 3)).reshape((5,))
    with pytest.raises(Unsupported, match="it gives 268,435,456 elements; at most 67,108,864"):
        Layout.whole((1, 4)).broadcast_to((2**14, 2**12, 4))
    with pytest.raises(ValueError, match="dimension"):
        Layout.concatenate([Layout.whole((2, 3)), Layout.whole((2, 4))], 0)
