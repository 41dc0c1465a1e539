"""What an op says of itself is true of its reference: ranges by channel, demand, linear forms, the file's budget."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer.accumulator import Accumulator
from intinfer.graph import Value
from intinfer.ops import OPS
from intinfer.ops.base import Elementwise, Nonlinear
from intinfer.ops.linear import Box, Linear
from intinfer.ops.mac import Accumulating
from intinfer.strategies import arrays, cases

FEW = settings(max_examples=60)
KINDS = sorted(OPS)


def drawn(data, kind):
    """An op that cannot overflow, its inputs as values, and arrays (2, *shape) for them."""
    op, inputs = data.draw(cases(kind))
    if isinstance(op, Accumulating):
        op = op.accumulating(Accumulator.prove(62))
    values = [Value(f"x{i}", array.shape[1:], type_) for i, (array, type_) in enumerate(inputs)]
    return op, values, [array for array, _ in inputs]


def of_channels(array):
    """(C, all that a channel holds)."""
    return np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(OPS[kind], Nonlinear)])
@FEW
@given(st.data())
def test_no_result_leaves_the_range_of_its_channel(kind, data):
    op, values, inputs = drawn(data, kind)
    rows = [of_channels(array) for array in inputs]
    lo, hi = op.channel_range(values, [(row.min(axis=1), row.max(axis=1)) for row in rows])
    results = of_channels(op.reference(*inputs))
    assert lo.shape == hi.shape == results.shape[:1]
    assert (lo <= results.min(axis=1)).all()
    assert (results.max(axis=1) <= hi).all()


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(st.data())
def test_what_is_not_demanded_changes_nothing(kind, data):
    op, values, inputs = drawn(data, kind)
    wanted = op.reference(*inputs)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=wanted.shape[1], max_size=wanted.shape[1])))
    select = inputs[0][0] == 1 if kind == "mux" and data.draw(st.booleans()) else None
    asked = op.demand(values, mask, select)
    images = slice(0, 1) if select is not None else slice(None)  # the select bits are those of one image
    changed = []
    for value, array, demanded in zip(values, inputs, asked, strict=True):
        other = data.draw(arrays(value.type, array.shape))
        changed.append(np.where(demanded.reshape((1, -1) + (1,) * (array.ndim - 2)), array, other))
    assert (op.reference(*changed)[images, mask] == wanted[images, mask]).all()


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(st.data())
def test_channels_ask_for_what_each_of_them_asks(kind, data):
    """By that the compiled loop of the engine knows beforehand what select bits need."""
    op, values, inputs = drawn(data, kind)
    channels = op.reference(*inputs).shape[1]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=channels, max_size=channels)))
    select = inputs[0][0] == 1 if kind == "mux" and data.draw(st.booleans()) else None
    each = [op.demand(values, row, select) for row in np.eye(channels, dtype=bool)[mask]]
    for position, asked in enumerate(op.demand(values, mask, select)):
        union = np.any([row[position] for row in each], axis=0) if each else np.zeros_like(asked)
        np.testing.assert_array_equal(asked, union)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(OPS[kind], Linear)])
@FEW
@given(st.data())
def test_a_linear_form_gives_the_result(kind, data):
    op, values, inputs = drawn(data, kind)
    result = op.reference(*inputs)[0]
    extents = (*result.shape, 1, 1)[:3]
    at = tuple(data.draw(st.integers(0, extent - 1)) for extent in extents)
    coefficients = np.zeros((1, extents[0], 1, 1), dtype=np.int64)
    coefficients[0, at[0]] = factor = data.draw(st.sampled_from([1, 3, -2]))
    constant, boxes = op.pull_back(values, Box(*at[1:], coefficients))
    total = int(np.broadcast_to(constant, 1)[0])
    for array, box in zip(inputs, boxes, strict=True):
        if box is not None:
            whole = array[0].reshape((*array.shape[1:], 1, 1)[:3])
            height, width = box.coefficients.shape[2:]
            part = whole[:, box.top : box.top + height, box.left : box.left + width].astype(object)
            total += int((part * box.coefficients[0]).sum())
    assert total == factor * int(result.reshape(extents)[at])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(OPS[kind], Linear)])
@FEW
@given(st.data())
def test_a_pixel_reads_the_rows_and_columns_that_its_form_is_on(kind, data):
    op, values, inputs = drawn(data, kind)
    extents = (*op.reference(*inputs).shape[1:], 1, 1)[:3]
    at = [data.draw(st.integers(0, extent - 1)) for extent in extents]
    coefficients = np.ones((1, extents[0], 1, 1), dtype=np.int64)
    _, boxes = op.pull_back(values, Box(at[1], at[2], coefficients))
    for axis, i in product((0, 1), range(len(values))):
        shapes = [(*value.shape, 1, 1)[:3] for value in values]
        reads = op.reads(axis, at[1 + axis], [shape[1 + axis] for shape in shapes])
        read = {row for found in reads if found is not None for which, row in [found] if which == i}
        if boxes[i] is not None:
            on = np.flatnonzero(boxes[i].coefficients.any(axis=(0, 1, 3 - axis)))
            assert {(boxes[i].top, boxes[i].left)[axis] + int(row) for row in on} <= read


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(OPS[kind], Elementwise)])
@FEW
@given(st.data())
def test_an_element_depends_on_the_same_element_of_each_input(kind, data):
    op, values, inputs = drawn(data, kind)
    at = tuple(data.draw(st.integers(0, extent - 1)) for extent in values[0].shape)
    changed = []
    for value, array in zip(values, inputs, strict=True):
        other = data.draw(arrays(value.type, array.shape))
        other[(slice(None), *at)] = array[(slice(None), *at)]
        changed.append(other)
    assert (op.reference(*changed)[(slice(None), *at)] == op.reference(*inputs)[(slice(None), *at)]).all()


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(st.data())
def test_an_op_on_another_range_gives_what_it_gave(kind, data):
    """Each input may become narrower; where there is an op for it, what it does with the numbers left is the same."""
    op, values, inputs = drawn(data, kind)
    x = values[0]
    held = [*inputs[0].reshape(-1).tolist(), *getattr(op, "pad_value", ())]  # a border stays in the range
    lo, hi = min(held), max(held)
    narrower = replace(x, type=type(x.type)(lo, hi))
    adapted = op.adapted(narrower, x.type)
    np.testing.assert_array_equal(adapted.reference(*inputs), op.reference(*inputs))
    adapted.infer(narrower, *values[1:])
