"""Channel selection: all index lists of small maps, shuffle, slice, refusals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles import naive

from intinfer.errors import GraphError
from intinfer.ops import ChannelSelect
from intinfer.strategies import cases
from intinfer.tensor import IntTensor
from intinfer.types import IntType
from ops.check import check_op, refusal

SMALL = IntType(0, 99)


def test_every_list_of_up_to_three_of_three_channels():
    batch = np.arange(12).reshape(2, 3, 1, 2)
    for length in (1, 2, 3):
        for indices in product(range(3), repeat=length):
            expected = [[image[index] for index in indices] for image in batch.tolist()]
            assert check_op(ChannelSelect(IntTensor(indices)), [(batch, SMALL)], expected) == SMALL


@pytest.mark.parametrize("channels", range(1, 13))
def test_shuffle_by_its_formula(channels):
    batch = np.arange(channels).reshape(1, channels)
    for groups in (g for g in range(1, channels + 1) if channels % g == 0):
        each = channels // groups
        expected = [0] * channels
        for i in range(groups):
            for j in range(each):
                expected[j * groups + i] = i * each + j
        check_op(ChannelSelect.shuffle(channels, groups), [(batch, SMALL)], [expected])


def test_slice():
    batch = np.array([[10, 11, 12, 13]])
    check_op(ChannelSelect.slice(1, 3), [(batch, SMALL)], [[11, 12]])


@given(cases("channel_select"))
def test_any_selection_equals_the_naive_one(case):
    op, inputs = case
    check_op(op, inputs, naive.apply(op, *(array for array, _ in inputs)))


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([[0]], "indices have shape (1, 1), (C,) with C >= 1 is needed"),
        (np.array([], dtype=int), "indices have shape (0,), (C,) with C >= 1 is needed"),
        ([0, 2], "indices 0..2 leave the 2 channels of 'x0'"),
        ([-1, 1], "indices -1..1 leave the 2 channels of 'x0'"),
    ],
)
def test_refusals(indices, message):
    assert refusal(ChannelSelect(IntTensor(indices)), ((2, 1, 1), SMALL)) == message


@pytest.mark.parametrize("groups", [0, -1, 4, 7])
def test_a_shuffle_whose_groups_do_not_divide_the_channels_is_refused(groups):
    with pytest.raises(GraphError) as caught:
        ChannelSelect.shuffle(6, groups)
    assert str(caught.value) == f"6 channels cannot be shuffled in {groups} groups: groups must divide them"
